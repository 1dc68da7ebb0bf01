"""The routing lab: what a change of policy would bring, and what queues follow, before anybody is sent anywhere."""

from contact_reasons.lab.feedback import SettledWaits, settle_waits
from contact_reasons.lab.queues import (
    QueueFigures,
    ServiceLevels,
    erlang_a,
    erlang_b,
    erlang_c,
    erlang_c_wait_quantile,
    lines_required,
    load_at_blocking,
)
from contact_reasons.lab.results import ContactLog, Estimate, GroupResult, QueueResult, SimulationResult
from contact_reasons.lab.setting import AgentGroup, Arrivals, Callback, Duration, Queue
from contact_reasons.lab.simulation import simulate, simulate_once
from contact_reasons.lab.staffing import Staffing, agents_required

__all__ = [
    "AgentGroup",
    "Arrivals",
    "Callback",
    "ContactLog",
    "Duration",
    "Estimate",
    "GroupResult",
    "Queue",
    "QueueFigures",
    "QueueResult",
    "ServiceLevels",
    "SettledWaits",
    "SimulationResult",
    "Staffing",
    "agents_required",
    "erlang_a",
    "erlang_b",
    "erlang_c",
    "erlang_c_wait_quantile",
    "lines_required",
    "load_at_blocking",
    "settle_waits",
    "simulate",
    "simulate_once",
]
