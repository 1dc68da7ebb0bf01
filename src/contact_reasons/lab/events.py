"""The event loop: contacts, agents and what happens when. Plain lists in, plain lists out; nothing is drawn here.

Rules, for whoever compares: at one moment shifts and openings come first, then ends of contacts, then second attempts
of callbacks, then arrivals, each in the order given. A contact goes to the first group that has an agent with room, in it to
the agent with the least work, of equals the first in number. An agent with room takes, of the waiting contacts that
fit, the one of the best priority, of equals the one that came first. Of k agents on shift the first k work; one whose
shift ends takes nothing more and leaves after its last contact.
"""

from __future__ import annotations

import math
from heapq import heappop, heappush
from typing import Final, NamedTuple

__all__ = [
    "ABANDONED",
    "ANSWERED",
    "TURNED_AWAY",
    "UNREACHED",
    "WAITING",
    "Change",
    "Contacts",
    "Events",
    "Layout",
    "run_events",
]

WAITING: Final = 0
ANSWERED: Final = 1
ABANDONED: Final = 2
UNREACHED: Final = 3
TURNED_AWAY: Final = 4
"""What came of a contact; `run_events` never turns one away."""


class Contacts(NamedTuple):
    """Contacts in the order of arrival.

    Parameters
    ----------
    arrival : list of float
        Seconds, not falling.
    queue, priority : list of int
        Position of the queue; 1 is first.
    handle : list of float
        Seconds with an agent.
    leave_at : list of float
        When it gives up if no agent has come before; ``inf`` never.
    callback_at : list of float
        From when it is called back; ``inf`` never.
    reached_at_try : list of int
        At which attempt of calling back it answers; 0 at none.
    """

    arrival: list[float]
    queue: list[int]
    priority: list[int]
    handle: list[float]
    leave_at: list[float]
    callback_at: list[float]
    reached_at_try: list[int]


class Change(NamedTuple):
    """From a moment on, so many agents of a group (``held`` None), or a queue held or not (``held`` given)."""

    seconds: float
    place: int
    agents: int
    held: bool | None = None


class Layout(NamedTuple):
    """Who serves what.

    Parameters
    ----------
    capacity : int
        Units of work that an agent has room for.
    units : list of int
        By queue: what one contact takes of them.
    serves : list of tuple of int
        By group: its queues.
    most_agents : list of int
        By group.
    held : list of bool
        By queue: whether nothing is taken from it at the start.
    attempts : list of int
        By queue: of calling back.
    ring, retry : list of float
        By queue: seconds an attempt takes that nobody answers, and to the next one.
    changes : list of Change
        In the order of time.
    """

    capacity: int
    units: list[int]
    serves: list[tuple[int, ...]]
    most_agents: list[int]
    held: list[bool]
    attempts: list[int]
    ring: list[float]
    retry: list[float]
    changes: list[Change]


class Events(NamedTuple):
    """What happened.

    Parameters
    ----------
    outcome : list of int
        By contact: WAITING, ANSWERED, ABANDONED or UNREACHED.
    start : list of float
        When it was answered; ``inf`` if it was not.
    turn : list of float
        When an agent came to its place, whether it was still there or not; ``inf`` if none did.
    group : list of int
        That answered, or called last; -1 if none did.
    tries : list of int
        Attempts of calling back.
    missed : list of tuple
        ``(group, queue, from, to)`` of each attempt that nobody answered.
    overtime : list of tuple
        ``(group, from, to)`` of each agent that ended a contact after its shift.
    """

    outcome: list[int]
    start: list[float]
    turn: list[float]
    group: list[int]
    tries: list[int]
    missed: list[tuple[int, int, float, float]]
    overtime: list[tuple[int, float, float]]


def run_events(contacts: Contacts, layout: Layout) -> Events:
    """What happens to each contact; by the rules at the top of this module.

    Parameters
    ----------
    contacts : Contacts
    layout : Layout

    Examples
    --------
    >>> two = Contacts([0.0, 10.0], [0, 0], [1, 1], [60.0, 60.0], [math.inf, 30.0], [math.inf] * 2, [0, 0])
    >>> one_agent = Layout(1, [1], [(0,)], [1], [False], [1], [0.0], [0.0], [Change(0.0, 0, 1)])
    >>> run_events(two, one_agent).outcome == [ANSWERED, ABANDONED]
    True
    """
    floor = _Floor(contacts, layout)
    pending, place, step = floor.pending, floor.place, floor.step
    for i, t in enumerate(contacts.arrival):
        while pending and pending[0][0] <= t:
            step()
        place(i, t)
    while pending:
        step()
    floor.close()
    return Events(floor.outcome, floor.start, floor.turn, floor.group, floor.tries, floor.missed, floor.overtime)


class _Floor:
    """The agents and the lines at one moment.

    ``free[g][k]`` is a heap of agents of group g that carry k units of work, with entries that are no longer true;
    ``lines[q]`` a heap of ``(priority, contact)``, with contacts that have given up; ``pending`` a heap of what is to come.
    """

    __slots__ = (
        "agent", "callback_at", "capacity", "contacts", "free", "group", "groups_of", "handle", "held", "layout", "leave_at",
        "lines", "loads", "missed", "n", "off_since", "on_shift", "outcome", "overtime", "pending", "queue", "rings", "serves",
        "start", "tries", "turn", "units",
    )  # fmt: skip

    def __init__(self, contacts: Contacts, layout: Layout) -> None:
        n = len(contacts.arrival)
        groups = range(len(layout.serves))
        self.contacts, self.layout, self.n = contacts, layout, n
        self.queue, self.handle = contacts.queue, contacts.handle
        self.leave_at, self.callback_at = contacts.leave_at, contacts.callback_at
        self.units, self.serves, self.capacity = layout.units, layout.serves, layout.capacity
        self.groups_of = [[g for g in groups if q in layout.serves[g]] for q in range(len(layout.units))]
        self.held = list(layout.held)
        self.on_shift = [0 for _ in groups]
        self.loads = [[0] * most for most in layout.most_agents]
        self.off_since: list[dict[int, float]] = [{} for _ in groups]
        self.free: list[list[list[int]]] = [[[] for _ in range(layout.capacity)] for _ in groups]
        self.lines: list[list[tuple[int, int]]] = [[] for _ in layout.units]
        self.pending: list[tuple[float, int]] = [
            (change.seconds, k - len(layout.changes)) for k, change in enumerate(layout.changes)
        ]
        self.outcome, self.tries = [WAITING] * n, [0] * n
        self.start, self.turn = [math.inf] * n, [math.inf] * n
        self.group, self.agent = [-1] * n, [-1] * n
        self.rings: set[int] = set()
        self.missed: list[tuple[int, int, float, float]] = []
        self.overtime: list[tuple[int, float, float]] = []

    def place(self, i: int, t: float) -> None:
        """A contact comes: to an agent with room, else into the line."""
        q = self.queue[i]
        if not self.held[q]:
            most = self.capacity - self.units[q]
            for g in self.groups_of[q]:
                loads, shift = self.loads[g], self.on_shift[g]
                for load, agents in enumerate(self.free[g]):
                    if load > most:
                        break
                    while agents:
                        a = heappop(agents)
                        if loads[a] == load and a < shift:
                            self.begin(i, g, a, t)
                            if loads[a] < self.capacity:
                                heappush(self.free[g][loads[a]], a)
                            return
        heappush(self.lines[q], (self.contacts.priority[i], i))

    def begin(self, i: int, g: int, a: int, t: float) -> None:
        """An agent turns to a contact; whoever calls this enters it into ``free`` if it has room left."""
        q = self.queue[i]
        self.loads[g][a] += self.units[q]
        self.group[i], self.agent[i] = g, a
        if self.callback_at[i] <= t:
            self.turn[i] = min(self.turn[i], t)
            self.tries[i] += 1
            if self.tries[i] != self.contacts.reached_at_try[i]:
                end = t + self.layout.ring[q]
                self.missed.append((g, q, t, end))
                self.rings.add(i)
                heappush(self.pending, (end, i))
                return
        else:
            self.turn[i] = t
        self.start[i] = t
        self.outcome[i] = ANSWERED
        heappush(self.pending, (t + self.handle[i], i))

    def step(self) -> None:
        """The next thing to come that is no arrival."""
        t, i = heappop(self.pending)
        if i < 0:
            self.change(self.layout.changes[i], t)
        elif i >= self.n:
            self.place(i - self.n, t)
        else:
            g, a = self.group[i], self.agent[i]
            loads = self.loads[g]
            if self.rings and i in self.rings:
                self.ring_off(i, t)
            loads[a] -= self.units[self.queue[i]]
            if a < self.on_shift[g]:
                self.take(g, a, t)
            elif not loads[a]:
                self.overtime.append((g, self.off_since[g].pop(a), t))

    def take(self, g: int, a: int, t: float) -> None:
        """An agent on shift takes what waits, until it has no room or nothing fits; with room left it is entered as free."""
        loads, lines = self.loads[g], self.lines
        while room := self.capacity - loads[a]:
            best, at = None, -1
            for q in self.serves[g]:
                line = lines[q]
                if line and self.units[q] <= room and not self.held[q] and (best is None or line[0] < best):
                    best, at = line[0], q
            if best is None:
                heappush(self.free[g][loads[a]], a)
                return
            i = heappop(lines[at])[1]
            if self.leave_at[i] < t:
                self.turn[i] = t
                self.outcome[i] = ABANDONED
            else:
                self.begin(i, g, a, t)

    def ring_off(self, i: int, t: float) -> None:
        """Nobody answered: once more later, or no more."""
        q = self.queue[i]
        self.rings.remove(i)
        if self.tries[i] < self.layout.attempts[q]:
            heappush(self.pending, (t + self.layout.retry[q], self.n + i))
        else:
            self.outcome[i] = UNREACHED

    def change(self, change: Change, t: float) -> None:
        """A shift begins or ends, or a queue opens or closes."""
        if change.held is not None:
            self.held[change.place] = change.held
            for g in () if change.held else self.groups_of[change.place]:
                for a in range(self.on_shift[g]):
                    self.take(g, a, t)
            return
        g = change.place
        before, self.on_shift[g] = self.on_shift[g], change.agents
        for a in range(change.agents, before):
            if self.loads[g][a]:
                self.off_since[g][a] = t
        for a in range(before, change.agents):
            if a in self.off_since[g]:
                self.overtime.append((g, self.off_since[g].pop(a), t))
            self.take(g, a, t)

    def close(self) -> None:
        """Nothing more comes: who still waits and has a patience gives up."""
        for line in self.lines:
            for _, i in line:
                if self.leave_at[i] < math.inf:
                    self.outcome[i] = ABANDONED
