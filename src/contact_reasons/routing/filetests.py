"""Tests inside a rule file: contacts, and the rule that should decide for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["PolicyTest", "PolicyTestReport", "PolicyTestResult"]


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """A contact and the rule that should decide.

    Parameters
    ----------
    name : str
    given : mapping of str to value
        By input; inputs that are left out are missing.
    expect : str
        Id of a rule, or ``on_no_match``.
    """

    name: str
    given: Mapping[str, Any]
    expect: str


@dataclass(frozen=True, slots=True)
class PolicyTestResult:
    """What came of one test.

    Parameters
    ----------
    test : PolicyTest
    found : str or None
        The rule that decided; None if routing was refused.
    why : str
        What the rule read, or why routing was refused.
    """

    test: PolicyTest
    found: str | None
    why: str

    @property
    def passed(self) -> bool:
        """Whether the rule is the expected one."""
        return self.found == self.test.expect

    def __str__(self) -> str:
        if self.passed:
            return f"{self.test.name}: {self.found}"
        outcome = f"got {self.found!r} ({self.why})" if self.found is not None else f"got no rule: {self.why}"
        return f"{self.test.name}: expected {self.test.expect!r}, {outcome}"


@dataclass(frozen=True, slots=True)
class PolicyTestReport:
    """What came of all tests of a rule file.

    Parameters
    ----------
    results : tuple of PolicyTestResult
        In the order of the file.
    untested : tuple of str
        Rules that decided in no test.

    Examples
    --------
    >>> test = PolicyTest("at night", {"open": False}, "later")
    >>> print(PolicyTestReport((PolicyTestResult(test, "now", "no earlier rule applied"),), ()))
    1 of 1 tests failed
      at night: expected 'later', got 'now' (no earlier rule applied)
    """

    results: tuple[PolicyTestResult, ...]
    untested: tuple[str, ...]

    @property
    def failed(self) -> tuple[PolicyTestResult, ...]:
        """Tests in which another rule decided, or none."""
        return tuple(result for result in self.results if not result.passed)

    @property
    def passed(self) -> bool:
        """Whether no test failed."""
        return not self.failed

    def __str__(self) -> str:
        failed, n_tests = self.failed, len(self.results)
        if not failed:
            return f"{n_tests} tests passed" if n_tests else "no tests"
        return "\n  ".join([f"{len(failed)} of {n_tests} tests failed", *map(str, failed)])
