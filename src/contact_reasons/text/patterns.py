"""Regular expressions that are compiled when first used: of the many here, a usual text needs few."""

from __future__ import annotations

import re
from typing import Any, cast

__all__ = ["pattern"]


class _Pattern:
    def __init__(self, source: str, flags: int) -> None:
        self._source, self._flags = source, flags

    def __getattr__(self, name: str) -> Any:
        """A method of the compiled pattern, kept from then on."""
        value = getattr(re.compile(self._source, self._flags), name)
        setattr(self, name, value)
        return value


def pattern(source: str, flags: int = 0) -> re.Pattern[str]:
    r"""As `re.compile`, but that the work, and the error in what is no pattern, comes with the first use.

    >>> pattern(r"\d+").sub("0", "a12b")
    'a0b'
    """
    return cast("re.Pattern[str]", _Pattern(source, flags))
