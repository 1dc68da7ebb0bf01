from __future__ import annotations

import contextlib
import pickle
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_reasons.schema import (
    Mistakes,
    Record,
    anything,
    boolean,
    check,
    many,
    mapping,
    number,
    optional,
    path_text,
    string,
    text,
    whole,
)


@dataclass(frozen=True, kw_only=True)
class Leaf(Record):
    name: str = field(metadata=check(text(1, 5)))
    size: int = field(default=0, metadata=check(whole(0)))


@dataclass(frozen=True, kw_only=True)
class Tree(Record):
    leaves: tuple[Leaf, ...] = field(default=(), metadata=check(many(Leaf.read)))
    named: dict[str, Leaf] = field(metadata=check(mapping(Leaf.read)))
    flag: bool | None = field(default=None, metadata=check(optional(boolean)))


def test_mappings_and_records_inside_become_records() -> None:
    leaf = Leaf(name="a")
    tree = Tree.read(OrderedDict(leaves=[leaf, {"name": " b ", "size": 2}], named={"c": {"name": "c"}}))
    assert tree == Tree(leaves=(leaf, Leaf(name="b", size=2)), named={"c": Leaf(name="c")})
    assert tree.leaves[0] is leaf
    assert Tree.read(tree) is tree


def test_every_mistake_is_found_with_its_place() -> None:
    with pytest.raises(Mistakes, match=r"leaves\[0\]\.name: this has 6 characters") as caught:
        Tree.read({"leaves": [{"name": "longer"}, {"size": -1}], "named": {"x": 3}, "flag": "yes", "leafs": []})
    assert {path_text(path): what for path, what in caught.value.found} == {
        "leafs": "the key 'leafs' is not known here; did you mean 'leaves'?",
        "leaves[0].name": "this has 6 characters; shorten it to at most 5",
        "leaves[1].name": "the key 'name' is missing; add it",
        "leaves[1].size": "this must be a whole number, at least 0, not -1",
        "named.x": "this must be a mapping (key: value), not 3",
        "flag": "this must be true or false, not 'yes'",
    }
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.found, str(again)) == (caught.value.found, str(caught.value))


def test_a_record_made_by_keywords_is_checked_like_one_that_is_read() -> None:
    with pytest.raises(Mistakes, match=r"\Aname: this is empty; write at least 1 character\nsize: this must be"):
        Leaf(name=" ", size=1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("function", "value", "message"),
    [
        (string, b"x", "must be a text, not b'x'"),
        (text(2), " x ", r"\Athis has 1 character; write at least 2 characters\Z"),
        (boolean, 1, "must be true or false, not 1"),
        (number, True, "must be a number, not True"),
        (number, float("nan"), "must be a number, not nan"),
        (number, "1", "must be a number, not '1'"),
        (whole(1), True, "must be a whole number, at least 1, not True"),
        (whole(1), 1.0, "must be a whole number, at least 1, not 1.0"),
        (whole(1), 0, "must be a whole number, at least 1, not 0"),
        (many(anything), "ab", "must be a list, not 'ab'"),
        (many(anything), {"a": 1}, "must be a list, not {'a': 1}"),
        (many(anything, least=2), [1], "has 1 entries; give at least 2"),
        (mapping(anything), [("a", 1)], "must be a mapping"),
        (mapping(anything), {1: 2}, "must be a mapping"),
        (Leaf.read, [], r"must be a mapping \(key: value\), not \[\]"),
    ],
)
def test_a_check_refuses_what_is_not_of_its_kind(function: Any, value: Any, message: str) -> None:
    with pytest.raises(Mistakes, match=message):
        function(value)


def test_a_check_keeps_what_is_of_its_kind() -> None:
    assert (string(" a "), text()(" a "), number(3), number(-2.5), whole(0)(0)) == (" a ", "a", 3, -2.5, 0)
    assert many(optional(number))([1, None]) == (1, None)
    assert mapping(many(whole(0)))({"a": [1, 2], "b": ()}) == {"a": (1, 2), "b": ()}
    assert anything is not None
    assert anything([1]) == [1]


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["leaves", "named", "flag", "name", "size", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(data=json_like)
def test_any_data_is_a_record_or_mistakes(data: Any) -> None:
    with contextlib.suppress(Mistakes):
        tree = Tree.read(data)
        assert Tree(leaves=tree.leaves, named=tree.named, flag=tree.flag) == tree
