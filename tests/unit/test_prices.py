from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_reasons.errors import LabError
from contact_reasons.lab.prices import EXAMPLE_NOTICE, Prices, Range
from contact_reasons.records import Channel

CHANNELS = ("self_service", "chat", "human_agent")


def figure(low: float, likely: float, high: float, **more: Any) -> dict[str, Any]:
    return {"low": low, "likely": likely, "high": high, "year": 2026, "source": "own books", **more}


def exact(value: float) -> dict[str, Any]:
    return figure(value, value, value)


def price_list(channels: dict[str, Any], **more: Any) -> Prices:
    head = {"prices": "test", "version": "1", "example": False, "currency": "EUR"}
    return Prices.from_dict({**head, "channels": channels, **more})


def ordered(low: float, high: float) -> st.SearchStrategy[dict[str, Any]]:
    number = st.floats(low, high, allow_nan=False)
    return st.lists(number, min_size=3, max_size=3).map(lambda values: figure(*sorted(values)))


@st.composite
def price_lists(draw: st.DrawFn) -> Prices:
    """Three channels whose costs, shares and next channels are all known."""
    return price_list(
        {
            name: {
                "contact": draw(ordered(0, 20)),
                "resolved": draw(ordered(0.05, 1)),
                "then": draw(st.sampled_from(CHANNELS)),
            }
            for name in CHANNELS
        }
    )


def walk(prices: Prices, channel: str, end: str) -> float:
    """The cost until resolved, contact by contact, until hardly any is left."""
    cost, left, share_end = 0.0, 1.0, {"low": "high", "high": "low"}.get(end, end)
    while left > 1e-12:
        own = prices.channels[channel]
        cost += left * getattr(own.contact, end)
        assert own.resolved is not None
        left *= 1 - getattr(own.resolved, share_end)
        channel = str(own.then)
    return cost


def drawn(prices: Prices, random: np.random.RandomState) -> Prices:
    """A list with one value for each figure, within its range."""

    def one(found: Any) -> dict[str, Any]:
        return exact(float(found.low + random.random_sample() * (found.high - found.low)))

    return price_list(
        {
            name: {"contact": one(own.contact), "resolved": one(own.resolved), "then": own.then}
            for name, own in prices.channels.items()
        }
    )


@given(price_lists())
def test_the_cost_until_resolved_is_that_of_walking_from_contact_to_contact(prices: Prices) -> None:
    for channel in CHANNELS:
        found = prices.cost_per_resolved(channel)
        assert found is not None
        for end in Range._fields:
            assert getattr(found, end) == pytest.approx(walk(prices, channel, end), rel=1e-9, abs=1e-9)


def test_self_service_first_costs_what_the_arithmetic_says() -> None:
    """0.10 + 0.91 * 5.25, where a call always settles it; and with a call that settles 70 %."""
    first = {"contact": exact(0.10), "resolved": exact(0.09), "then": "human_agent"}
    always = price_list({"self_service": first, "human_agent": {"contact": exact(5.25), "resolved": exact(1)}})
    assert always.cost_per_resolved("self_service") == pytest.approx((4.8775,) * 3)
    call = {"contact": exact(5.25), "resolved": exact(0.7), "then": "human_agent"}
    mostly = price_list({"self_service": first, "human_agent": call})
    assert mostly.cost_per_resolved("human_agent") == pytest.approx((7.5,) * 3)
    assert mostly.cost_per_resolved("self_service") == pytest.approx((6.925,) * 3)
    assert mostly.total({"self_service": 1}, "follow_up") == pytest.approx((4.8775,) * 3)


@given(
    price_lists(),
    st.lists(st.integers(-50, 50), min_size=3, max_size=3),
    st.sampled_from(["contacts", "follow_up", "resolved"]),
    st.integers(0, 2**32 - 1),
)
def test_a_total_lies_in_its_range_whatever_the_figures_are(
    prices: Prices, numbers: list[int], counting: Any, seed: int
) -> None:
    contacts = dict(zip(CHANNELS, map(float, numbers), strict=True))
    found = prices.total(contacts, counting)
    assert found is not None
    random = np.random.RandomState(seed)
    slack = 1e-6 * (1 + abs(found.low) + abs(found.high))
    for _ in range(8):
        one = drawn(prices, random).total(contacts, counting)
        assert one is not None
        assert found.low - slack <= one.likely <= found.high + slack


@given(price_lists(), st.lists(st.integers(-50, 50), min_size=3, max_size=3))
def test_the_ends_of_a_total_are_reached(prices: Prices, numbers: list[int]) -> None:
    """Some choice of low and high figures gives the low end, some the high one."""
    contacts = dict(zip(CHANNELS, map(float, numbers), strict=True))
    for counting in ("contacts", "follow_up", "resolved"):
        seen = []
        for ends in itertools.product(("low", "high"), repeat=6):
            picked = {
                name: {
                    "contact": exact(getattr(own.contact, ends[2 * i])),
                    "resolved": exact(getattr(own.resolved, ends[2 * i + 1])),
                    "then": own.then,
                }
                for i, (name, own) in enumerate(prices.channels.items())
            }
            seen.append(price_list(picked).total(contacts, counting))  # type: ignore[arg-type]
        found = prices.total(contacts, counting)  # type: ignore[arg-type]
        assert found is not None
        assert found.low == pytest.approx(min(each.likely for each in seen if each), rel=1e-9, abs=1e-7)
        assert found.high == pytest.approx(max(each.likely for each in seen if each), rel=1e-9, abs=1e-7)


@given(price_lists(), st.sampled_from(CHANNELS), st.floats(0.01, 10))
def test_costs_grow_with_prices(prices: Prices, channel: str, more: float) -> None:
    def raised(name: str) -> dict[str, Any]:
        own = prices.channels[name]
        extra = more if name == channel else 0.0
        assert own.resolved is not None
        return {
            "contact": figure(own.contact.low + extra, own.contact.likely + extra, own.contact.high + extra),
            "resolved": figure(own.resolved.low, own.resolved.likely, own.resolved.high),
            "then": own.then,
        }

    dearer = price_list({name: raised(name) for name in CHANNELS})
    for name in CHANNELS:
        before, after = prices.cost_per_resolved(name), dearer.cost_per_resolved(name)
        assert before is not None
        assert after is not None
        assert all(a >= b - 1e-9 for a, b in zip(after, before, strict=True))
    assert dearer.cost_per_resolved(channel).likely > prices.cost_per_resolved(channel).likely  # type: ignore[union-attr]


def test_what_is_not_known_is_not_invented() -> None:
    prices = Prices.load()
    for name in ("message", "chat", "callback"):
        assert prices.resolved(name) is None
        assert prices.cost_per_resolved(name) is None
        assert prices.needed_for_resolved(name) == f"the share resolved is not known for {name}"
        assert prices.total({name: 1.0}, "resolved") is None
    assert prices.total({"chat": 0.0, "human_agent": 2.0}, "resolved") is not None
    no_share = price_list({"self_service": {"contact": exact(0.1)}})
    assert no_share.total({"self_service": 1.0}, "follow_up") is None
    no_next = price_list({"chat": {"contact": exact(4), "resolved": exact(0.5)}})
    assert no_next.needed_for_resolved("chat") == "what follows is not known for chat"
    through = price_list(
        {"chat": {"contact": exact(4), "resolved": exact(0.5), "then": "message"}, "message": {"contact": exact(3)}}
    )
    assert through.cost_per_resolved("chat") is None


def test_the_shipped_example_prices_every_channel_with_a_source_and_says_that_it_is_one() -> None:
    prices = Prices.load()
    assert prices.notice == EXAMPLE_NOTICE
    assert set(prices.channels) == {str(channel) for channel in Channel}
    assert all(own.contact.source and (own.contact.year or own.contact.assumption) for own in prices.channels.values())
    assert [line.partition(",")[0] for line in prices.assumptions] == ["message", "callback"]
    assert prices.resolved("self_service") == Range(0.05, 0.09, 0.20)
    assert prices.resolved("human_agent") == Range(0.61, 0.70, 0.78)
    assert price_list({"chat": {"contact": exact(1)}}).notice == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"currency": ""}, "currency: this is empty"),
        ({"example": "perhaps"}, "example: this must be true or false"),
        ({"channels": {}}, "no channel has a price"),
        (
            {"channels": {"chat": {"contact": exact(-1)}}},
            r"channels.chat.contact.low: this must be a number, at least 0",
        ),
        ({"channels": {"chat": {"contact": figure(3, 2, 4)}}}, "none may be below the one before it"),
        ({"channels": {"chat": {"contact": {**exact(1), "year": "soon"}}}}, "year: this must be a number"),
        (
            {"channels": {"chat": {"contact": {"low": 1, "likely": 1, "high": 1, "source": "me"}}}},
            "the year is missing",
        ),
        ({"channels": {"chat": {"contact": exact(1), "resolved": exact(70)}}}, "70 % is 0.70"),
        ({"channels": {"chat": {"contact": exact(1), "resolved": exact(0)}}}, "a share lies above 0"),
        (
            {"channels": {"chat": {"contact": exact(1), "then": "chatt"}}},
            "channels.chat.then: 'chatt' has no price.*'chat'",
        ),
        ({"channels": {"chat": {"contact": exact(1), "solved": exact(1)}}}, "'solved' is not known.*'resolved'"),
    ],
)
def test_a_wrong_price_list_is_refused_with_the_place(change: dict[str, Any], message: str) -> None:
    head = {
        "prices": "test",
        "version": "1",
        "example": False,
        "currency": "EUR",
        "channels": {"chat": {"contact": exact(1)}},
    }
    with pytest.raises(LabError, match=message):
        Prices.from_dict({**head, **change})


def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    text = "prices: mine\nversion: 1\nexample: false\ncurrency: EUR\nchannels:\n  chat:\n    contact: {low: 1, likely: x, high: 3, year: 2026, source: me}\n"
    file.write_text(text)
    with pytest.raises(LabError, match=r"prices.yaml, line 7, channels.chat.contact.likely: this must be a number"):
        Prices.load(file)
    file.write_text(text.replace("likely: x", "likely: 2"))
    assert Prices.load(file).cost_per_contact("chat") == (1.0, 2.0, 3.0)
    with pytest.raises(LabError, match="the channel 'chatt' has no price in 'mine'; did you mean 'chat'"):
        Prices.load(file).cost_per_contact("chatt")
    with pytest.raises(LabError, match="counting is 'all'; known: 'contacts'"):
        Prices.load(file).total({}, "all")  # type: ignore[arg-type]
