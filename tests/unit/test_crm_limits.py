"""Over each limit of a CRM a taxonomy is refused, with every problem at once; at the limit it is taken."""

from __future__ import annotations

import re
from typing import Any

import pytest

from contact_reasons.crm.exports import LIMITS, SYSTEMS, export_taxonomy
from contact_reasons.crm.exports.choices import Choice
from contact_reasons.crm.exports.limits import problems_of
from contact_reasons.crm.exports.system import CrmSystem
from contact_reasons.errors import CrmError
from contact_reasons.taxonomy import Taxonomy


def taxonomy(**reasons: Any) -> Taxonomy:
    """Primaries by id: label, or (label, {secondary: label})."""
    data = []
    for name, given in reasons.items():
        label, secondaries = given if isinstance(given, tuple) else (given, {"other": f"Other {name}"})
        listed = [{"id": f"{name}.{word}", "label": each} for word, each in secondaries.items()]
        data.append({"id": name, "label": label, "secondaries": listed})
    return Taxonomy.from_dict({"taxonomy_id": "t", "version": "1", "primaries": data})


def many(primaries: int, secondaries: int = 1) -> Taxonomy:
    return taxonomy(
        **{f"p{i}": (f"P {i}", {f"s{j}": f"S {i} {j}" for j in range(secondaries)}) for i in range(primaries)}
    )


def long_labels(chars: int, values: int) -> Taxonomy:
    """Values whose codes and labels have so many characters in all."""
    each, more = divmod(chars - len("q__otherOther q"), values)
    names = {f"s{j:03}": "" for j in range(values)}
    labels = {
        name: f"{name}".ljust(each + (1 if j < more else 0) - len(f"p__{name}"), "x") for j, name in enumerate(names)
    }
    return taxonomy(p=("P", labels), q="Q")


REFUSED: list[tuple[str, str, Taxonomy, Taxonomy, str]] = [
    ("salesforce", "primaries", many(301), many(300), "301 values where at most 300"),
    ("salesforce", "values", many(11, 91), many(10, 100), "1001 values where at most 1,000"),
    ("salesforce", "field", long_labels(15_001, 200), long_labels(15_000, 200), "15,001 characters in 201 values"),
    ("zendesk", "values", many(3, 667), many(4, 500), "2001 values where at most 2,000"),
    ("zendesk", "path", taxonomy(p="A::B"), taxonomy(p="A:B"), "the path 'A::B::Other p'"),
    ("zendesk", "path", taxonomy(p="A:"), taxonomy(p="A :-)"), "the path 'A:::Other p'"),
    ("zendesk", "reserved", taxonomy(p="Retired"), taxonomy(p="Retired people"), "its primary has the label 'Retired'"),
    (
        "zendesk",
        "unique",
        taxonomy(p=("A", {"a": "X"}), q=("a", {"a": "x"})),
        taxonomy(p=("A", {"a": "X"}), q=("a", {"a": "y"})),
        "is that of p.a too",
    ),
    ("hubspot", "values", many(3, 1667), many(5, 1000), "5001 values where at most 5,000"),
    ("dynamics", "values", many(73, 137), many(100, 100), "10001 values where at most 10,000"),
    (
        "dynamics",
        "unique-primaries",
        taxonomy(p=("A", {"a": "A"})),
        taxonomy(p=("A", {"a": "B"})),
        "the label 'A' stands twice in the tree",
    ),
    (
        "servicenow",
        "siblings",
        taxonomy(p=("A", {"a": "B", "b": "b"})),
        taxonomy(p=("A", {"a": "B"}), q=("Q", {"a": "B"})),
        "the label 'b' is that of p.a too",
    ),
    (
        "freshdesk",
        "siblings",
        taxonomy(p=("A", {"a": "B", "b": "Ｂ"})),
        taxonomy(p=("A", {"a": "B"}), q=("Q", {"a": "B"})),
        "is that of p.a too",
    ),
    (
        "intercom",
        "fewest",
        taxonomy(p=("A", {"a": "B", "b": "C"})),
        taxonomy(p="A", q="B"),
        "1 values in a field that takes 2 or more",
    ),
    ("intercom", "nested", taxonomy(p="A", q="A: B"), taxonomy(p="A", q="A:B"), "begins with that of p and ': '"),
    (
        "jira",
        "siblings",
        taxonomy(p=("A", {"a": "B", "b": "b "})),
        taxonomy(p=("A", {"a": "B", "b": "C"})),
        "is that of p.a too",
    ),
]


@pytest.mark.parametrize(
    ("system", "kind", "over", "within", "said"), REFUSED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_over_a_limit_is_refused_and_at_the_limit_taken(
    system: str, kind: str, over: Taxonomy, within: Taxonomy, said: str
) -> None:
    with pytest.raises(CrmError, match="nothing was written") as caught:
        export_taxonomy(over, system)
    assert said in str(caught.value)
    assert f"[{kind}; " in str(caught.value)
    assert export_taxonomy(within, system)


def choice(**given: Any) -> Choice:
    return Choice(**({"code": "a__b", "value": "a__b", "label": "B", "parents": ("a",), "definition": ""} | given))


SINGLE: list[tuple[str, str, Choice]] = [
    ("salesforce", "label", choice(label="x" * 256)),
    ("salesforce", "value", choice(value="x" * 41)),
    ("salesforce", "siblings", choice(label="first")),
    ("zendesk", "label", choice(label="A::" + "x" * 253)),
    ("zendesk", "value", choice(label="A::B", value="x" * 256)),
    ("hubspot", "option", choice(definition="x" * 2996)),
    ("hubspot", "unique", choice(label="FIRST")),
    ("dynamics", "siblings", choice(label="first")),
    ("servicenow", "value", choice(value="x" * 41)),
    ("servicenow", "label", choice(label="x" * 256)),
    ("freshdesk", "label", choice(label="x" * 256)),
    ("intercom", "unique", choice(label="first")),
    ("intercom ticket", "without", choice(label="one; two")),
    ("intercom ticket", "unique", choice(label="first")),
    ("intercom ticket", "nested", choice(label="Whole: B")),
    ("jira", "label", choice(label="x" * 256)),
]


@pytest.mark.parametrize(("system", "kind", "wrong"), SINGLE, ids=lambda value: value if isinstance(value, str) else "")
def test_a_value_over_a_limit_of_a_single_value_is_named(system: str, kind: str, wrong: Choice) -> None:
    first = choice(code="a__a", value="a__a", label="First")
    if kind == "nested":
        levels: Any = ([choice(code="a", label="Whole", parents=()), wrong], [])
    else:
        levels = ([], [first, wrong])
    found = problems_of(system, levels)
    mine = [problem for problem in found if problem.limit.kind == kind]
    assert [problem.reason for problem in mine if problem.reason != "a.a"] == ["a.b"]
    assert all(str(problem).startswith(f"{problem.reason}: ") for problem in mine)


def test_every_limit_is_tried_by_a_test_above() -> None:
    tried = {(system, kind) for system, kind, *_ in (*REFUSED, *SINGLE)}
    same = {"intercom ticket": "intercom", "dynamics subjects": "dynamics", "dynamics": "dynamics subjects"}
    for system, limits in LIMITS.items():
        for limit in limits:
            assert {(system, limit.kind), (same.get(system), limit.kind)} & tried or limit.kind in (
                "fewest",
                "values",
            ), (
                system,
                limit.kind,
            )


def test_every_problem_is_told_at_once_with_reason_value_limit_and_what_to_do() -> None:
    wrong = taxonomy(p=("A::B", {"a": "One", "b": "one"}), q=("Retired", {"a": "Two\x07"}))
    with pytest.raises(CrmError, match="nothing was written") as caught:
        export_taxonomy(wrong, "zendesk")
    lines = str(caught.value).splitlines()[1:]
    assert len(lines) == 5
    for expected in (
        "p.a: the path",
        "p.b: the path",
        "q.a: the label holds U+0007",
        "q.a: its primary",
        "p.b: the label",
    ):
        assert any(line.startswith(f"- {expected}") for line in lines)
    assert all(re.search(r"\[[\w-]+; .+\]\. \w.*\Z", line) for line in lines)


@pytest.mark.parametrize("char", ["\x00", "\n", "\x1b", "\u2028", "\ud800", "\ufffe", "\U0001ffff"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_what_no_menu_can_show_is_refused_everywhere(system: str, char: str) -> None:
    with pytest.raises(CrmError, match=rf"p\.a: the label holds U\+{ord(char):04X}"):
        export_taxonomy(taxonomy(p=("A", {"a": f"x{char}y"}), q="B"), system)


def test_a_ticket_attribute_of_intercom_takes_no_sign_that_stands_for_the_comma() -> None:
    with pytest.raises(CrmError, match=r"p\.a: the label 'A: One; two' holds ';'"):
        export_taxonomy(taxonomy(p=("A", {"a": "One; two"}), q="B"), "intercom", kind="ticket")


def test_a_definition_over_the_place_for_it_is_left_out_and_said() -> None:
    data = taxonomy(p=("A", {"a": "B"}))
    import dataclasses

    secondary = dataclasses.replace(data.secondaries[0], definition="x" * 256)
    primary = dataclasses.replace(data.primaries[0], secondaries=(secondary,))
    files = export_taxonomy(dataclasses.replace(data, primaries=(primary,)), "servicenow")
    assert "Definitions longer than 255 characters were left out: p.a." in files["README.md"]
    assert "x" * 256 not in files["sys_choice.xml"]
    assert "x" * 256 in files["taxonomy.yaml"].replace("\n", "")


@pytest.mark.parametrize("system", SYSTEMS)
def test_an_option_that_is_not_known_or_not_possible_is_refused(system: str) -> None:
    with pytest.raises(CrmError, match="tittle: the key 'tittle' is not known here; did you mean 'title'"):
        export_taxonomy(taxonomy(p="A", q="B"), system, tittle="x")
    with pytest.raises(CrmError, match="title: this has 81 characters"):
        export_taxonomy(taxonomy(p="A", q="B"), system, title="x" * 81)
    with pytest.raises(CrmError, match=r"title: .* holds a character that no page can show"):
        export_taxonomy(taxonomy(p="A", q="B"), system, title="x\x00y")


@pytest.mark.parametrize(
    ("system", "wrong"),
    [
        ("salesforce", {"primary_field": "Reason"}),
        ("salesforce", {"api_version": "37.0"}),
        ("salesforce", {"object": "../Case"}),
        ("zendesk", {"prefix": "CR"}),
        ("hubspot", {"primary_property": "a/b"}),
        ("dynamics", {"value_prefix": "1"}),
        ("dynamics", {"subjects": "maybe"}),
        ("servicenow", {"table": "x y"}),
        ("intercom", {"kind": "contact"}),
        ("jira", {"field_id": "10050"}),
    ],
)
def test_names_that_a_system_cannot_have_are_refused(system: str, wrong: dict[str, str]) -> None:
    with pytest.raises(CrmError, match=f"{next(iter(wrong))}: .* is not (possible here|known)"):
        export_taxonomy(taxonomy(p="A", q="B"), system, **wrong)


def test_a_system_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(CrmError, match="no export for 'zendsk'; did you mean 'zendesk'"):
        export_taxonomy(taxonomy(p="A"), "zendsk")


def test_every_system_has_limits_and_a_class_of_its_name() -> None:
    assert {name.partition(" ")[0] for name in LIMITS} == set(SYSTEMS)
    assert all(issubclass(each, CrmSystem) and each.name == name for name, each in SYSTEMS.items())
    assert all(limit.source and limit.breaks for limits in LIMITS.values() for limit in limits)
