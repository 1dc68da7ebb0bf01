"""What changed between two taxonomies: random sequences of changes are recovered exactly; nothing is guessed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.errors import MigrationError, TaxonomyError
from contact_reasons.taxonomy import Verdict, compare_taxonomies, migration_of
from tests.strategies import taxonomies


def taxonomy(
    version: str, reasons: dict[str, dict[str, Any]], primaries: dict[str, dict[str, Any]] | None = None
) -> cr.Taxonomy:
    """A taxonomy of secondaries by id, each with the keys that differ from the plain ones."""
    names = sorted({reason.partition(".")[0] for reason in reasons})
    more = primaries or {}
    return cr.Taxonomy.from_dict(
        {
            "taxonomy_id": "shop",
            "version": version,
            "primaries": [
                {
                    "id": name,
                    "label": name.title(),
                    **more.get(name, {}),
                    "secondaries": [
                        {"id": reason, "label": reason.upper(), **keys}
                        for reason, keys in sorted(reasons.items())
                        if reason.partition(".")[0] == name
                    ],
                }
                for name in names
            ],
        }
    )


# --------------------------------------------------------------------------- random changes, known by heart


@dataclass
class Changes:
    """A taxonomy that is changed step by step, and what was done, kept apart from the code under test.

    Each reason has the ids of the first version whose contacts it holds; splitting copies them, merging unites them.
    """

    reasons: dict[str, dict[str, Any]]
    holds: dict[str, frozenset[str]] = field(default_factory=dict)
    number: int = 0
    versions: list[cr.Taxonomy] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.holds = {reason: frozenset([reason]) for reason in self.reasons}

    def new_id(self, primary: str) -> str:
        self.number += 1
        return f"{primary}.n{self.number}"

    def freeze(self) -> cr.Taxonomy:
        return taxonomy(str(len(self.versions) + 1), self.reasons)

    def history(self, *ids: str) -> list[str]:
        """What a successor lists under `formerly`: the ids themselves and what they list."""
        return sorted({old for one in ids for old in (one, *self.reasons[one].get("formerly", []))})

    def add(self, primary: str) -> None:
        new = self.new_id(primary)
        self.reasons[new] = {}
        self.holds[new] = frozenset()

    def retire(self, reason: str) -> None:
        if len(self.reasons) > 1:
            del self.reasons[reason], self.holds[reason]

    def relabel(self, reason: str) -> None:
        self.number += 1
        self.reasons[reason] = {**self.reasons[reason], "label": f"Label {self.number}"}

    def redefine(self, reason: str) -> None:
        self.number += 1
        self.reasons[reason] = {**self.reasons[reason], "definition": f"Meaning {self.number}"}

    def move(self, reason: str, primary: str) -> None:
        new = self.new_id(primary)
        keys = {"label": reason.upper(), **self.reasons[reason], "formerly": self.history(reason)}
        del self.reasons[reason]
        self.reasons[new], self.holds[new] = keys, self.holds.pop(reason)

    def split(self, reason: str, primary: str, keep: bool) -> None:
        history, held = self.history(reason), self.holds[reason]
        for _ in range(1 if keep else 2):
            new = self.new_id(primary)
            self.reasons[new], self.holds[new] = {"formerly": history}, held
        if not keep:
            del self.reasons[reason], self.holds[reason]

    def merge(self, first: str, second: str, keep: bool) -> None:
        if first == second:
            return
        held = self.holds[first] | self.holds[second]
        into = first if keep else self.new_id(first.partition(".")[0])
        history = [one for one in self.history(first, second) if one != into]
        if keep and any(into in self.reasons[other].get("formerly", []) for other in history if other in self.reasons):
            return  # a part goes back into the whole: a circle, which taxonomies refuse
        for one in (first, second):
            self.reasons.pop(one)
            self.holds.pop(one)
        self.reasons[into], self.holds[into] = {"formerly": history}, held

    def targets(self, old: str) -> tuple[str, ...]:
        return tuple(sorted(new for new, held in self.holds.items() if old in held))


START = {f"{primary}.{leaf}": {} for primary in ("bill", "ship") for leaf in ("a", "b", "c")}


@st.composite
def changes(draw: st.DrawFn, most: int = 8) -> Changes:
    found = Changes(dict(START))
    step(draw, found, most)
    return found


def step(draw: st.DrawFn, found: Changes, most: int) -> None:
    for _ in range(draw(st.integers(0, most))):
        ids = sorted(found.reasons)
        reason, other = draw(st.sampled_from(ids)), draw(st.sampled_from(ids))
        primary, keep = draw(st.sampled_from(["bill", "ship", "more"])), draw(st.booleans())
        match draw(st.sampled_from(["add", "retire", "relabel", "redefine", "move", "split", "merge"])):
            case "add":
                found.add(primary)
            case "retire":
                found.retire(reason)
            case "relabel":
                found.relabel(reason)
            case "redefine":
                found.redefine(reason)
            case "move":
                found.move(reason, primary)
            case "split":
                found.split(reason, primary, keep)
            case "merge":
                found.merge(reason, other, keep)


def secondaries(ids: Any) -> list[str]:
    return [one for one in ids if "." in one]


@given(changes())
def test_random_changes_are_recovered_exactly(found: Changes) -> None:
    old, new = taxonomy("1", START), taxonomy("2", found.reasons)
    difference = compare_taxonomies(old, new)
    targets = {reason: found.targets(reason) for reason in START}
    origins = {new: tuple(sorted(held)) for new, held in found.holds.items()}
    assert {reason: difference.targets(reason) for reason in START} == targets
    assert secondaries(difference.added) == sorted(reason for reason, held in origins.items() if not held)
    assert secondaries(difference.retired) == sorted(reason for reason, became in targets.items() if not became)
    assert [one for one in difference.split if "." in one.old] == [
        (reason, became) for reason, became in sorted(targets.items()) if len(became) > 1
    ]
    assert [one for one in difference.merged if "." in one.new] == [
        (held, reason) for reason, held in sorted(origins.items()) if len(held) > 1
    ]
    alone = [(a, became[0]) for a, became in targets.items() if len(became) == 1 == len(origins[became[0]])]
    changed = sorted(pair for pair in alone if pair[0] != pair[1])
    moved = [(a, b) for a, b in changed if a.partition(".")[0] != b.partition(".")[0]]
    assert list(difference.moved) == moved
    assert list(difference.reidentified) == [pair for pair in changed if pair not in moved]
    kept = [reason for reason in sorted(START) if reason in found.reasons and reason in targets[reason]]
    assert [one.id for one in difference.renamed if "." in one.id] == [
        reason for reason in kept if found.reasons[reason].get("label", reason.upper()) != reason.upper()
    ]
    rewritten = {(a, b) for a, b in [*alone, *((one, one) for one in kept)] if "definition" in found.reasons[b]}
    assert {(one.old, one.new) for one in difference.redefined} == rewritten


@given(taxonomies())
def test_a_taxonomy_does_not_differ_from_itself(data: dict[str, Any]) -> None:
    one = cr.Taxonomy.from_dict(data)
    difference = compare_taxonomies(one, one)
    assert difference.empty
    assert str(difference).endswith("equal: no reason changed")
    assert all(verdict == Verdict("to", (reason,)) for reason, verdict in migration_of(difference).verdicts.items())


@given(changes())
def test_the_way_back_mirrors_the_way_there(found: Changes) -> None:
    difference = compare_taxonomies(taxonomy("1", START), taxonomy("2", found.reasons))
    back = difference.backwards()
    assert (back.added, back.retired) == (difference.retired, difference.added)
    assert {(one.old, one.new) for one in back.split} == {(one.new, one.old) for one in difference.merged}
    assert {(one.old, one.new) for one in back.moved} == {(one.new, one.old) for one in difference.moved}
    again = back.backwards()
    assert {**again.as_dict(), "forgotten": []} == {**difference.as_dict(), "forgotten": []}
    assert migration_of(back).old is difference.new  # total, or it would be refused


@given(changes(most=4))
def test_without_formerly_comparing_the_other_way_round_mirrors_too(found: Changes) -> None:
    plain = {reason: {k: v for k, v in keys.items() if k != "formerly"} for reason, keys in found.reasons.items()}
    old, new = taxonomy("1", START), taxonomy("2", plain)
    assert compare_taxonomies(new, old).as_dict() == compare_taxonomies(old, new).backwards().as_dict()


@given(changes())
def test_a_migration_is_total_and_never_invents_an_id(found: Changes) -> None:
    old, new = taxonomy("1", START), taxonomy("2", found.reasons)
    migration = migration_of(compare_taxonomies(old, new))
    assert set(migration.verdicts) == {reason.id for reason in old.reasons}
    for verdict in migration.verdicts.values():
        assert all(target in new for target in verdict.targets)
        assert (verdict.kind, len(verdict.targets)) in {("retired", 0), ("to", 1)} or len(verdict.targets) > 1


@given(st.data())
def test_two_migrations_one_after_the_other_are_the_direct_one_where_all_is_unambiguous(data: st.DataObject) -> None:
    found = Changes(dict(START))
    step(data.draw, found, 5)  # type: ignore[arg-type]
    middle = taxonomy("2", {reason: dict(keys) for reason, keys in found.reasons.items()})
    step(data.draw, found, 5)  # type: ignore[arg-type]
    first, last = taxonomy("1", START), taxonomy("3", found.reasons)
    ab, bc, ac = (migration_of(compare_taxonomies(*pair)) for pair in ((first, middle), (middle, last), (first, last)))
    for reason in START:
        step_one = ab.verdicts[reason]
        if step_one.kind == "retired":
            assert ac.verdicts[reason].kind == "retired"
            continue
        steps = [bc.verdicts[target] for target in step_one.targets]
        if step_one.kind == "to" and steps[0].kind == "to":
            assert ac.verdicts[reason] == steps[0]
        assert {target for one in steps for target in one.targets} == set(ac.verdicts[reason].targets)


@given(st.data())
def test_ids_of_still_earlier_versions_are_followed(data: st.DataObject) -> None:
    found = Changes(dict(START))
    step(data.draw, found, 5)  # type: ignore[arg-type]
    middle = taxonomy("2", {reason: dict(keys) for reason, keys in found.reasons.items()})
    step(data.draw, found, 5)  # type: ignore[arg-type]
    migration = migration_of(compare_taxonomies(middle, taxonomy("3", found.reasons)))
    for reason in set(START) - set(middle.secondary_ids) - set(found.reasons):
        verdict = migration.verdict(reason)
        if any(reason in one.formerly for one in middle.secondaries):
            assert verdict is not None
            assert verdict.targets == found.targets(reason)
        else:
            assert verdict is None


# --------------------------------------------------------------------------------------------- single cases


def test_a_difference_reads_as_lines_and_as_json() -> None:
    old = taxonomy(
        "1", {"bill.a": {"label": "Bill"}, "bill.b": {}, "bill.c": {}, "ship.late": {}, "ship.x": {}, "ship.fax": {}}
    )
    new = taxonomy(
        "2",
        {
            "bill.a": {"label": "Invoice", "definition": "A paper."},
            "bill.bc": {"formerly": ["bill.b", "bill.c"]},
            "help.x": {"formerly": ["ship.x"]},
            "ship.late": {},
            "ship.stolen": {"formerly": ["ship.late"]},
            "help.fax": {},
        },
    )
    difference = compare_taxonomies(old, new)
    assert str(difference).split("\n") == [
        "shop 1 → shop 2",
        "added        help",
        "added        help.fax",
        "retired      ship.fax",
        "renamed      bill.a: 'Bill' → 'Invoice'",
        "moved        ship.x → help.x",
        "split        ship.late → ship.late, ship.stolen",
        "merged       bill.b, bill.c → bill.bc",
        "redefined    bill.a: definition; old labels may mean something else",
        "hint         ship.fax and help.fax look alike (the ids end alike); if they are one, list the old id under `formerly`",
    ]
    data = json.loads(json.dumps(difference.as_dict()))
    assert data["split"] == [{"old": "ship.late", "new": ["ship.late", "ship.stolen"]}]
    assert data["from"] == {"taxonomy_id": "shop", "version": "1", "sha256": old.sha256}


def test_near_misses_whose_reason_got_another_id_are_no_redefinition() -> None:
    old = taxonomy("1", {"bill.a": {"not_this": [{"reason": "bill.b", "when": "if b"}]}, "bill.b": {}})
    new = taxonomy(
        "2", {"bill.a": {"not_this": [{"reason": "bill.x", "when": "if b"}]}, "bill.x": {"formerly": ["bill.b"]}}
    )
    assert compare_taxonomies(old, new).redefined == ()
    other = taxonomy(
        "2", {"bill.a": {"not_this": [{"reason": "bill.x", "when": "if x"}]}, "bill.x": {"formerly": ["bill.b"]}}
    )
    assert compare_taxonomies(old, other).redefined == (("bill.a", "bill.a", ("not_this",)),)


def test_what_does_not_bear_on_labels_is_a_revision() -> None:
    old = taxonomy("1", {"bill.a": {"owner": "Billing", "required_facts": ["order_number"]}})
    difference = compare_taxonomies(old, taxonomy("2", {"bill.a": {"owner": "Care"}}))
    assert difference.revised == (("bill.a", "bill.a", ("required_facts", "owner")),)
    assert difference.redefined == ()
    assert not difference.empty
    assert str(difference).endswith("\nrevised      bill.a: required_facts, owner")


def test_a_primary_under_another_id_takes_its_secondaries_along_unmoved() -> None:
    old = taxonomy("1", {"bill.a": {}})
    new = taxonomy("2", {"money.a": {"formerly": ["bill.a"]}}, {"money": {"formerly": ["bill"]}})
    difference = compare_taxonomies(old, new)
    assert difference.moved == ()
    assert difference.reidentified == (("bill", "money"), ("bill.a", "money.a"))


def test_a_label_without_a_secondary_is_ambiguous_once_one_of_them_moved() -> None:
    old = taxonomy("1", {"bill.a": {}, "bill.b": {}, "ship.c": {}})
    new = taxonomy("2", {"bill.a": {}, "ship.b": {"formerly": ["bill.b"]}, "ship.c": {}})
    verdicts = migration_of(compare_taxonomies(old, new)).verdicts
    assert verdicts["bill"] == Verdict("split", ("bill", "ship"))
    assert verdicts["ship"] == Verdict("to", ("ship",))


def test_history_that_the_new_version_dropped_is_named() -> None:
    old = taxonomy("2", {"bill.a": {"formerly": ["bill.old"]}})
    new = taxonomy("3", {"bill.b": {"formerly": ["bill.a"]}})
    difference = compare_taxonomies(old, new)
    assert difference.forgotten == (("bill.old", "bill.b"),)
    assert "bill.b does not list 'bill.old' under `formerly`" in str(difference)
    assert migration_of(difference).verdict("bill.old") == Verdict("to", ("bill.b",))


def test_a_renaming_can_be_undone() -> None:
    old, new = taxonomy("2", {"bill.a": {"formerly": ["bill.z"]}}), taxonomy("3", {"bill.z": {"formerly": ["bill.a"]}})
    assert compare_taxonomies(old, new).reidentified == (("bill.a", "bill.z"),)
    assert migration_of(compare_taxonomies(old, new)).verdict("bill.z") == Verdict("to", ("bill.z",))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ({"bill.a": {"formerly": ["bill.z"]}}, {"bill.a": {}, "bill.z": {}}, r"'bill\.z' is an id of shop 2, but shop 1 lists it under `formerly` of 'bill\.a': an id means one reason for good\. Give the new reason another id"),
        ({"bill.a": {"formerly": ["bill.z"]}, "bill.b": {}}, {"bill.a": {}, "bill.b": {"formerly": ["bill.z"]}}, r"shop 1 says that 'bill\.z' became 'bill\.a', shop 2 that it became 'bill\.b'.*list 'bill\.a' under `formerly` of 'bill\.b', or take 'bill\.z' out"),
        ({"bill.a": {}}, {"bill.b": {"formerly": ["bill"]}}, r"'bill\.b' lists 'bill' under `formerly`|on the other level"),
    ],
)  # fmt: skip
def test_what_is_ambiguous_is_an_error_that_says_what_to_do(old: Any, new: Any, message: str) -> None:
    with pytest.raises(TaxonomyError, match=message):
        compare_taxonomies(taxonomy("1", old), taxonomy("2", new))


def test_a_secondary_cannot_have_been_a_primary() -> None:
    old, new = taxonomy("1", {"ship.a": {}, "bill.x": {}}), taxonomy("2", {"bill.x": {"formerly": ["ship"]}})
    with pytest.raises(MigrationError, match=r"'bill\.x' lists 'ship' under `formerly`, which is a primary of shop 1"):
        compare_taxonomies(old, new)


@pytest.mark.parametrize("size", [2, 3])
def test_reasons_that_list_each_other_are_refused(size: int) -> None:
    ids = [f"bill.r{i}" for i in range(size)]
    with pytest.raises(TaxonomyError, match=r"list each other under `formerly`.*give the reasons new ids"):
        taxonomy("1", {one: {"formerly": [ids[i - 1]]} for i, one in enumerate(ids)})


def test_one_part_of_a_split_may_die_while_the_others_remember() -> None:
    """Both parts list the id that was split; that one of them is gone contradicts nothing."""
    old = taxonomy("2", {"bill.x": {"formerly": ["bill.a"]}, "bill.y": {"formerly": ["bill.a"]}})
    new = taxonomy("3", {"bill.y": {"formerly": ["bill.a"]}})
    difference = compare_taxonomies(old, new)
    assert difference.retired == ("bill.x",)
    assert migration_of(difference).verdict("bill.a") == Verdict("to", ("bill.y",))


def test_a_later_version_compared_with_an_earlier_one_is_told_apart_from_an_id_used_again() -> None:
    early, late = taxonomy("1", {"bill.z": {}}), taxonomy("2", {"bill.a": {"formerly": ["bill.z"]}})
    with pytest.raises(MigrationError, match="if the second version is the earlier one, compare the other way round"):
        compare_taxonomies(late, early)
    assert compare_taxonomies(early, late).backwards().reidentified == (("bill.a", "bill.z"),)
