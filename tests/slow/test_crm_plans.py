"""Exports read back and plans of updates on simulated CRMs: many taxonomies, many versions of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from contact_reasons.crm.exports import SYSTEMS
from contact_reasons.taxonomy import Taxonomy
from tests.unit.test_crm_exports import any_taxonomy, check_plans, check_read_back, versions

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("system", SYSTEMS)
@given(taxonomy=any_taxonomy())
@settings(max_examples=300)
def test_many_exports_read_back_are_the_taxonomy(system: str, taxonomy: Taxonomy) -> None:
    check_read_back(system, taxonomy)


@pytest.mark.parametrize("variant", [False, True])
@pytest.mark.parametrize("system", SYSTEMS)
@given(taxonomies=versions())
@settings(max_examples=300)
def test_no_plan_among_many_loses_a_value_of_old_tickets(
    system: str, variant: bool, taxonomies: list[Taxonomy]
) -> None:
    check_plans(system, variant, taxonomies)
