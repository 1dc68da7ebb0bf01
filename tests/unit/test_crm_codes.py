"""Codes of reasons: reversible, unique, what the strictest CRM takes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_reasons.crm.codes import code_of, codes_of, id_of_code, is_code
from contact_reasons.errors import CrmError
from contact_reasons.resources import pack_names
from contact_reasons.taxonomy import Taxonomy
from tests.strategies import taxonomies

WORD = st.from_regex(r"\A[a-z](?:_?[a-z0-9]){0,8}\Z")


@given(taxonomies())
def test_codes_are_unique_short_ascii_and_give_the_ids_back(data: dict[str, object]) -> None:
    taxonomy = Taxonomy.from_dict(data)
    codes = codes_of(taxonomy)
    assert list(codes) == [reason.id for reason in taxonomy.reasons]
    assert len(set(codes.values())) == len(codes)
    for reason_id, code in codes.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,39}", code)
        assert id_of_code(code) == reason_id


@given(WORD, WORD, WORD, WORD)
def test_different_ids_have_different_codes(a: str, b: str, c: str, d: str) -> None:
    ids = {a, c, f"{a}.{b}", f"{c}.{d}"}
    assert len({code_of(reason_id) for reason_id in ids}) == len(ids)


@given(st.text(max_size=50) | st.text("ab_.", max_size=12))
def test_a_text_is_a_code_exactly_where_it_gives_an_id_whose_code_it_is(text: str) -> None:
    if is_code(text):
        assert code_of(id_of_code(text)) == text
    else:
        with pytest.raises(CrmError, match="no reason has such a code"):
            id_of_code(text)


@pytest.mark.parametrize("name", pack_names())
def test_codes_of_shipped_packs_are_the_codes_of_their_reasons(name: str) -> None:
    taxonomy = Taxonomy.load(name)
    codes = codes_of(taxonomy)
    assert [codes[reason.id] for reason in taxonomy.secondaries] == [reason.code for reason in taxonomy.secondaries]


@pytest.mark.parametrize(
    "wrong", ["", "Billing", "billing.", "a.b.c", "a__b", "a_.b", "1a", "é", "a.b\n", "a" * 30 + ".1"]
)
def test_what_is_no_id_has_no_code(wrong: str) -> None:
    with pytest.raises(CrmError, match="no reason id"):
        code_of(wrong)


def test_an_id_that_is_too_long_is_named_with_the_limit() -> None:
    assert len(code_of("a" * 18 + "." + "b" * 20)) == 40
    with pytest.raises(CrmError, match=r"reason 'a{19}\.b{20}': its code has 41 characters; CRMs take at most 40"):
        code_of("a" * 19 + "." + "b" * 20)
