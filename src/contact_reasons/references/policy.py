"""Rule files: which cells name reasons that change, and which can be rewritten so that the rule does what it did.

A cell is rewritten only if it then holds for exactly the tickets it held for: no reason of it was split or retired, and no other old reason
became one that it names now.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from contact_reasons.errors import PolicyError
from contact_reasons.references.record import Edit, Reference
from contact_reasons.schema import KeyPath, path_text
from contact_reasons.taxonomy import Migration, Verdict
from contact_reasons.taxonomy.strict_yaml import Span, parse_strict_yaml, scalar_spans

__all__ = ["policy_references"]

_BETWEEN: Final = re.compile(r"\s*(?:,|\n\s*-)\s*\Z")
_SECONDARY: Final = re.compile(r"(?<![\w.])[a-z]\w*\.[a-z]\w*(?!\w|\.\w)", re.ASCII)
_PROVE: Final = "then prove it with `contact-reasons policy check`"


class _Change(NamedTuple):
    """What becomes of one part of a cell: a new text, or why nobody can say."""

    new: tuple[str, ...]
    why: str
    do: str = ""
    text: str | None = None


def policy_references(text: str, file: str, migration: Migration) -> list[Reference]:
    """Cells of conditions and tests of a rule file that name reasons that change.

    Parameters
    ----------
    text : str
    file : str
        For messages.
    migration : Migration

    Raises
    ------
    PolicyError
        If it is not valid YAML.
    """
    data = parse_strict_yaml(text, PolicyError, source=file).data
    spans = scalar_spans(text, PolicyError, source=file)
    return _Finder(text, file, migration, data, spans).find()


class _Finder:
    def __init__(
        self, text: str, file: str, migration: Migration, data: Mapping[str, Any], spans: Mapping[KeyPath, Span]
    ) -> None:
        self.text, self.file, self.migration, self.data, self.spans = text, file, migration, data, spans
        self.sources: dict[str, set[str]] = {}
        for old, verdict in migration.verdicts.items():
            for target in verdict.targets:
                self.sources.setdefault(target, set()).add(old)

    def find(self) -> list[Reference]:
        found: list[Reference] = []
        trees = self._trees(found)
        for path, cell in _cells(self.data):
            if path[-1] in trees:
                found += self._cell(path, cell, is_test=path[0] == "tests", written_out=trees[str(path[-1])])
        return sorted([*found, *self._comments()], key=lambda one: (one.line, one.names))

    def _comments(self) -> Iterator[Reference]:
        """Secondary ids that change, in comments, such as those of a rule that is switched off."""
        changed = self.migration.changed
        spans = sorted((span.start, span.end) for span in self.spans.values())
        for match in _SECONDARY.finditer(self.text):
            at = bisect.bisect_right(spans, (match.start(), len(self.text))) - 1
            outside = at < 0 or match.start() >= spans[at][1]
            if (
                outside
                and match.group() in changed
                and "#" in self.text[self.text.rfind("\n", 0, match.start()) + 1 : match.start()]
            ):
                line = self.text.count("\n", 0, match.start()) + 1
                targets = changed[match.group()].targets
                do = f"write {', '.join(targets)}" if targets else "take it out"
                yield Reference(
                    file=self.file,
                    line=line,
                    kind="other",
                    names=match.group(),
                    new=targets,
                    why="in a comment",
                    do=f"{do} if it is still meant",
                )

    def _trees(self, found: list[Reference]) -> dict[str, bool]:
        """Inputs that hold reasons, and whether the reasons are written out in the file."""
        old, new = self.migration.old.taxonomy_id, self.migration.new.taxonomy_id
        trees = {}
        inputs = self.data.get("inputs")
        for name, spec in inputs.items() if isinstance(inputs, Mapping) else ():
            if not isinstance(spec, Mapping) or spec.get("type") != "tree":
                continue
            if spec.get("taxonomy") == old:
                trees[name] = False
                if old != new:
                    span = self.spans[("inputs", name, "taxonomy")]
                    found.append(self._reference(span, _Change((new,), "the taxonomy has a new id", text=new)))
            elif "values" in spec:
                trees[name] = True
        return trees

    def _cell(self, path: KeyPath, cell: Any, *, is_test: bool, written_out: bool) -> Iterator[Reference]:
        paths = [(*path, i) for i in range(len(cell))] if isinstance(cell, list) else [path]
        parts = [self.spans[one] for one in paths if one in self.spans]
        named = {one for part in parts for one in self._named(part)}
        written: set[str] = set()
        for i, part in enumerate(parts):
            change = self._change(part, named, is_test)
            if change is None:
                written.add(part.value)
                continue
            if written_out and not change.do:
                change = change._replace(do="change the reasons written out under `inputs`, or name the taxonomy there; then this cell", text=None)  # fmt: skip
            change = change._replace(why=f"{path_text(path)}: {change.why}")
            edit = None
            if change.text in written and _BETWEEN.match(self.text[parts[i - 1].end : part.start]):
                edit = Edit(parts[i - 1].end, part.end, "")  # it stands there already
            elif change.text is not None:
                written.add(change.text)
            yield self._reference(part, change, edit)

    def _named(self, part: Span) -> set[str]:
        """The reasons that a part of a cell holds for: old ones, or new ones where the file was migrated before."""
        name = part.value.replace("/", ".")
        if name.endswith(".*"):
            return {one.id for one in self.migration.old.reasons if one.id.partition(".")[0] == name[:-2]}
        return {name} if name in self.migration.verdicts or name in self.migration.new else set()

    def _change(self, part: Span, named: set[str], is_test: bool) -> _Change | None:
        """What becomes of a part; None: it stays and holds for what it held for."""
        name = part.value.replace("/", ".")
        if name.endswith(".*"):
            return self._wildcard(name[:-2], named)
        verdict = self.migration.verdicts.get(name)
        if verdict is None:  # missing, an id of the new version, or one that nobody knows
            return None
        targets = verdict.targets
        if verdict.kind == "retired":
            return _Change((), "the reason was retired", f"take it out, {_PROVE}")
        if verdict.kind == "split":
            return self._split(name, targets, named, is_test)
        more = sorted(self.sources[targets[0]] - named)
        if more and not is_test:
            do = f"decide whether it should; otherwise no rule can tell them apart any more; {_PROVE}"
            return _Change(targets, f"it would hold for what was {', '.join(more)} as well", do)
        return None if targets == (name,) else _Change(targets, f"it is {targets[0]} now", text=targets[0])

    def _split(self, name: str, targets: tuple[str, ...], named: set[str], is_test: bool) -> _Change | None:
        """A split reason: nothing to do where the cell names all of its targets anyway."""
        why = (
            "the reason was split"
            if "." in name
            else "some of its reasons moved, so a label without a secondary was split"
        )
        if is_test:
            return _Change(targets, why, f"write a test for each of {', '.join(targets)}; {_PROVE}")
        stay = {one for one in named if one in self.migration.verdicts.get(one, Verdict("to", (one,))).targets}
        sources = {one for target in targets for one in self.sources[target]}
        if stay.issuperset(targets) and sources <= named:
            return None
        more = sorted(sources - named)
        keeps = f"write [{', '.join(targets)}]" + (
            f", which would hold for what was {', '.join(more)} as well" if more else " to keep what it does"
        )
        return _Change(targets, why, f"{keeps}, or decide anew; {_PROVE}")

    def _wildcard(self, primary: str, named: set[str]) -> _Change | None:
        old = [one.id for one in self.migration.old.reasons if one.id.partition(".")[0] == primary]
        if not old:
            return None
        targets = {target for one in old for target in self.migration.verdicts[one].targets}
        below = sorted({target.partition(".")[0] for target in targets})
        if len(below) != 1:
            why = "its reasons are under " + " and ".join(below) if below else "all of its reasons were retired"
            return _Change(tuple(below), f"{why} now", f"name those that the rule is meant for, {_PROVE}")
        (new,) = below
        inside = [one.id for one in self.migration.new.reasons if one.id.partition(".")[0] == new]
        more = sorted({source for one in inside for source in self.sources.get(one, ())} - named)
        if more:
            do = f"decide whether it should, or name the reasons one by one; {_PROVE}"
            return _Change((f"{new}.*",), f"it would hold for what was {', '.join(more)} as well", do)
        return None if new == primary else _Change((f"{new}.*",), f"it is {new}.* now", text=f"{new}.*")

    def _reference(self, span: Span, change: _Change, edit: Edit | None = None) -> Reference:
        if edit is None and change.text is not None:
            mark = self.text[span.start] if self.text[span.start] in "'\"" else ""
            edit = Edit(span.start, span.end, f"{mark}{change.text}{mark}")
        return Reference(
            file=self.file,
            line=span.line,
            kind="policy",
            names=span.value,
            new=change.new,
            why=change.why,
            do=change.do,
            edit=edit,
        )


def _cells(data: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Any]]:
    """Every cell about an input, with its key path, which ends in the input's name."""
    for block, key in (("rules", "when"), ("never", "when"), ("always", "when"), ("tests", "given")):
        entries = data.get(block, [])
        for i, entry in enumerate(entries if isinstance(entries, list) else []):
            yield from _inputs((block, i, key), entry.get(key) if isinstance(entry, Mapping) else None)
    explore, assumed = data.get("explore"), data.get("assume", [])
    yield from _inputs(("explore", "when"), explore.get("when") if isinstance(explore, Mapping) else None)
    for i, when in enumerate(assumed if isinstance(assumed, list) else []):
        yield from _inputs(("assume", i), when)


def _inputs(path: KeyPath, when: Any) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(when, Mapping):
        yield from (((*path, name), cell) for name, cell in when.items())
