"""Routing policies: an ordered table of rules over closed, typed inputs; pure, compiled, provable."""

from contact_reasons.routing.policy import PolicyAnalysis, PromiseVerdict, RoutedColumns, RoutingPolicy, RuleVerdict
from contact_reasons.routing.rulefile import Outcome, Promise, RoutingRule

__all__ = [
    "Outcome",
    "PolicyAnalysis",
    "Promise",
    "PromiseVerdict",
    "RoutedColumns",
    "RoutingPolicy",
    "RoutingRule",
    "RuleVerdict",
]
