"""The front for single contacts and the front for columns: the same answer, or the same error."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.errors import RoutingError
from contact_reasons.records import Recommendation
from contact_reasons.routing import compiled
from tests.strategies import INPUTS, VALUES, conditions, policies

ODD: list[Any] = [
    None, math.nan, pd.NA, np.float64("nan"), True, False, np.bool_(True), 0, 1, 1.0, np.int64(3), np.float32(0.25), 2.5, -0.0,
    21, -2, 10**400, 2**53 + 1, math.inf, "gold", "gld", "billing.refnd", "0.5", "", b"gold", ("gold",), ["gold"], np.str_("gold"),
]  # fmt: skip


def rows_of(odd: bool) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Rows of values; a column is right, or odd, or one value all along."""

    @st.composite
    def rows(draw: st.DrawFn) -> list[dict[str, Any]]:
        n_rows = draw(st.integers(1, 9))
        columns = {}
        for name, right in VALUES.items():
            pool = [*right, *ODD] if odd and draw(st.integers(0, 3)) == 0 else right
            columns[name] = draw(st.lists(st.sampled_from(pool), min_size=n_rows, max_size=n_rows))
        return [{name: columns[name][row] for name in columns} for row in range(n_rows)]

    return rows()


def one_by_one(policy: cr.RoutingPolicy, rows: list[dict[str, Any]]) -> list[Recommendation | RoutingError]:
    found: list[Recommendation | RoutingError] = []
    for row in rows:
        try:
            found.append(policy.route(row))
        except RoutingError as error:
            found.append(error)
    return found


def first_error(policy: cr.RoutingPolicy, found: list[Recommendation | RoutingError]) -> RoutingError | None:
    """That of the first wrong row of the first wrong input, then of an impossible row, then of one without a rule."""
    errors = [each for each in found if isinstance(each, RoutingError)]
    begins = [*(f"input {name!r} is" for name in policy.inputs), "reason=", "no rule"]
    for begin in begins:
        for error in errors:
            if str(error).startswith(begin):
                return error
    assert not errors
    return None


def held(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that columns hold, which may be floats where whole numbers and None went in."""
    lists = {
        name: column.to_pylist()
        if hasattr(column, "to_pylist")
        else column.tolist()
        if hasattr(column, "tolist")
        else column.to_list()
        for name, column in columns.items()
    }
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def check_equal(policy: cr.RoutingPolicy, rows: list[dict[str, Any]], columns: Any) -> None:
    found = one_by_one(policy, rows)
    expected = first_error(policy, found)
    for row, each in zip(rows, found, strict=True):
        if isinstance(each, RoutingError):
            with pytest.raises(RoutingError) as caught:
                policy.rule_index(row)
            assert str(caught.value) == str(each)
    if expected is not None:
        with pytest.raises(RoutingError) as caught:
            policy.route_many(columns)
        assert str(caught.value).startswith(str(expected))
        assert caught.value.expected == expected.expected
        return
    routed = policy.route_many(columns)
    answers = [each for each in found if isinstance(each, Recommendation)]
    assert routed.rule_id.tolist() == [each.rule_id for each in answers]
    assert routed.channel.tolist() == [str(each.channel) for each in answers]
    assert routed.priority.tolist() == [each.priority for each in answers]
    assert routed.rule_index.tolist() == [policy.rule_index(row) for row in rows]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "BLOCK_ROWS", 3)


@given(
    data=policies(),
    assumed=st.lists(conditions(), max_size=1),
    outcome=st.sampled_from(["error", {"channel": "chat", "priority": 9}]),
    rows=rows_of(odd=True),
    array=st.booleans(),
)
def test_lists_of_anything_get_the_answers_and_errors_of_single_contacts(
    data: dict[str, Any], assumed: list[Any], outcome: Any, rows: list[dict[str, Any]], array: bool
) -> None:
    policy = cr.RoutingPolicy.from_dict({**data, "assume": assumed, "on_no_match": outcome})
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in INPUTS}
    if array:
        for name, values in columns.items():
            columns[name] = np.empty(len(rows), dtype=object)
            columns[name][:] = values
    check_equal(policy, rows, columns)


NAMES = ("reason", "tier")
Make = Callable[[str, list[Any]], Any]


def numpy_array(name: str, values: list[Any]) -> Any:
    if name in NAMES or (name == "open" and None in values):
        return np.array(values, dtype=object)
    return np.array(values, dtype=np.bool_ if name == "open" else np.float64)


def pandas_plain(name: str, values: list[Any]) -> Any:
    return pd.Series(values, index=range(7, 7 + len(values)))


def pandas_nullable(name: str, values: list[Any]) -> Any:
    dtype = {"open": "boolean", "wait": "Int64", "mood": "Float64"}.get(name, "string")
    return pd.Series(values, dtype=dtype)


def pandas_categorical(name: str, values: list[Any]) -> Any:
    return pd.Series(
        pd.Categorical(values, categories=[*{v: None for v in values if v is not None}, "never used"][::-1])
    )


def pandas_arrow(name: str, values: list[Any]) -> Any:
    kind = {"open": pa.bool_(), "wait": pa.int64(), "mood": pa.float64()}.get(name, pa.string())
    return pd.Series(values, dtype=pd.ArrowDtype(kind))


def polars_plain(name: str, values: list[Any]) -> Any:
    kind = {"open": pl.Boolean, "wait": pl.Int16, "mood": pl.Float64}.get(name, pl.String)
    return pl.Series(values, dtype=kind)


def polars_categorical(name: str, values: list[Any]) -> Any:
    column = polars_plain(name, values)
    return column.cast(pl.Categorical) if name in NAMES else column


def polars_enum(name: str, values: list[Any]) -> Any:
    column = polars_plain(name, values)
    return (
        column.cast(pl.Enum(["never used", *sorted({v for v in values if v is not None})])) if name in NAMES else column
    )


def arrow_plain(name: str, values: list[Any]) -> Any:
    kind = {"open": pa.bool_(), "wait": pa.int32(), "mood": pa.float64()}.get(name, pa.string())
    return pa.array(values, kind)


def arrow_dictionary(name: str, values: list[Any]) -> Any:
    return arrow_plain(name, values).dictionary_encode()


def arrow_chunked(name: str, values: list[Any]) -> Any:
    cut = len(values) // 2
    return pa.chunked_array([arrow_dictionary(name, values[:cut]), arrow_dictionary(name, values[cut:])])


def arrow_null_in_dictionary(name: str, values: list[Any]) -> Any:
    return arrow_plain(name, values).dictionary_encode(null_encoding="encode")


MAKERS: list[Make] = [
    numpy_array, pandas_plain, pandas_nullable, pandas_categorical, pandas_arrow, polars_plain, polars_categorical, polars_enum,
    arrow_plain, arrow_dictionary, arrow_chunked, arrow_null_in_dictionary,
]  # fmt: skip


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
@settings(max_examples=40)  # of each kind of column
@given(
    data=policies(catch_all=True), rows=rows_of(odd=False), wrong=st.sampled_from([*INPUTS, None]), at=st.integers(0, 8)
)
def test_columns_of_every_library_get_the_answers_and_errors_of_single_contacts(
    make: Make, data: dict[str, Any], rows: list[dict[str, Any]], wrong: str | None, at: int
) -> None:
    if wrong is not None:
        rows[at % len(rows)][wrong] = {"wait": 21, "mood": -1.5, "open": None}.get(wrong, "gld")
    policy = cr.RoutingPolicy.from_dict(data)
    columns = {name: make(name, [row[name] for row in rows]) for name in INPUTS}
    check_equal(policy, held(columns), columns)


@given(rows=rows_of(odd=False), names=st.permutations(list(INPUTS)))
def test_columns_may_hold_values_of_a_type_that_fits_no_row(rows: list[dict[str, Any]], names: list[str]) -> None:
    policy = cr.RoutingPolicy.from_dict({"router": "x", "version": "1", "inputs": INPUTS, "rules": [REST]})
    swapped = [dict(zip(names, row.values(), strict=True)) for row in rows]
    for make in (numpy_array, pandas_categorical, arrow_dictionary):
        of_name = dict(zip(names, INPUTS, strict=True))
        columns = {name: make(of_name[name], [row[name] for row in swapped]) for name in names}
        check_equal(policy, held(columns), columns)


REST: dict[str, Any] = {"id": "rest", "when": {}, "then": {"channel": "message", "priority": 8}}


@given(
    kind=st.sampled_from(["int", "real"]),
    dtype=st.sampled_from(["i1", "u1", "i8", "u8", "f2", "f4", "f8"]),
    values=st.lists(st.sampled_from([0, 1, 5, 7, 100, 127, 0.7, 0.5, -1, 2**53 - 1, 2**53, 2**53 + 1, 2**60, math.nan, math.inf]), min_size=1, max_size=7),
    limits=st.sampled_from([{}, {"min": 0}, {"max": 2**53}, {"min": 0, "max": 100}, {"min": 0.5, "max": 7.5}]),
    cells=st.lists(st.sampled_from(["< 5", ">= 0.7", "> 0.5", "7", f">= {2**53 + 1}", f"<= {2**53}", "> 127", "< -1"]), min_size=1, max_size=40),
)  # fmt: skip
def test_arrays_of_numbers_of_every_width(
    kind: str, dtype: str, values: list[Any], limits: dict[str, Any], cells: list[str]
) -> None:
    rules = []
    for i, cell in enumerate(cells):
        rule = {**REST, "id": f"r{i}", "when": {"n": cell}}
        try:
            cr.RoutingPolicy.from_dict(
                {"router": "n", "version": "1", "inputs": {"n": {"type": kind, **limits}}, "rules": [rule]}
            )
        except cr.ContactReasonsError:
            continue
        rules.append(rule)
    data = {
        "router": "n",
        "version": "1",
        "inputs": {"n": {"type": kind, "nullable": True, **limits}},
        "rules": [*rules, REST],
    }
    policy = cr.RoutingPolicy.from_dict(data)
    with np.errstate(all="ignore"):
        array = np.array([v for v in values if dtype[0] == "f" or math.isfinite(v)], dtype=np.float64).astype(dtype)
    if len(array):
        check_equal(policy, [{"n": value} for value in array.tolist()], {"n": array})


@pytest.mark.parametrize(
    "make",
    [list, pl.Series, pa.array, lambda v: pd.Series(v, dtype="Int64")],
    ids=["list", "polars", "arrow", "pandas"],
)
def test_whole_numbers_that_no_double_holds_stay_exact_beside_missing_ones(make: Callable[[list[Any]], Any]) -> None:
    rule = {**REST, "id": "long", "when": {"n": f">= {2**53 + 1}"}}
    policy = cr.RoutingPolicy.from_dict(
        {"router": "n", "version": "1", "inputs": {"n": {"type": "int", "nullable": True}}, "rules": [rule, REST]}
    )
    column = make([2**53, 2**53 + 1, None, 3])
    assert policy.route_many({"n": column}).rule_id.tolist() == ["rest", "long", "rest", "rest"]


def test_many_limits_take_the_search_with_the_same_answer() -> None:
    rules = [{**REST, "id": f"r{i}", "when": {"n": f"[{i}, {i + 0.5})"}} for i in range(100)]
    policy = cr.RoutingPolicy.from_dict(
        {"router": "n", "version": "1", "inputs": {"n": {"type": "real", "min": 0, "max": 100, "nullable": True}}, "rules": [*rules, REST]}
    )  # fmt: skip
    values = np.array([math.nan, 0, 0.25, 0.5, 42.25, 42.5, 99.5, 100])
    assert policy.route_many({"n": values}).rule_id.tolist() == [
        "rest", "r0", "r0", "rest", "r42", "rest", "rest", "rest",
    ]  # fmt: skip


def test_answers_come_out_as_columns_of_each_library() -> None:
    policy = cr.RoutingPolicy.load("retail")
    frame = pd.DataFrame(
        {"reason": ["faults.safety", None], "confidence": [0.9, 0.2], "open": [True, True]}, index=[4, 2]
    )
    routed = policy.route_many(frame)
    assert len(routed) == 2
    out = routed.to_pandas(frame.index)
    assert out.index.tolist() == [4, 2]
    for table in (out, routed.to_polars(), routed.to_arrow().to_pandas()):
        assert table["channel"].to_list() == ["human_agent", "message"]
        assert table["priority"].to_list() == [1, 6]
        assert table["rule_id"].to_list() == ["safety-now", "unsure-message"]
    assert out["channel"].dtype == "category"
    assert routed.to_polars()["rule_id"].dtype == pl.Enum
    assert pa.types.is_dictionary(routed.to_arrow()["channel"].type)


def test_only_the_answer_grows_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "BLOCK_ROWS", 1 << 12)
    policy = cr.RoutingPolicy.load("retail")

    def peak(n_rows: int) -> int:
        columns = {
            "reason": pd.Categorical.from_codes(np.zeros(n_rows, dtype=np.int8), ["delivery.track"]),
            "confidence": np.full(n_rows, 0.9),
        }
        tracemalloc.start()
        try:
            policy.route_many(columns)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)
    grown = peak(400_000) - peak(100_000)
    assert grown < 300_000 * 8 * 1.2  # one int64 a row


def test_left_out_inputs_are_missing_in_both_fronts() -> None:
    policy = cr.RoutingPolicy.from_dict({"router": "x", "version": "1", "inputs": INPUTS, "rules": [REST]})
    assert policy.rule_index({"tier": "gold"}) == 0
    assert policy.route_many({"tier": ["gold", "gold"]}).rule_id.tolist() == ["rest", "rest"]
    for given_names in ({"wait": 3}, dict.fromkeys(("wait", "mood", "open", "reason", "tear"), 3)):
        with pytest.raises(RoutingError) as caught:
            policy.rule_index(given_names)
        with pytest.raises(RoutingError) as of_columns:
            policy.route_many({name: [value] for name, value in given_names.items()})
        assert str(of_columns.value).startswith(str(caught.value))
