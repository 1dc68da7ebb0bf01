"""The event loop against a slow twin, the figures made from it, and waits fed back into a policy."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contact_reasons.errors import LabError
from contact_reasons.lab import (
    AgentGroup,
    Arrivals,
    Callback,
    ContactLog,
    Duration,
    Queue,
    SimulationResult,
    settle_waits,
    simulate,
    simulate_once,
)
from contact_reasons.lab.events import (
    ABANDONED,
    ANSWERED,
    TURNED_AWAY,
    UNREACHED,
    WAITING,
    Change,
    Contacts,
    Layout,
    run_events,
)
from contact_reasons.routing import RoutingPolicy

# ------------------------------------------------------------------------------------------ a slow twin


@dataclass
class Twin:
    """The rules of `events`, step by step over plain lists that are searched from end to end each time."""

    contacts: Contacts
    layout: Layout
    waiting: list[int] = field(default_factory=list)
    work: dict[tuple[int, int], list[tuple[float, int, bool]]] = field(default_factory=dict)
    retries: list[tuple[float, int]] = field(default_factory=list)

    def run(self) -> tuple[list[int], list[float], list[int]]:
        c, layout = self.contacts, self.layout
        n = len(c.arrival)
        self.outcome, self.start, self.tries = [WAITING] * n, [math.inf] * n, [0] * n
        self.held, self.shift = list(layout.held), [0] * len(layout.serves)
        todo = [(change.seconds, 0, k) for k, change in enumerate(layout.changes)]
        todo += [(seconds, 3, i) for i, seconds in enumerate(c.arrival)]
        while True:
            ends = [(end, 1, i) for works in self.work.values() for end, i, _ in works]
            coming = todo + ends + [(seconds, 2, i) for seconds, i in self.retries]
            if not coming:
                break
            t, kind, i = min(coming)
            self.waiting = [j for j in self.waiting if not self.gone(j, t)]
            if kind == 0:
                todo.remove((t, kind, i))
                change = layout.changes[i]
                if change.held is None:
                    self.shift[change.place] = change.agents
                else:
                    self.held[change.place] = change.held
            elif kind == 1:
                self.end(i, t)
            else:
                (todo if kind == 3 else self.retries).remove((t, 3, i) if kind == 3 else (t, i))
                self.come(i, t)
            self.agents_take(t)
        for i in self.waiting:
            if c.leave_at[i] < math.inf:
                self.outcome[i] = ABANDONED
        return self.outcome, self.start, self.tries

    def gone(self, i: int, t: float) -> bool:
        if self.contacts.leave_at[i] < t:
            self.outcome[i] = ABANDONED
            return True
        return False

    def load(self, agent: tuple[int, int]) -> int:
        return sum(self.layout.units[self.contacts.queue[i]] for _, i, _ in self.work.get(agent, []))

    def agents(self) -> list[tuple[int, int]]:
        return [(g, a) for g, shift in enumerate(self.shift) for a in range(shift)]

    def fits(self, i: int, agent: tuple[int, int]) -> bool:
        q = self.contacts.queue[i]
        room = self.layout.capacity - self.load(agent) >= self.layout.units[q]
        return q in self.layout.serves[agent[0]] and not self.held[q] and room

    def come(self, i: int, t: float) -> None:
        able = [(agent[0], self.load(agent), agent[1]) for agent in self.agents() if self.fits(i, agent)]
        if able:
            g, _, a = min(able)
            self.begin(i, (g, a), t)
        else:
            self.waiting.append(i)

    def agents_take(self, t: float) -> None:
        for agent in self.agents():
            while able := [(self.contacts.priority[i], i) for i in self.waiting if self.fits(i, agent)]:
                i = min(able)[1]
                self.waiting.remove(i)
                self.begin(i, agent, t)

    def begin(self, i: int, agent: tuple[int, int], t: float) -> None:
        c, missed = self.contacts, False
        end = t + c.handle[i]
        if c.callback_at[i] <= t:
            self.tries[i] += 1
            missed = self.tries[i] != c.reached_at_try[i]
        if missed:
            end = t + self.layout.ring[c.queue[i]]
        else:
            self.outcome[i], self.start[i] = ANSWERED, t
        self.work.setdefault(agent, []).append((end, i, missed))

    def end(self, i: int, t: float) -> None:
        for works in self.work.values():
            for entry in list(works):
                if entry[:2] == (t, i):
                    works.remove(entry)
                    q = self.contacts.queue[i]
                    if entry[2] and self.tries[i] < self.layout.attempts[q]:
                        self.retries.append((t + self.layout.retry[q], i))
                    elif entry[2]:
                        self.outcome[i] = UNREACHED
                    return


times = st.integers(0, 12).map(float) | st.floats(0, 12).map(lambda value: round(value, 2))


@st.composite
def small_cases(draw: st.DrawFn) -> tuple[Contacts, Layout]:
    """Up to fourteen contacts, three queues and two groups; whole seconds, so that much happens at once."""
    n_queues, n_groups = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    concurrency = [draw(st.sampled_from([1, 1, 2, 3])) for _ in range(n_queues)]
    capacity = math.lcm(*concurrency)
    serves = [tuple(draw(st.permutations(range(n_queues)))[: draw(st.integers(1, n_queues))]) for _ in range(n_groups)]
    changes = [
        Change(draw(times) if k else 0.0, g, draw(st.integers(0, 3)))
        for g in range(n_groups)
        for k in range(draw(st.integers(1, 3)))
    ]
    held = [draw(st.booleans()) for _ in range(n_queues)]
    changes += [Change(draw(times), q, 0, draw(st.booleans())) for q in range(n_queues) for _ in range(2)]
    changes.sort(key=lambda change: change.seconds)
    n = draw(st.integers(0, 14))
    arrival = sorted(draw(st.lists(times, min_size=n, max_size=n)))
    callback = [draw(st.sampled_from([math.inf, math.inf, 0.0, 2.0])) for _ in range(n)]
    patience = [
        math.inf if math.isfinite(each) else draw(st.sampled_from([math.inf, 0.0, 1.0, 3.0])) for each in callback
    ]
    contacts = Contacts(
        arrival,
        [draw(st.integers(0, n_queues - 1)) for _ in range(n)],
        [draw(st.integers(1, 3)) for _ in range(n)],
        [draw(times) for _ in range(n)],
        [a + p for a, p in zip(arrival, patience, strict=True)],
        [a + c for a, c in zip(arrival, callback, strict=True)],
        [draw(st.integers(0, 3)) for _ in range(n)],
    )
    numbers = [[draw(st.integers(1, 3)) for _ in range(n_queues)] for _ in range(3)]
    layout = Layout(
        capacity,
        [capacity // each for each in concurrency],
        serves,
        [
            max([change.agents for change in changes if change.held is None and change.place == g] + [0])
            for g in range(n_groups)
        ],
        held,
        numbers[0],
        [float(value) for value in numbers[1]],
        [float(value) for value in numbers[2]],
        changes,
    )
    return contacts, layout


@given(small_cases())
@settings(max_examples=150)
def test_the_event_loop_equals_its_slow_twin(case: tuple[Contacts, Layout]) -> None:
    found = run_events(*case)
    outcome, start, tries = Twin(*case).run()
    assert found.outcome == outcome
    assert found.start == start
    assert found.tries == tries


@given(small_cases(), st.integers(0, 13))
@settings(max_examples=100)
def test_the_turn_of_a_contact_that_gave_up_is_when_it_would_have_been_answered(
    case: tuple[Contacts, Layout], row: int
) -> None:
    contacts, layout = case
    found = run_events(contacts, layout)
    if row < len(found.outcome) and found.outcome[row] == ABANDONED:
        patient = list(contacts.leave_at)
        patient[row] = math.inf
        assert run_events(contacts._replace(leave_at=patient), layout).start[row] == found.turn[row]


# ------------------------------------------------------------------------------------------ what is simulated

PHONE = Queue(name="phone", handle=Duration.exponential(180), patience=Duration.exponential(120))
CHAT = Queue(name="chat", handle=Duration.lognormal(600, 0.8), concurrency=3, target_seconds=60)
TEAM = AgentGroup(name="team", queues=("phone", "chat"), agents=12)
LOAD = {"phone": Arrivals.expected([60, 100, 20], 1800), "chat": Arrivals.expected([20, 30, 10], 1800)}


def fixed(name: str = "phone", seconds: float = 100, **more: Any) -> Queue:
    return Queue(name=name, handle=Duration.fixed(seconds), **more)


def one(log: ContactLog) -> tuple[list[int], list[float]]:
    return log.outcome.tolist(), log.wait_seconds.tolist()


def small() -> SimulationResult:
    return simulate([PHONE, CHAT], [TEAM], LOAD, seed=3, replications=4)


def test_the_same_seed_gives_the_same_answer_and_another_seed_another() -> None:
    assert repr(small()) == repr(small())
    other = simulate([PHONE, CHAT], [TEAM], LOAD, seed=4, replications=4)
    assert other.queues["phone"].offered != small().queues["phone"].offered


def test_the_contacts_of_a_queue_do_not_hang_on_other_queues_or_on_the_agents() -> None:
    both = simulate_once([CHAT, PHONE], [TEAM], LOAD, seed=3)
    team = AgentGroup(name="few", queues=("phone",), agents=2)
    alone = simulate_once([PHONE], [team], {"phone": LOAD["phone"]}, seed=3)
    mine = both.queue == 1
    assert both.arrival_seconds[mine].tolist() == alone.arrival_seconds.tolist()
    answered = (both.outcome[mine] == ANSWERED) & (alone.outcome == ANSWERED)
    assert both.handle_seconds[mine][answered].tolist() == alone.handle_seconds[answered].tolist()
    assert answered.sum() > 20


def test_every_contact_is_accounted_for_and_intervals_add_up() -> None:
    result = small()
    for name in ("phone", "chat"):
        found = result.queues[name]
        parts = (found.answered, found.abandoned, found.unreached, found.waiting)
        assert sum(part.value for part in parts) == pytest.approx(found.offered.value)
        intervals = result.queue_intervals[name]
        assert len(intervals) == 3
        assert sum(each.answered.value for each in intervals) == pytest.approx(found.answered.value)
        assert found.p_abandon.value == pytest.approx(found.abandoned.value / found.offered.value)
    busy = sum(found.busy_agents.value for found in result.queues.values())
    team = result.groups["team"]
    assert busy == pytest.approx(team.occupancy.value * team.staffed_agents.value)


def test_estimates_are_those_of_the_logs() -> None:
    """The mean over replications, and the textbook error of a mean, from the contacts themselves."""
    result = small()
    logs = [simulate_once([PHONE, CHAT], [TEAM], LOAD, seed=3, replication=k) for k in range(4)]
    offered = np.array([(log.queue == 0).sum() for log in logs], dtype=float)
    left = np.array([((log.queue == 0) & (log.outcome == ABANDONED)).sum() for log in logs], dtype=float)
    phone = result.queues["phone"]
    assert phone.offered.value == pytest.approx(offered.mean())
    assert phone.offered.standard_error == pytest.approx(offered.std(ddof=1) / 2)
    share = left.sum() / offered.sum()
    assert phone.p_abandon.value == pytest.approx(share)
    error = math.sqrt(((left - share * offered) ** 2).sum() / (4 * 3)) / offered.mean()
    assert phone.p_abandon.standard_error == pytest.approx(error)
    soon = sum(((log.queue == 0) & (log.outcome == ANSWERED) & (log.wait_seconds <= 20)).sum() for log in logs)
    early = sum(((log.queue == 0) & (log.outcome == ABANDONED) & (log.wait_seconds <= 20)).sum() for log in logs)
    levels = phone.service_levels
    assert levels.reading("of_offered").value == pytest.approx(soon / offered.sum())
    assert levels.reading("excluding_short_abandons").value == pytest.approx(soon / (offered.sum() - early))
    assert levels.reading("of_answered").value == pytest.approx(soon / (offered.sum() - left.sum()))
    turns = sum(((log.queue == 0) & (log.turn_seconds <= 20)).sum() for log in logs)
    assert levels.reading("virtual_wait").value == pytest.approx(turns / offered.sum())


def test_one_replication_has_no_standard_error() -> None:
    found = simulate(
        [PHONE],
        [TEAM.__class__(name="a", queues=("phone",), agents=5)],
        {"phone": LOAD["phone"]},
        seed=1,
        replications=1,
    )
    assert math.isnan(found.queues["phone"].p_abandon.standard_error)


def test_occupancy_by_interval_is_the_time_on_contacts() -> None:
    """One agent, 100 s contacts at 0 and 250 s: busy from 0 to 100 and from 250 to 350."""
    team = AgentGroup(name="team", queues=("phone",), agents=1)
    found = simulate(
        [fixed()],
        [team],
        {"phone": Arrivals.at([0, 250])},
        seed=0,
        replications=1,
        interval_seconds=100,
        end_seconds=400,
    )
    assert [each.occupancy.value for each in found.group_intervals["team"]] == pytest.approx([1.0, 0.0, 0.5, 0.5])
    assert found.groups["team"].occupancy.value == pytest.approx(0.5)
    assert found.edges_seconds == (0.0, 100.0, 200.0, 300.0, 400.0)


def test_an_agent_who_stays_after_the_shift_counts_as_staffed() -> None:
    team = AgentGroup(name="team", queues=("phone",), agents=((0.0, 1), (50.0, 0)))
    found = simulate(
        [fixed(patience=Duration.fixed(5))],
        [team],
        {"phone": Arrivals.at([0, 60])},
        seed=0,
        replications=1,
        interval_seconds=100,
        end_seconds=200,
    )
    assert [each.staffed_agents.value for each in found.group_intervals["team"]] == pytest.approx([1.0, 0.0])
    assert found.group_intervals["team"][0].occupancy.value == pytest.approx(1.0)
    assert found.queues["phone"].abandoned.value == 1


def test_a_day_without_contacts_has_counts_of_nought_and_no_shares() -> None:
    team = AgentGroup(name="team", queues=("phone",), agents=1)
    for load in (Arrivals.at([]), Arrivals.expected([0, 0], 1800)):
        found = simulate([PHONE], [team], {"phone": load}, seed=0, replications=2)
        assert found.queues["phone"].offered == (0.0, 0.0)
        assert math.isnan(found.queues["phone"].p_abandon.value)
        assert found.groups["team"].occupancy == (0.0, 0.0)


def test_a_result_prints_a_line_for_each_queue_and_group() -> None:
    line = Queue(name="phone", handle=Duration.fixed(60))
    team = AgentGroup(name="voice", queues=("phone",), agents=1)
    calls = Arrivals.at([0.0, 100.0, 130.0])
    found = simulate([line], [team], {"phone": calls}, seed=1, replications=2, end_seconds=200.0)
    phone, voice = str(found).splitlines()
    assert " ".join(phone.split()) == "phone 3.0 offered in time 66.7% ± 0.0% gave up 0.0% ± 0.0% mean wait 10 s"
    assert " ".join(voice.split()) == "voice 1.0 agents occupancy 80.0% ± 0.0%"


def test_priority_decides_who_is_next_and_equals_are_served_in_turn() -> None:
    team = AgentGroup(name="team", queues=("phone",), agents=1)
    arrivals = Arrivals.at([0, 1, 2, 3], priority=[5, 5, 1, 5])
    outcome, wait = one(simulate_once([fixed()], [team], {"phone": arrivals}, seed=0))
    assert outcome == [ANSWERED] * 4
    assert wait == [0, 199, 98, 297]


def test_three_chats_share_an_agent_who_then_takes_no_call() -> None:
    queues = [fixed("chat", concurrency=3), fixed("phone")]
    team = AgentGroup(name="team", queues=("chat", "phone"), agents=1)
    loads = {"chat": Arrivals.at([0, 1, 2, 3]), "phone": Arrivals.at([4])}
    log = simulate_once(queues, [team], loads, seed=0)
    assert log.wait_seconds.tolist() == [0, 0, 0, 97, 196]


def test_a_callback_keeps_its_place_and_is_tried_again() -> None:
    """Asked after 10 s; nobody answers: three attempts of 5 s, with 50 s between them."""
    offer = Callback(after_seconds=10, reached=0, attempts=3, ring_seconds=5, retry_seconds=50)
    team = AgentGroup(name="team", queues=("phone",), agents=1)
    log = simulate_once([fixed(callback=offer)], [team], {"phone": Arrivals.at([0, 1, 2])}, seed=0)
    assert log.outcome.tolist() == [ANSWERED, UNREACHED, UNREACHED]
    assert log.tries.tolist() == [0, 3, 3]
    begins = [span[2] for span in log.missed]
    assert begins == [100, 105, 155, 160, 210, 215]
    assert log.turn_seconds.tolist() == [0, 99, 103]  # of the first attempt
    reached = Callback(after_seconds=10)
    log = simulate_once([fixed(callback=reached)], [team], {"phone": Arrivals.at([0, 1, 2])}, seed=0)
    assert log.wait_seconds.tolist() == [0, 99, 198]
    assert log.called_back.tolist() == [False, True, True]


def test_who_is_called_back_does_not_give_up_and_who_leaves_before_the_offer_does() -> None:
    team = AgentGroup(name="team", queues=("phone",), agents=1)
    arrivals = Arrivals.at([0, 1, 2], patience_seconds=[5, 5, 50])
    log = simulate_once([fixed(callback=Callback(after_seconds=10))], [team], {"phone": arrivals}, seed=0)
    assert log.outcome.tolist() == [ANSWERED, ABANDONED, ANSWERED]


def test_a_closed_queue_turns_away_or_lets_wait() -> None:
    team = AgentGroup(name="team", queues=("phone", "mail"), agents=1)
    queues = [fixed(hours=((100, 200),)), fixed("mail", 10, hours=((100, 200), (300, 400)), when_closed="wait")]
    loads = {"phone": Arrivals.at([50, 100, 200]), "mail": Arrivals.at([0, 195, 250])}
    log = simulate_once(queues, [team], loads, seed=0)
    columns = (log.queue, log.arrival_seconds, log.outcome, log.wait_seconds)
    found = {(q, at): (o, w) for q, at, o, w in zip(*(column.tolist() for column in columns), strict=True)}
    assert found[0, 50][0] == found[0, 200][0] == TURNED_AWAY
    assert found[0, 100] == (ANSWERED, 10)
    assert found[1, 0] == (ANSWERED, 100)
    assert found[1, 195] == (ANSWERED, 105)
    assert found[1, 250] == (ANSWERED, 60)


def test_counts_by_interval_make_a_poisson_process_of_that_rate() -> None:
    load = Arrivals.expected([0, 50, 200], 600, begin_seconds=100)
    drawn = [load.draw(np.random.default_rng(seed)) for seed in range(200)]
    numbers = np.array([np.histogram(each, [100, 700, 1300, 1900])[0] for each in drawn])
    assert numbers[:, 0].sum() == 0
    assert numbers.mean(axis=0)[1:] == pytest.approx([50, 200], rel=0.03)
    assert numbers.var(axis=0)[1:] == pytest.approx([50, 200], rel=0.35)
    assert all((np.diff(each) >= 0).all() for each in drawn)


@pytest.mark.parametrize(
    ("duration", "mean", "deviation"),
    [
        (Duration.exponential(90), 90, 90),
        (Duration.lognormal(90, 0.5), 90, 45),
        (Duration.fixed(90), 90, 0),
        (Duration.sampled([30, 150]), 90, 60),
    ],
)
def test_durations_have_the_mean_and_spread_they_were_given(duration: Duration, mean: float, deviation: float) -> None:
    drawn = duration.draw(np.random.default_rng(5), 40_000)
    assert drawn.mean() == pytest.approx(mean, rel=0.03)
    assert drawn.std() == pytest.approx(deviation, rel=0.05)
    assert duration.mean_seconds == mean


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Duration.exponential(0), "Duration.mean_seconds is 0; it must be above 0"),
        (lambda: Duration.sampled([]), "needs one value above 0"),
        (lambda: Duration("exponentiel", 1), "did you mean 'exponential'"),  # type: ignore[arg-type]
        (lambda: Callback(after_seconds=-1), "Callback.after_seconds is -1; it must be at least 0"),
        (lambda: Callback(after_seconds=0, reached=1.5), "at most 1"),
        (lambda: fixed(" "), "Queue.name is ' '; it must be a name"),
        (lambda: fixed(priority=0), "queue 'phone': priority is 0"),
        (lambda: fixed(concurrency=13), "concurrency is 13; it must be a whole number from 1 to 12"),
        (lambda: fixed(patience=30), "patience is 30; it must be a Duration, or None"),
        (lambda: fixed(hours=((9, 17), (16, 18))), "openings and closings must rise"),
        (lambda: fixed(hours=(9, 17)), "give pairs of numbers"),
        (lambda: fixed(when_closed="refused"), "did you mean 'refuse'"),
        (lambda: AgentGroup(name="a", queues="phone", agents=1), "give names of queues"),  # type: ignore[arg-type]
        (lambda: AgentGroup(name="a", queues=("phone",), agents=-1), "agents is -1"),
        (lambda: AgentGroup(name="a", queues=("phone",), agents=((5, 1), (5, 2))), "rising in time"),
        (lambda: Arrivals.at([1, math.nan]), r"seconds\[1\] is nan"),
        (lambda: Arrivals.at([1, 2], handle_seconds=[1]), "handle_seconds has 1 values for 2 contacts"),
        (lambda: Arrivals.at([1], patience_seconds=[-1]), r"patience_seconds\[0\] is -1"),
        (lambda: Arrivals.at([1], priority=[1.5]), "whole numbers from 1"),
        (lambda: Arrivals.expected([3, -1], 60), r"counts\[1\] is -1; it must be a number of at least 0"),
        (lambda: Arrivals.expected([3], 0), "interval_seconds is 0"),
    ],
)
def test_settings_that_cannot_be_are_named(make: Any, message: str) -> None:
    with pytest.raises(LabError, match=message):
        make()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"queues": []}, "queues: there is none"),
        ({"queues": [PHONE, PHONE]}, "queues: 'phone' is there twice"),
        ({"queues": ["phone"]}, r"queues\[0\] is 'phone'; it must be of class Queue"),
        ({"groups": [AgentGroup(name="team", queues=("fone",), agents=1)]}, "did you mean 'phone'"),
        ({"arrivals": {"phon": Arrivals.at([1])}}, "arrivals are given for 'phon'"),
        ({"arrivals": {"phone": [1, 2]}}, "make them with Arrivals.at"),
        ({"queues": [PHONE, CHAT], "arrivals": {"chat": Arrivals.at([1])}}, "no group serves 'chat'"),
        ({"queues": [Queue(name="phone")]}, "has no handle times"),
        ({"seed": -1}, "seed is -1"),
        ({"replications": 0}, "replications is 0"),
        ({"interval_seconds": 0}, "interval_seconds is 0"),
        ({"end_seconds": -5}, "end_seconds is -5; it must be above 0"),
        ({"interval_seconds": 1e-5, "end_seconds": 3600}, "choose longer ones"),
    ],
)
def test_settings_that_do_not_fit_together_are_named(change: dict[str, Any], message: str) -> None:
    right: dict[str, Any] = {
        "queues": [PHONE],
        "groups": [AgentGroup(name="team", queues=("phone",), agents=1)],
        "arrivals": {"phone": Arrivals.at([1.0])},
        "seed": 0,
    }
    with pytest.raises(LabError, match=message):
        simulate(**{**right, **change})


# ------------------------------------------------------------------------------------------ feedback


def waiting_policy(limit: int) -> RoutingPolicy:
    return RoutingPolicy.from_dict(
        {
            "router": "waits",
            "version": "1",
            "inputs": {
                "customer_type": {"type": "enum", "values": ["standard", "gold"]},
                "estimated_wait_seconds": {"type": "int", "min": 0, "max": 86400},
            },
            "rules": [
                {"id": "gold", "when": {"customer_type": "gold"}, "then": {"channel": "human_agent", "priority": 1}},
                {
                    "id": "short",
                    "when": {"estimated_wait_seconds": f"< {limit}"},
                    "then": {"channel": "human_agent", "priority": 5},
                },
                {"id": "long", "when": {}, "then": {"channel": "message", "priority": 8}},
            ],
        }
    )


def settle(limit: int, agents: int, **more: Any) -> Any:
    random = np.random.default_rng(11)
    arrival = np.sort(random.uniform(0, 7200, 300))
    types = np.where(random.random(300) < 0.3, "gold", "standard")
    queues = [fixed("human_agent", 200, patience=Duration.fixed(900)), fixed("message", 300)]
    groups = [
        AgentGroup(name="live", queues=("human_agent",), agents=agents),
        AgentGroup(name="written", queues=("message",), agents=3),
    ]
    wait_of = more.pop("wait_of", "human_agent")
    given: dict[str, Any] = {"seed": 1, "replications": 1, **more}
    columns = given.pop("columns", {"customer_type": types})
    return settle_waits(waiting_policy(limit), columns, arrival, queues, groups, wait_of=wait_of, **given)


def test_with_agents_enough_the_first_round_is_the_answer() -> None:
    found = settle(300, agents=30)
    assert found.converged
    assert found.residuals == (0.0,)
    assert found.load == {"human_agent": 300}
    assert found.result.queues["human_agent"].offered.value == 300


def test_where_it_converges_the_load_makes_the_waits_it_was_routed_on() -> None:
    found = settle(200, agents=1)
    assert found.converged
    assert len(found.residuals) > 1
    assert found.residuals[-1] < 0.005 <= min(found.residuals[:-1])
    assert 0 < found.load["message"] < 300
    waits = [each.mean_wait_seconds.value for each in found.result.queue_intervals["human_agent"]]
    random = np.random.default_rng(11)
    arrival = np.sort(random.uniform(0, 7200, 300))
    types = np.where(random.random(300) < 0.3, "gold", "standard")
    wait = np.rint(np.nan_to_num(waits)[(arrival // 1800).astype(int)]).astype(int)
    again = waiting_policy(200).route_many({"customer_type": types, "estimated_wait_seconds": wait})
    assert abs((again.channel == "message").sum() - found.load["message"]) / 300 < 0.005


def test_a_sharp_limit_that_no_load_meets_is_said_not_to_converge() -> None:
    """Below the limit all come and wait longer than it; above it nobody comes and nobody waits."""
    found = settle(5, agents=8, interval_seconds=7200, columns={"customer_type": ["standard"] * 300}, max_rounds=7)
    assert not found.converged
    assert len(found.residuals) == 7
    assert min(found.residuals) > 0.9


def test_the_same_seed_settles_in_the_same_place() -> None:
    one, other = (settle(200, agents=4, max_rounds=3, replications=2) for _ in range(2))
    assert one.residuals == other.residuals
    assert repr(one.result) == repr(other.result)


def test_feedback_that_cannot_be_is_named() -> None:
    blind = RoutingPolicy.from_dict(
        {
            "router": "blind",
            "version": "1",
            "inputs": {"open": {"type": "bool"}},
            "rules": [{"id": "all", "when": {}, "then": {"channel": "message", "priority": 8}}],
        }
    )
    team = AgentGroup(name="team", queues=("phone",), agents=1)
    with pytest.raises(LabError, match="does not read estimated_wait_seconds"):
        settle_waits(blind, {"open": [True]}, [0.0], [PHONE], [team], wait_of="phone", seed=0)
    with pytest.raises(LabError, match="wait_of is 'human', which is no queue; did you mean 'human_agent'"):
        settle(10, 1, wait_of="human")
    with pytest.raises(LabError, match="has 2 rows for 300 contacts"):
        settle(10, 1, columns={"customer_type": ["gold", "gold"]})
    with pytest.raises(LabError, match="damping is 0; it must be above 0"):
        settle(10, 1, damping=0)
    with pytest.raises(LabError, match="before begin_seconds, 9000; begin earlier"):
        settle(10, 1, begin_seconds=9000)
    with pytest.raises(LabError, match="without estimated_wait_seconds"):
        settle(10, 1, columns={"estimated_wait_seconds": [1] * 300})
