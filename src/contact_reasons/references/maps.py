"""Field maps of CRMs: which of their reasons change, and which lines can be rewritten without judgement.

A map (`ResultMap`, `FieldMap`) stands alone in a YAML or JSON file or anywhere within one, such as the settings of a service's systems. A line of
``values`` is rewritten if its reason went into one new reason to which no other line leads. The CRM's value goes along where it follows
from the reason: a code, or the label that an export wrote. What else it holds is nobody's to guess and stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from contact_reasons.crm.codes import code_of
from contact_reasons.crm.events.updates import RESULTS
from contact_reasons.errors import ContactReasonsError, MigrationError
from contact_reasons.references.record import Edit, Reference
from contact_reasons.schema import KeyPath, path_text
from contact_reasons.taxonomy import Migration, Taxonomy
from contact_reasons.taxonomy.strict_yaml import Span, key_spans, parse_strict_yaml, scalar_spans

__all__ = ["MapReferences", "map_references"]

_MAX_CHARS = 1_000_000  # a map has a line a reason; larger files are something else
_RESULT_KEYS = {"fields", "values", "prefix"}
_FIELD_KEYS = {"fields", "values", "channels", "unknown_channel"}


class MapReferences(NamedTuple):
    """What field maps of a file say about reasons that change.

    Parameters
    ----------
    found : tuple of Reference
    rest : str
        The text with all that belongs to the maps' reasons blanked.
    """

    found: tuple[Reference, ...]
    rest: str


def map_references(text: str, file: str, migration: Migration) -> MapReferences | None:
    """Lines of the field maps in a file that name reasons that change; None if the file holds no field map.

    Parameters
    ----------
    text : str
        YAML or JSON.
    file : str
        For messages.
    migration : Migration
    """
    if len(text) > _MAX_CHARS or not ("fields" in text and "values" in text):
        return None
    try:
        data = parse_strict_yaml(text, MigrationError, source=file).data
        maps = list(_maps(data, ()))
        if not maps:
            return None
        finder = _Finder(text, file, migration)
    except ContactReasonsError:
        return None
    for path, node in maps:
        if _is_results(node):
            finder.results(path, node)
        else:
            finder.fields(path, node)
    return MapReferences(tuple(sorted(finder.found, key=lambda one: one.line)), finder.rest())


def _maps(node: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    if isinstance(node, Mapping):
        if _is_results(node) or _is_fields(node):
            yield path, node
            return
        for key, value in node.items():
            yield from _maps(value, (*path, key))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from _maps(value, (*path, i))


def _is_results(node: Mapping[str, Any]) -> bool:
    fields, values = node.get("fields"), node.get("values")
    return (
        set(node) <= _RESULT_KEYS
        and isinstance(fields, Mapping)
        and set(fields) <= set(RESULTS)
        and isinstance(values, Mapping)
        and all(isinstance(value, str) for value in values.values())
    )


def _is_fields(node: Mapping[str, Any]) -> bool:
    fields, values = node.get("fields"), node.get("values")
    return (
        set(node) <= _FIELD_KEYS
        and isinstance(fields, Mapping)
        and isinstance(values, Mapping)
        and all(isinstance(value, Mapping) for value in values.values())
    )


class _Finder:
    def __init__(self, text: str, file: str, migration: Migration) -> None:
        self.text, self.file, self.migration = text, file, migration
        self.keys, self.spans = (spans(text, MigrationError, source=file) for spans in (key_spans, scalar_spans))
        self.found: list[Reference] = []
        self.seen: list[Span] = []

    def rest(self) -> str:
        characters = list(self.text)
        for span in self.seen:
            for i in range(span.start, span.end):
                characters[i] = "\n" if characters[i] == "\n" else " "
        return "".join(characters)

    # ---------------------------------------------------------------------------------------------- results

    def results(self, path: KeyPath, node: Mapping[str, Any]) -> None:
        """Lines of a `ResultMap`'s values: the CRM's value by reason."""
        values: Mapping[str, str] = node["values"]
        verdicts = {reason: self.migration.verdict(reason) for reason in values}
        leads = [target for verdict in verdicts.values() if verdict is not None for target in verdict.targets]
        missing: set[str] = set()  # told at the line of the reason that was split
        for reason, value in values.items():
            at, verdict = (*path, "values", reason), verdicts[reason]
            self.seen += [self.keys[at], self.spans[at]]
            if verdict is None:
                continue
            if verdict.kind == "retired":
                self._tell(at, (), "the reason was retired", "take the line out; old tickets keep what the CRM holds")
            elif verdict.kind == "split":
                to_add = [one for one in verdict.targets if one not in values]
                missing |= set(to_add)
                parts = [f"write a line for {', '.join(to_add)}"] if to_add else []
                parts += [] if reason in verdict.targets else ["take this one out"]
                if parts:
                    self._tell(at, verdict.targets, "the reason was split", " and ".join(parts))
                if reason in verdict.targets:
                    self._rewrite(at, reason, reason, value, str(node.get("prefix", "")))
            elif leads.count(verdict.targets[0]) > 1 and verdict.targets[0] != reason:
                (target,) = verdict.targets
                do = f"keep one line, {target} with the value that new tickets are to get; old tickets keep theirs"
                self._tell(at, (target,), f"it is {target} now, like another line's reason", do)
            else:
                self._rewrite(at, reason, verdict.targets[0], value, str(node.get("prefix", "")))
        self._added(path, values, {*leads, *missing})

    def _rewrite(self, at: KeyPath, reason: str, target: str, value: str, prefix: str) -> None:
        """The line of a reason that became another alone: its key, and its value where that follows from the reason."""
        new = _new_value(value, reason, target, self.migration, prefix)
        if target != reason:
            self._tell(at, (target,), f"it is {target} now", key=target)
        if new != value:
            self._tell(at, (new,), f"the CRM holds {new!r} once its field is changed", value=new)

    def _added(self, path: KeyPath, values: Mapping[str, str], known: set[str]) -> None:
        """New reasons without a line, of a map that had one for every old reason of their level."""
        for below in (True, False):
            level = [one.id for one in self.migration.old.reasons if ("." in one.id) == below]
            if not set(level) <= set(values):
                continue
            lacking = [one.id for one in self.migration.new.reasons if ("." in one.id) == below and one.id not in known]
            if lacking:
                span = self.keys[(*path, "values")]
                place = path_text((*path, "values"))
                do = "write a line for each, with the value that the CRM holds for it"
                self._append(span, "values", tuple(lacking), f"{place}: no line for {', '.join(lacking)}", do, None)

    # ----------------------------------------------------------------------------------------------- fields

    def fields(self, path: KeyPath, node: Mapping[str, Any]) -> None:
        """Secondaries among a `FieldMap`'s own values: what a policy reads of a CRM's field."""
        for name, values in node["values"].items():
            for crm, ours in values.items():
                at = (*path, "values", name, crm)
                verdict = self.migration.changed.get(ours) if isinstance(ours, str) and "." in ours else None
                if verdict is None:
                    continue
                self.seen.append(self.spans[at])
                if verdict.kind == "to":
                    (target,) = verdict.targets
                    self._tell(at, (target,), f"it is {target} now", value=target)
                elif verdict.kind == "retired":
                    self._tell(
                        at, (), "the reason was retired", "take the line out, or name another reason", at_value=True
                    )
                else:
                    do = f"name one of {', '.join(verdict.targets)}: the CRM's value alone cannot say which"
                    self._tell(at, verdict.targets, "the reason was split", do, at_value=True)

    # ------------------------------------------------------------------------------------------------ both

    def _tell(
        self,
        at: KeyPath,
        new: tuple[str, ...],
        why: str,
        do: str = "",
        *,
        key: str | None = None,
        value: str | None = None,
        at_value: bool = False,
    ) -> None:
        span = self.spans[at] if at_value or value is not None else self.keys[at]
        text, edit = key if key is not None else value, None
        if text is not None:
            written = self._written(span, text)
            if written is None:
                do = f"write {text}"
            else:
                edit = Edit(span.start, span.end, written)
        self._append(span, span.value, new, f"{path_text(at)}: {why}", do, edit)

    def _written(self, span: Span, text: str) -> str | None:
        """A scalar as it is to stand in the place of another, quoted as that one; None for a block of lines."""
        mark = self.text[span.start]
        if mark in "|>":
            return None
        plain = mark not in "'\"" and text.replace(".", "").replace("_", "").isalnum() and text[0].isalpha()
        if plain or mark == "'":
            return text if plain else "'" + text.replace("'", "''") + "'"
        return json.dumps(text, ensure_ascii=False)

    def _append(self, span: Span, names: str, new: tuple[str, ...], why: str, do: str, edit: Edit | None) -> None:
        self.found.append(
            Reference(file=self.file, line=span.line, kind="map", names=names, new=new, why=why, do=do, edit=edit)
        )


def _new_value(value: str, reason: str, target: str, migration: Migration, prefix: str) -> str:
    """What the CRM holds for the new reason, if the value is the code or the label of the old one; else the value."""
    for start in dict.fromkeys((prefix, "", "cr_")):
        if value == start + code_of(reason):
            return start + code_of(target)
    if reason in migration.old:
        for before, after in zip(_labels(migration.old, reason), _labels(migration.new, target), strict=True):
            if value == before:
                return after
    return value


def _labels(taxonomy: Taxonomy, reason: str) -> tuple[str, str]:
    """The label alone, and with that of the primary before it."""
    label, primary = taxonomy[reason].label, taxonomy[reason.partition(".")[0]].label
    return label, f"{primary}: {label}" if "." in reason else label
