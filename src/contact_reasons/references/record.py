"""One place that names an old reason, or was made for an old version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Edit", "Reference", "edited"]


class Edit(NamedTuple):
    """A replacement in a text.

    Parameters
    ----------
    start, end : int
        Of what is replaced, the end not included.
    text : str
    """

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One place that names an old reason, or was made for an old version.

    Parameters
    ----------
    file : str
        Relative to the folder, with ``/``.
    line : int
        From 1.
    kind : {'policy', 'text', 'taxonomy', 'map', 'export', 'model', 'calibration', 'training result', 'migration', 'other'}
    names : str
        The old id or version, as it stands there.
    new : tuple of str
        What it became.
    why : str
        What the change does to this place.
    do : str
        What a person has to do; empty if nothing.
    edit : Edit or None
        What updates it without judgement.
    """

    file: str
    line: int
    kind: str
    names: str
    new: tuple[str, ...] = ()
    why: str
    do: str = ""
    edit: Edit | None = None

    @property
    def needs_judgement(self) -> bool:
        """Whether a person has to do something about it."""
        return bool(self.do)

    def as_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return {
            "file": self.file,
            "line": self.line,
            "kind": self.kind,
            "names": self.names,
            "new": list(self.new),
            "why": self.why,
            "do": self.do,
            "updated": self.edit is not None,
        }

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.names}: {self.why}" + (f"; {self.do}" if self.do else "")


def edited(text: str, edits: Iterable[Edit]) -> str:
    """A text after edits that do not overlap.

    Parameters
    ----------
    text : str
    edits : iterable of Edit

    Examples
    --------
    >>> edited("a b c", [Edit(4, 5, "z"), Edit(0, 1, "x")])
    'x b z'
    """
    parts, at = [], 0
    for edit in sorted(edits):
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*parts, text[at:]])
