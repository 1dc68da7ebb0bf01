"""Requests made from the service's own OpenAPI description, right ones and wrong ones; answers are held against it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from contact_reasons.crm.events import EVENT_SYSTEMS
from contact_reasons.service import ServiceSettings, SystemSettings
from contact_reasons.service.openapi import description
from contact_reasons.service.problems import PROBLEMS
from tests.conftest import ROOT
from tests.service import KEY, Running

SYSTEMS = {name: SystemSettings() for name in EVENT_SYSTEMS}
SCHEMA = schemathesis.openapi.from_dict(description(ServiceSettings(keys=(KEY,), systems=SYSTEMS)))
OPERATIONS = {each.ok().definition.raw["operationId"]: each.ok() for each in SCHEMA.get_all_operations()}
WITH_BODY = ("event", "label", "route", "ticket")
MEANING = {
    "event": {"event-unreadable", "not-routable"},
    "ticket": {"event-unreadable", "not-routable", "invalid"},
    "route": {"not-routable"},
}
"""Why a request that fits the description may be refused all the same: what it means is known to a policy or a CRM alone."""


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Running(systems=SYSTEMS) as found:
        yield found


def fuzz(running: Running, name: str, mode: GenerationMode, examples: int) -> None:
    """Hold so many answers of an operation against the description."""

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), phases=[Phase.generate], database=None)
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        case: Case = data.draw(OPERATIONS[name].as_strategy(generation_mode=mode))
        answer = case.call(base_url=running.url, headers={"Authorization": f"Bearer {KEY}"})
        assert answer.status_code < 500
        case.validate_response(answer, excluded_checks=[positive_data_acceptance])
        if mode is GenerationMode.POSITIVE and answer.status_code != 200:
            assert answer.json()["type"].rpartition(":")[2] in MEANING.get(name, ())

    check()


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"reload"}))
def test_right_requests_are_answered_as_described(running: Running, name: str) -> None:
    fuzz(running, name, GenerationMode.POSITIVE, 40 if name in WITH_BODY else 3)


@pytest.mark.parametrize("name", WITH_BODY)
def test_wrong_requests_are_refused_as_described(running: Running, name: str) -> None:
    fuzz(running, name, GenerationMode.NEGATIVE, 40)


def test_the_description_names_every_end_point_and_every_problem(running: Running) -> None:
    found = running.client.get("/openapi.json").json()
    assert found == description(running.service.settings)
    assert set(found["paths"]) == {route.path for route in running.app.routes}  # type: ignore[attr-defined]
    text = str(found)
    assert all(f"`{name}`" in text for name in set(PROBLEMS) - {"not-found", "method-not-allowed"})


def test_the_reference_has_every_problem_setting_and_end_point(running: Running) -> None:
    page = (ROOT / "docs" / "reference" / "service.md").read_text(encoding="utf-8")
    for name, kind in PROBLEMS.items():
        assert f"| `{name}` | {kind.status} |" in page
    settings_names = {field.name for kind in (ServiceSettings, SystemSettings) for field in dataclasses.fields(kind)}
    for name in settings_names - {"secrets"}:
        assert f"`{name}`" in page, name
    for path, methods in running.client.get("/openapi.json").json()["paths"].items():
        for method in set(methods) & {"get", "post"}:
            assert f"| `{method.upper()} {path}` |" in page
