"""`UpdatePlan`: the ordered steps that change a reason field without losing a value of an old ticket."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from contact_reasons.crm.exports.choices import Change
from contact_reasons.crm.exports.documents import call_text

__all__ = ["Step", "UpdatePlan"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing to do: an HTTP call, a file to import, or, with neither, something that a person does.

    Parameters
    ----------
    title : str
    changes : tuple of Change
        What it changes, and why.
    method, path : str or None
        Of the call.
    body : any JSON value
        Of the call. ``{id of …}`` in it stands for an id that an earlier call of the plan answers with.
    file : tuple of (str, str) or None
        Name and text of the file.
    """

    title: str
    changes: tuple[Change, ...] = ()
    method: str | None = None
    path: str | None = None
    body: Any = None
    file: tuple[str, str] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The step as plain data for JSON."""
        data: dict[str, Any] = {"title": self.title, "changes": [change._asdict() for change in self.changes]}
        if self.method is not None:
            data |= {"method": self.method, "path": self.path, "body": self.body}
        if self.file is not None:
            data |= {"file": self.file[0], "text": self.file[1]}
        return data


@dataclass(frozen=True, kw_only=True)
class UpdatePlan:
    """What is to be done in a CRM so that it holds a taxonomy, in this order.

    No step deletes a value or changes what a ticket stores. Without steps, there is nothing to do.

    Parameters
    ----------
    system : str
    taxonomy_id, version : str
        Of the taxonomy that the CRM holds afterwards.
    steps : tuple of Step
    notes : tuple of str
        What a person should know.
    """

    system: str
    taxonomy_id: str
    version: str
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes, in the order of the steps."""
        return tuple(change for step in self.steps for change in step.changes)

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain data for JSON."""
        return {
            "system": self.system,
            "taxonomy_id": self.taxonomy_id,
            "version": self.version,
            "steps": [step.to_dict() for step in self.steps],
            "notes": list(self.notes),
        }

    def files(self) -> dict[str, str]:
        """The plan as files: ``PLAN.md``, and each call or file under the number of its step."""
        found = {"PLAN.md": str(self)}
        for number, step in enumerate(self.steps, 1):
            if step.method is not None:
                found[f"{number:02}-{step.method.lower()}.json"] = call_text(step.method, step.path or "", step.body)
            if step.file is not None:
                found[f"{number:02}/{step.file[0]}"] = step.file[1]
        return found

    def __str__(self) -> str:
        """The plan for people, as Markdown."""
        lines = [f"# {self.system}: to taxonomy {self.taxonomy_id} {self.version}", ""]
        if not self.steps:
            lines += ["Nothing to do: the CRM holds this taxonomy.", ""]
        for number, step in enumerate(self.steps, 1):
            lines.append(f"{number}. {step.title}{self._where(number, step)}")
            lines += [f"   - {_said(change)}" for change in step.changes]
        if self.notes:
            lines += ["", "Notes:", "", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines).rstrip("\n") + "\n"

    @staticmethod
    def _where(number: int, step: Step) -> str:
        if step.method is not None:
            return f": {step.method} {step.path} (`{number:02}-{step.method.lower()}.json`)"
        return f" (`{number:02}/{step.file[0]}`)" if step.file is not None else ""


def _said(change: Change) -> str:
    if change.reason is None:
        what = change.value or "field"
    else:
        coded = change.value == change.reason.replace(".", "__")
        what = change.reason if coded else f"{change.reason} ({change.value})"
    return f"{change.kind} {change.level} {what}: {change.why}"
