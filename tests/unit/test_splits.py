"""Splits: what belongs together stays together, whatever the order; the cut by time trains on nothing newer."""

from __future__ import annotations

import itertools
import random
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_reasons.classifier.features import normalise
from contact_reasons.errors import TrainingError
from contact_reasons.training import cut_by_time, keep_together, splits

text = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "12", "97"]), max_size=11).map(
    " ".join
)
group = st.sampled_from([None, "", "x", "y", 1, "1", float("nan")])


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", normalise(text)))


def near(one: str, other: str) -> bool:
    a, b = words(one), words(other)
    return normalise(one) == normalise(other) or (bool(a and b) and 5 * len(a & b) >= 4 * max(len(a), len(b)))


def partition(keys: Any) -> set[frozenset[int]]:
    return {frozenset(i for i, k in enumerate(keys) if k == key) for key in keys}


def slow_partition(texts: list[str], groups: list[Any]) -> set[frozenset[int]]:
    """All pairs, joined until nothing changes."""
    labels = list(range(len(texts)))
    for i, j in itertools.combinations(range(len(texts)), 2):
        same = groups[i] == groups[j] and type(groups[i]) is type(groups[j]) and groups[i] not in (None, "")
        if near(texts[i], texts[j]) or same:
            old, new = labels[i], labels[j]
            labels = [new if label == old else label for label in labels]
    return partition(labels)


@pytest.mark.parametrize("most_sharing", [400, 0, 2])
@given(rows=st.lists(st.tuples(text, group), max_size=20))
def test_components_are_those_of_comparing_all_pairs(most_sharing: int, rows: list[tuple[str, Any]]) -> None:
    texts, groups = [row[0] for row in rows], [row[1] for row in rows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splits, "_MOST_SHARING", most_sharing)  # up to 20 texts, neighbours are all others
        sides = keep_together(texts, groups)
    assert partition(sides.keys) == slow_partition(texts, groups)
    assert sides.sizes == tuple(sorted(map(len, partition(sides.keys)), reverse=True))
    assert sides.loosened == 0


@given(rows=st.lists(st.tuples(text, group), max_size=20), seed=st.integers(0, 99))
def test_keys_do_not_depend_on_the_order(rows: list[tuple[str, Any]], seed: int) -> None:
    order = random.Random(seed).sample(range(len(rows)), len(rows))
    keys = keep_together([row[0] for row in rows], [row[1] for row in rows]).keys
    again = keep_together([rows[i][0] for i in order], [rows[i][1] for i in order]).keys
    assert again == tuple(keys[i] for i in order)


def test_templates_with_other_numbers_and_addresses_are_one() -> None:
    texts = [f"your order {n} of £{n % 97} is on its way, ask [mail]" for n in range(970, 1020)]
    texts += [f"my {a}{b} leaks" for a in "abcdefghij" for b in "klmnopqrst"]
    sides = keep_together(texts)
    assert (sides.sizes, sides.repeated) == ((50, *[1] * 100), 47)  # three lengths of numbers


def test_a_thread_through_everything_is_loosened_and_counted() -> None:
    """Sixty templates of sixty customers who each wrote something else, too."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = [a + b + c for a in letters[:4] for b in letters[:4] for c in letters[:4]][:60]
    templates = [f"dear {name} your contract was changed please confirm by answering this mail" for name in names]
    own = [" ".join(random.Random(i).sample(names, 9)) for i in range(60)]
    sides = keep_together([*templates, *own], [*range(60), *range(60)])
    assert sides.loosened == 120
    assert sides.sizes[0] <= 40
    assert all(sides.keys[i] == sides.keys[60 + i] for i in range(60)), "customers still stand together"
    assert keep_together(templates + own).loosened == 60


def test_counts_say_what_was_joined_by_what() -> None:
    sides = keep_together(["a b c d e", "A b c d e", "a b c d e f", "x y", "z"], [None, None, None, 4, 4])
    assert (sides.sizes, sides.repeated, sides.near) == ((3, 2), 1, 1)
    assert keep_together([]).sizes == ()
    with pytest.raises(TrainingError, match="2 texts but 1 groups"):
        keep_together(["a", "b"], [1])


START = datetime(2026, 1, 1, tzinfo=UTC)
moment = st.none() | st.integers(0, 12).map(lambda days: START + timedelta(days=days))


@given(rows=st.lists(st.tuples(moment, st.sampled_from("abcdefgh")), max_size=40), share=st.sampled_from([0.2, 0.5]))
def test_nothing_newer_is_trained_on_and_nobody_is_on_both_sides(rows: list[Any], share: float) -> None:
    times, keys = [row[0] for row in rows], [row[1] for row in rows]
    cut = cut_by_time(times, keys, share=share)
    dated = [time for time in times if time is not None]
    if len(set(dated)) < 2:
        assert cut is None
        return
    assert cut is not None
    older, newer, left_out = (part.tolist() for part in (cut.older, cut.newer, cut.left_out))
    assert all(times[row] < cut.moment for row in older)
    assert all(times[row] >= cut.moment for row in newer + left_out)
    assert not {keys[row] for row in older} & {keys[row] for row in newer}
    assert {keys[row] for row in left_out} <= {keys[row] for row in older}
    assert sorted(older + newer + left_out) == [row for row, time in enumerate(times) if time is not None]
    assert cut.undated == len(rows) - len(dated)
    reachable = [sum(time >= at for time in dated) / len(dated) for at in sorted(set(dated))[1:]]
    taken = (len(newer) + len(left_out)) / len(dated)
    assert abs(taken - share) == pytest.approx(min(abs(part - share) for part in reachable))


def test_times_without_a_zone_are_utc() -> None:
    times = [datetime(2026, 1, 1, 12), datetime(2026, 1, 1, 12, 30, tzinfo=timezone(timedelta(hours=1)))]
    cut = cut_by_time(times, ["a", "b"])
    assert cut is not None
    assert (cut.older.tolist(), cut.moment) == ([1], datetime(2026, 1, 1, 12, tzinfo=UTC))
