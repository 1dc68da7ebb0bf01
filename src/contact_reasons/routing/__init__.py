"""Routing policies: an ordered table of rules over closed, typed inputs; pure, compiled, provable."""

from contact_reasons.routing.analysis import HiddenRule, LiveConflict, PolicyAnalysis, PromiseVerdict, RuleRisk
from contact_reasons.routing.exploration import hash_point
from contact_reasons.routing.filetests import PolicyTest, PolicyTestReport, PolicyTestResult
from contact_reasons.routing.policy import RoutingPolicy, RuleVerdict
from contact_reasons.routing.regions import Region
from contact_reasons.routing.routed import PartlyRouted, RoutedColumns
from contact_reasons.routing.rulefile import Exploration, Outcome, Promise, RoutingRule

__all__ = [
    "Exploration",
    "HiddenRule",
    "LiveConflict",
    "Outcome",
    "PartlyRouted",
    "PolicyAnalysis",
    "PolicyTest",
    "PolicyTestReport",
    "PolicyTestResult",
    "Promise",
    "PromiseVerdict",
    "Region",
    "RoutedColumns",
    "RoutingPolicy",
    "RoutingRule",
    "RuleRisk",
    "RuleVerdict",
    "hash_point",
]
