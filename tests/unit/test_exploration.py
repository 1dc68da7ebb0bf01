"""Exploration: who is tried elsewhere, with which propensity, and never against a promise."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.errors import PolicyError, RoutingError
from contact_reasons.routing import hash_point
from tests.strategies import VALUES, conditions, policies, values
from tests.unit.test_routing import holds

CHANNELS = ["self_service", "message", "chat", "callback", "human_agent"]
SHOP: dict[str, Any] = {
    "router": "shop",
    "version": "1",
    "inputs": {"vulnerable": {"type": "bool", "nullable": True}, "open": {"type": "bool"}},
    "never": [
        {"name": "care", "when": {"vulnerable": True}, "channel": ["self_service"]},
        {"name": "closed", "when": {"open": False}, "channel": ["chat", "human_agent"]},
    ],
    "explore": {"share": 0.3, "channels": ["self_service", "chat", "message"]},
    "rules": [
        {
            "id": "all",
            "when": {},
            "then": {"channel": "message", "priority": 4, "queue": "letters", "skills": ["writing"]},
        }
    ],
}


@st.composite
def exploring_policies(draw: st.DrawFn) -> dict[str, Any]:
    """A complete policy with promises and exploration; its rules may break the promises."""
    data = draw(policies(catch_all=True))
    some = st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=5, unique=True)
    data["never"] = [
        {"name": f"p{i}", "when": when, "channel": draw(some)}
        for i, when in enumerate(draw(st.lists(conditions(), max_size=4)))
    ]
    data["always"] = [
        {"name": f"a{i}", "when": when, "channel": draw(some)}
        for i, when in enumerate(draw(st.lists(conditions(), max_size=2)))
    ]
    data["explore"] = {
        "share": draw(st.floats(0.01, 0.99)),
        "channels": draw(some),
        "when": draw(conditions()),
        "seed": draw(st.sampled_from(["1", "spring"])),
    }
    return data


def may_be_tried(data: dict[str, Any], given_values: dict[str, Any], channel: str) -> list[str]:
    """The slow, obvious twin of `Explorer.alternatives`."""

    def met(when: dict[str, Any]) -> bool:
        return all(holds(name, cell, given_values[name]) for name, cell in when.items())

    if not met(data["explore"]["when"]):
        return []
    barred = {one for promise in data["never"] if met(promise["when"]) for one in promise["channel"]}
    for promise in data["always"]:
        if met(promise["when"]):
            barred |= set(CHANNELS) - set(promise["channel"])
    return [one for one in data["explore"]["channels"] if one != channel and one not in barred]


@given(data=exploring_policies(), rows=st.lists(values(), min_size=1, max_size=6), key=st.text(min_size=1))
def test_exploration_equals_the_slow_twin(data: dict[str, Any], rows: list[dict[str, Any]], key: str) -> None:
    policy = cr.RoutingPolicy.from_dict(data)
    share = data["explore"]["share"]
    for row in rows:
        rule, said = policy.route(row), policy.route(row, key=key)
        others = may_be_tried(data, row, rule.channel)
        odds = policy.channel_probabilities(row)
        assert odds == (
            {rule.channel: 1 - share} | dict.fromkeys(others, share / len(others)) if others else {rule.channel: 1}
        )
        assert next(iter(odds)) == rule.channel
        assert sum(odds.values()) == pytest.approx(1)
        assert said.propensity == odds[said.channel]
        assert rule.propensity is None
        assert said == policy.route(row, key=key)
        point = hash_point("explore", data["explore"]["seed"], key)
        assert (said.instead_of is not None) == (bool(others) and point < share)
        if said.instead_of is None:
            assert said.channel == rule.channel
        else:
            assert said.channel in others
            assert said.instead_of == rule.channel


@settings(max_examples=15, deadline=None)
@given(data=exploring_policies())
def test_no_channel_is_ever_tried_against_a_promise_and_the_idle_ones_are_tried_on_nobody(data: dict[str, Any]) -> None:
    """Over every contact there can be, up to values that no cell tells apart."""
    policy, ever = cr.RoutingPolicy.from_dict(data), set[str]()
    apart = VALUES | {"wait": [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 19, None]}
    for combination in itertools.product(*apart.values()):
        row = dict(zip(apart, combination, strict=True))
        own, *tried = policy.channel_probabilities(row)
        if all(holds(name, cell, row[name]) for name, cell in data["explore"]["when"].items()):
            ever.update([own, *tried])
        if tried:
            for promise in data["never"]:
                if all(holds(name, cell, row[name]) for name, cell in promise["when"].items()):
                    assert not set(tried) & set(promise["channel"])
            for promise in data["always"]:
                if all(holds(name, cell, row[name]) for name, cell in promise["when"].items()):
                    assert set(tried) <= set(promise["channel"])
    analysis = policy.analyse()
    assert {idle.channel for idle in analysis.idle_channels} == set(data["explore"]["channels"]) - ever
    for idle in analysis.idle_channels:
        alone = {block: [one for one in data[block] if one["name"] in idle.barred_by] for block in ("never", "always")}
        again = cr.RoutingPolicy.from_dict({**data, **alone}).analyse()
        assert idle.channel in [each.channel for each in again.idle_channels]


def test_a_channel_that_is_never_tried_is_reported_with_what_bars_it() -> None:
    data = copy.deepcopy(SHOP)
    data["never"].append({"name": "no chat", "when": {"vulnerable": [False, "missing"]}, "channel": ["chat"]})
    data["never"].append({"name": "calm", "when": {"vulnerable": True}, "channel": ["chat"]})
    analysis = cr.RoutingPolicy.from_dict(data).analyse()
    assert analysis.idle_channels == (("chat", ("no chat", "calm")),)
    assert (analysis.sound, analysis.explored_channels) == (False, ("self_service", "chat", "message"))
    assert analysis.to_dict()["idle_channels"][0] == {"channel": "chat", "barred_by": ["no chat", "calm"]}
    assert "channels of explore to which no explored contact goes: chat" in str(analysis)
    data["explore"]["channels"] = ["self_service"]
    assert cr.RoutingPolicy.from_dict(data).analyse().idle_channels == ()
    nobody = {**data, "assume": [{"open": False}], "explore": {**data["explore"], "when": {"open": False}}}
    assert cr.RoutingPolicy.from_dict(nobody).analyse().idle_channels == (("self_service", ()),)


def test_where_the_steps_run_out_it_is_not_known_whether_a_channel_is_tried() -> None:
    analysis = cr.RoutingPolicy.from_dict(SHOP).analyse(budget=0)
    assert analysis.idle_channels == ()
    assert analysis.undecided_channels == ("self_service", "chat", "message")
    assert analysis.sound is False


def test_a_policy_that_does_not_explore_has_no_idle_channels() -> None:
    data = {name: block for name, block in SHOP.items() if name != "explore"}
    analysis = cr.RoutingPolicy.from_dict(data).analyse()
    assert (analysis.explored_channels, analysis.idle_channels, analysis.sound) == ((), (), True)


def test_a_promise_binds_exploration_on_every_contact_of_a_small_policy() -> None:
    data = copy.deepcopy(SHOP)
    data["explore"]["share"] = 0.9
    policy = cr.RoutingPolicy.from_dict(data)
    seen = set()
    for vulnerable, is_open, i in itertools.product((True, False, None), (True, False), range(200)):
        said = policy.route({"vulnerable": vulnerable, "open": is_open}, key=f"T-{i}")
        seen.add((vulnerable, is_open, str(said.channel)))
    assert seen == {
        (vulnerable, is_open, channel)
        for vulnerable, is_open in itertools.product((True, False, None), (True, False))
        for channel in ("self_service", "chat", "message")
        if not (vulnerable is True and channel == "self_service") and not (not is_open and channel == "chat")
    }


def test_the_promises_of_a_policy_hold_for_what_it_explores_just_as_for_its_rules() -> None:
    policy = cr.RoutingPolicy.from_dict(SHOP)
    assert all(verdict.kept for verdict in policy.analyse().promises)
    closed = policy.channel_probabilities({"vulnerable": True, "open": False})
    assert closed == {"message": 1.0}


def test_shares_of_channels_follow_the_propensities() -> None:
    policy = cr.RoutingPolicy.from_dict(SHOP)
    row = {"vulnerable": None, "open": True}
    n = 20_000
    counts = Counter(str(policy.route(row, key=f"T-{i}").channel) for i in range(n))
    for channel, odds in policy.channel_probabilities(row).items():
        spread = (odds * (1 - odds) / n) ** 0.5
        assert abs(counts[channel] / n - odds) < 4 * spread


def test_what_is_tried_keeps_priority_and_skills_and_says_what_it_replaces() -> None:
    policy = cr.RoutingPolicy.from_dict(SHOP)
    row = {"vulnerable": None, "open": True}
    tried = next(said for i in range(100) if (said := policy.route(row, key=f"T-{i}")).instead_of is not None)
    assert (tried.priority, tried.skills, tried.queue, tried.instead_of) == (4, ("writing",), None, "message")
    assert tried.why == "no earlier rule applied; tried in place of message"
    assert tried.propensity == pytest.approx(0.15)
    kept = next(said for i in range(100) if (said := policy.route(row, key=f"T-{i}")).instead_of is None)
    assert (kept.queue, kept.propensity) == ("letters", 0.7)


def test_a_policy_that_does_not_explore_ignores_the_key() -> None:
    data = {name: block for name, block in SHOP.items() if name != "explore"}
    policy = cr.RoutingPolicy.from_dict(data)
    row = {"vulnerable": None, "open": True}
    assert policy.route(row, key="T-1") == policy.route(row)
    assert policy.channel_probabilities(row) == {"message": 1.0}


def test_columns_are_routed_without_exploration() -> None:
    policy = cr.RoutingPolicy.from_dict(SHOP)
    assert set(policy.route_many({"open": [True] * 50}).channel) == {"message"}


def test_hash_points_are_those_of_the_documented_formula() -> None:
    for key in ("C-1", "Zoë", "a:b", "\ud800"):
        digest = hashlib.sha256(b"rollout:spring:" + key.encode("utf-8", "surrogatepass")).hexdigest()
        assert hash_point("rollout", "spring", key) == (int(digest[:16], 16) >> 11) / 2**53


def test_hash_points_are_spread_evenly_and_do_not_follow_one_another() -> None:
    n = 20_000
    first = [hash_point("rollout", "1", f"C-{i}") for i in range(n)]
    other = [hash_point("explore", "1", f"C-{i}") for i in range(n)]
    for points in (first, other):
        counts = Counter(int(point * 20) for point in points)
        assert sum((count - n / 20) ** 2 / (n / 20) for count in counts.values()) < 43.8  # chi-square, 19 df, 0.001
    together = sum(a < 0.5 and b < 0.5 for a, b in zip(first, other, strict=True))
    assert abs(together / n - 0.25) < 4 * (0.25 * 0.75 / n) ** 0.5


@pytest.mark.parametrize(("key", "what"), [("", "an empty text"), (7, "a int")])
def test_a_key_that_is_no_id_is_refused(key: Any, what: str) -> None:
    with pytest.raises(RoutingError, match=f"is {what}; give its id as text"):
        hash_point("explore", "1", key)


def test_a_seed_with_a_colon_is_refused() -> None:
    with pytest.raises(RoutingError, match="has a colon"):
        hash_point("explore", "a:b", "T-1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": 0}, "explore.share: 0 is not a share of contacts; write one between 0 and 1"),
        ({"share": 1}, "explore.share: 1 is not a share of contacts"),
        ({"share": "much"}, "explore.share: this must be a finite number"),
        ({"channels": []}, "explore.channels: no channel may be tried"),
        ({"channels": ["chat", "fax"]}, r"explore.channels\[1\]: 'fax' is not a channel"),
        ({"channels": ["chat", "chat"]}, r"explore.channels\[1\]: the channel .* was used before"),
        ({"when": {"mood": 1}}, "explore.when.mood: 'mood' is not a declared input"),
        ({"seed": "a:b"}, "explore.seed: 'a:b' is not a seed"),
        ({"rate": 0.1}, "explore.rate: the key 'rate' is not known here"),
    ],
)
def test_mistakes_in_the_block_name_their_place(change: dict[str, Any], message: str) -> None:
    data = {**SHOP, "explore": {**SHOP["explore"], **change}}
    with pytest.raises(PolicyError, match=message):
        cr.RoutingPolicy.from_dict(data)


def test_a_pipeline_explores_contacts_with_an_id_and_audits_what_it_served(tmp_path: Any) -> None:
    import yaml

    from contact_reasons.resources import pack_files

    data = yaml.load(pack_files("retail").policy.read_text("utf-8"), Loader=yaml.BaseLoader)
    data["explore"] = {"share": "0.9", "channels": ["message", "callback"]}
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(data), "utf-8")
    (tmp_path / "taxonomy.yaml").write_text(pack_files("retail").taxonomy.read_text("utf-8"), "utf-8")
    pipe = cr.load_pipeline("retail", policy=path)
    contacts = [cr.Contact(text="where is my parcel", contact_id=f"T-{i}") for i in range(20)]
    handled = pipe.handle_many(contacts)
    tried = [one for one in handled if one.recommendation.instead_of is not None]
    assert tried
    at = contacts[handled.index(tried[0])]
    record = json.loads(pipe.audit(at, tried[0]).to_json())["recommendation"]
    assert record["propensity"] == tried[0].recommendation.propensity
    assert record["instead_of"] == str(tried[0].recommendation.instead_of)
    assert pipe.handle(cr.Contact(text="where is my parcel")).recommendation.propensity is None
