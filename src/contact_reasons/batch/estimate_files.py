"""Estimates of a change of policy from a log in a file."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.batch.columns import FileColumns, Progress, read_columns
from contact_reasons.batch.lab_files import read_time, rows_of_file, typed_cells
from contact_reasons.batch.readers import Reject
from contact_reasons.errors import BatchError, LabError, LabRowError, count_text
from contact_reasons.lab.estimates import PolicyValue, estimate_policy_value, outcome_means
from contact_reasons.lab.overlap import ChannelOverlap, channel_overlap
from contact_reasons.lab.routing_log import RoutingLog, target_probabilities
from contact_reasons.records import Channel
from contact_reasons.routing import RoutingPolicy
from contact_reasons.routing.dates import DATE
from contact_reasons.routing.routed import names_apart

__all__ = ["FileEstimate", "estimate_file"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
ROLES: Final = ("channel", "propensity", "outcome", "created_at", "ticket_id")
_WORDS: Final = {"true": 1.0, "yes": 1.0, "y": 1.0, "false": 0.0, "no": 0.0, "n": 0.0}


@dataclass(frozen=True, kw_only=True)
class FileEstimate:
    """What another policy would have brought on the contacts of a file.

    Parameters
    ----------
    old, new : str
        The policy that wrote the log, empty if it was not given; and the other one.
    contacts : int
        Rows that could be read.
    outcome : str
        The column that is estimated.
    model_by : tuple of str
        Columns by which outcomes were averaged for the model; empty if there was none.
    found : PolicyValue
    overlap : tuple of ChannelOverlap
    left_out : mapping of str to int
        Contacts that are in no figure, by cause.
    unreadable : tuple of Reject
    notes : tuple of str
        What must be known to read the figures rightly.
    """

    old: str
    new: str
    contacts: int
    outcome: str
    model_by: tuple[str, ...]
    found: PolicyValue
    overlap: tuple[ChannelOverlap, ...]
    left_out: Mapping[str, int]
    unreadable: tuple[Reject, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "old": self.old or None,
            "new": self.new,
            "contacts": self.contacts,
            "outcome": self.outcome,
            "model_by": list(self.model_by),
            **self.found.as_dict(),
            "overlap": [each._asdict() for each in self.overlap],
            "left_out": dict(self.left_out),
            "notes": [*self.found.notes, *self.notes],
            "unreadable": [each._asdict() for each in self.unreadable],
        }


def estimate_file(
    source: str | Path,
    new: RoutingPolicy,
    *,
    old: RoutingPolicy | None = None,
    outcome: str = "outcome",
    columns: Mapping[str, str] | None = None,
    model_by: Sequence[str] | None = None,
    day: dt.date | None = None,
    time_format: str | None = None,
    delimiter: str = ",",
    encoding: str = "utf-8",
    progress: Progress | None = None,
    **options: Any,
) -> FileEstimate:
    """As `estimate_policy_value`, of a log in a file: a row a contact with the inputs of the policies, where it went, how probable that was, what came of it.

    Parameters
    ----------
    source : str or Path
        ``.csv``, ``.jsonl`` or ``.parquet`` with ``channel``, ``propensity`` (may be left out if ``old`` is given) and the outcome: a number, or true and false.
    new : RoutingPolicy
    old : RoutingPolicy, optional
        The policy that wrote the log, exploration included. It shows what was impossible, and stands in for or is checked against ``propensity``.
    outcome : str
        Column of the outcome.
    columns : mapping of str to str, optional
        Column of an input of a policy, or of ``channel``, ``propensity`` and ``created_at``, where it is not of that very name; ``''`` leaves it out.
    model_by : sequence of str, optional
        Columns by which outcomes are averaged, as a model for DR; by default ``reason`` if there is such an input or column. Empty: no model.
    day : date, optional
        Route all contacts as on this day; by default a dated policy is asked for each one's own.
    time_format, delimiter, encoding, progress
        As for `replay_file`.
    options
        Others as for `estimate_policy_value`: ``clip``, ``switch``, ``shrink``, ``outcome_range``, ``largest_weight``, ``resamples``, ``seed``, ``least_support``.

    Raises
    ------
    BatchError
        If the file cannot be read or a column is not there.
    LabError
        If a value is wrong, or the log says too little of the policy.
    """
    chosen = {**(columns or {}), "outcome": outcome}
    policies = [new, *([] if old is None else [old])]
    names = dict.fromkeys((*ROLES, *(name for policy in policies for name in policy.inputs), "reason"))
    for name in chosen:
        if name not in names:
            raise BatchError(f"`columns` names {name!r}, which is not read here; known: {', '.join(names)}")
    needed = ["channel", *([] if old is not None else ["propensity"])]
    file = read_columns(
        source,
        [name for name in names if name not in chosen],
        [*(chosen.get(name, name) for name in needed), *filter(None, chosen.values()), *(model_by or ())],
        delimiter=delimiter,
        encoding=encoding,
        progress=progress,
    )
    cells = {name: file.columns[chosen.get(name, name)] for name in names if chosen.get(name, name) in file.columns}
    with rows_of_file(source, file):
        log_columns = _log_columns(cells, {name: chosen.get(name, name) for name in ROLES})
        times = None
        if "created_at" in cells:
            dated: dict[str, Any] = {"created_at": cells["created_at"]}
            read_time(dated, {}, file.rows, time_format)
            times = dated["created_at"].astype("datetime64[D]")
        inputs = [_inputs(policy, cells, times, day) for policy in policies]
        kept, left_out = _kept(log_columns, policies, inputs)
        if not kept.any():
            cause, count = left_out.most_common(1)[0]
            raise LabError(f"none of {count_text(len(kept), 'contact')} can be used; of {count:,}, {cause}")
        rows = np.flatnonzero(kept)
        try:
            log, target = _log(log_columns, policies, inputs, rows)
            groups, by = _groups(cells, file, model_by, rows)
            model = None if groups is None else outcome_means(log, groups)
            found = estimate_policy_value(log, target, model=model, **options)
        except LabRowError as exc:
            raise exc.of_file((rows + 1).tolist()) from None
    ids = [str(each) for each in cells.get("ticket_id", ()) if each is not None and str(each).strip()]
    called = names_apart([(policy.policy_id, policy.version, policy.sha256) for policy in policies])
    return FileEstimate(
        old="" if old is None else called[1],
        new=called[0],
        contacts=len(kept),
        outcome=outcome,
        model_by=by,
        found=found,
        overlap=channel_overlap(log, target),
        left_out=dict(left_out.most_common()),
        unreadable=tuple(file.rejects),
        notes=_notes(old, left_out, len(kept), _missing(policies, cells), len(ids) - len(set(ids))),
    )


# ------------------------------------------------------------------------------------------------ what is read


class _LogColumns(NamedTuple):
    """Channel (empty: none), outcome and propensity (NaN: none) of n contacts, with the name of the column of propensities; none at all: None."""

    channel: list[str]
    outcome: FloatArray
    propensity: FloatArray | None
    title: str


def _log_columns(cells: Mapping[str, Sequence[Any]], titles: Mapping[str, str]) -> _LogColumns:
    channel = ["" if value is None else str(value).strip() for value in cells["channel"]]
    known = [str(each) for each in Channel]
    for row, name in enumerate(channel):
        if name and name not in known:
            what = f": this is no channel of a policy; write {', '.join(known)}"
            raise LabRowError(f"column {titles['channel']!r}, ", [row], what)
    propensity = (
        _numbers(cells["propensity"], titles["propensity"], "a number such as 0.9") if "propensity" in cells else None
    )
    if propensity is not None:
        wrong = np.flatnonzero((propensity <= 0) | (propensity > 1))
        if len(wrong):
            first = f"column {titles['propensity']!r} is {propensity[wrong[0]]:g} in "
            raise LabRowError(first, wrong, "; it must be above 0 and at most 1: 20 % is 0.2")
    return _LogColumns(
        channel,
        _numbers(cells["outcome"], titles["outcome"], "a number, or true or false"),
        propensity,
        titles["propensity"],
    )


def _numbers(values: Sequence[Any], title: str, right: str) -> FloatArray:
    """Numbers, or true and false as 1 and 0; NaN where there is nothing."""
    found = np.full(len(values), np.nan)
    for row, value in enumerate(values):
        if value is None or (value.__class__ is str and not value.strip()):
            continue
        word = value.strip().lower() if value.__class__ is str else value
        try:
            found[row] = _WORDS[word] if word.__class__ is str and word in _WORDS else float(word)
        except (TypeError, ValueError):
            raise LabRowError(
                f"column {title!r}, ", [row], f": this is not {right}; correct it, or leave it empty"
            ) from None
    return found


def _inputs(
    policy: RoutingPolicy,
    cells: Mapping[str, Sequence[Any]],
    times: npt.NDArray[np.datetime64] | None,
    day: dt.date | None,
) -> dict[str, list[Any]]:
    """Columns of a policy's inputs, as its values."""
    n = len(cells["channel"])
    found: dict[str, list[Any]] = {}
    for name in policy.inputs:
        if name == DATE and policy.dated:
            if day is not None or times is not None:
                found[name] = [day] * n if day is not None else times.tolist()  # type: ignore[union-attr]
        elif name in cells:
            found[name] = typed_cells(policy, name, cells[name])
    for name in policy.required:
        if name not in found:
            hint = ": 'created_at', or say the day with `day`" if name == DATE else ""
            raise LabError(
                f"the contacts have no column for the input {name!r}, which policy {policy.policy_id!r} must know of every contact; name one in `columns`{hint}"
            )
    return found or {policy.inputs[0]: [None] * n}


def _kept(
    log: _LogColumns, policies: Sequence[RoutingPolicy], inputs: Sequence[Mapping[str, Any]]
) -> tuple[BoolArray, Counter[str]]:
    """Which contacts count, and why the others do not: the first cause of each."""
    n = len(log.channel)
    why = np.full(n, "", dtype=object)
    missing = [("the channel is empty", np.array([not name for name in log.channel], dtype=np.bool_))]
    missing.append(("the outcome is empty", np.isnan(log.outcome)))
    if log.propensity is not None:
        missing.append(("the propensity is empty", np.isnan(log.propensity)))
    for policy, columns in zip(policies, inputs, strict=True):
        routed = policy.route_known(columns)
        for at, cause in enumerate(routed.causes):
            missing.append((f"{policy.policy_id} {policy.version}: {cause}", routed.cause == at))
    for cause, rows in missing:
        why[rows & (why == "")] = cause
    kept: BoolArray = np.asarray(why == "", dtype=np.bool_)
    return kept, Counter(why[~kept].tolist())


def _log(
    read: _LogColumns,
    policies: Sequence[RoutingPolicy],
    inputs: Sequence[Mapping[str, Any]],
    rows: npt.NDArray[np.int64],
) -> tuple[RoutingLog, FloatArray]:
    """The log of the contacts that count, and the choices of the new policy on them."""
    chosen = [read.channel[row] for row in rows]
    each = [
        target_probabilities(
            policy,
            [
                dict(zip(columns, values, strict=True))
                for values in zip(*(_at(c, rows) for c in columns.values()), strict=True)
            ],
        )
        for policy, columns in zip(policies, inputs, strict=True)
    ]
    propensity = None if read.propensity is None else read.propensity[rows]
    if len(policies) == 1:
        assert propensity is not None
        return RoutingLog.of(chosen, read.outcome[rows], propensity), each[0]
    places = [str(channel) for channel in Channel]
    own = each[1][np.arange(len(rows)), [places.index(name) for name in chosen]]
    who = f"{policies[1].policy_id} {policies[1].version}"
    cure = "give the version that wrote the log, or leave the policy out"
    if (own == 0).any():
        raise LabRowError(f"{who} never sends a contact where it went in ", np.flatnonzero(own == 0), f"; {cure}")
    if propensity is not None:
        wrong = np.flatnonzero(~np.isclose(own, propensity, rtol=1e-6))
        if len(wrong):
            first = f"column {read.title!r} is {propensity[wrong[0]]:g}, and {who} says {own[wrong[0]]:g}, in "
            raise LabRowError(first, wrong, f"; {cure}, or leave the column out and take what the policy says")
    return RoutingLog.of(chosen, read.outcome[rows], own, probabilities=each[1]), each[0]


def _at(column: Sequence[Any], rows: npt.NDArray[np.int64]) -> list[Any]:
    return [column[row] for row in rows]


def _groups(
    cells: Mapping[str, Sequence[Any]], file: FileColumns, model_by: Sequence[str] | None, rows: npt.NDArray[np.int64]
) -> tuple[list[Any] | None, tuple[str, ...]]:
    """Groups whose outcomes are averaged, and the columns they are made of."""
    by = ("reason",) * ("reason" in cells) if model_by is None else tuple(model_by)
    if not by:
        return None, ()
    columns = [file.columns[name] if name in file.columns else cells[name] for name in by]
    return list(zip(*(map(str, _at(column, rows)) for column in columns), strict=True)), by


def _missing(policies: Sequence[RoutingPolicy], cells: Mapping[str, Any]) -> list[str]:
    """Inputs of the policies that have no column."""
    return sorted({name for policy in policies for name in policy.inputs} - set(cells) - {DATE})


def _notes(
    old: RoutingPolicy | None, left_out: Counter[str], contacts: int, missing: Sequence[str], repeated: int
) -> tuple[str, ...]:
    notes = [f"Inputs of the policies without a column, taken as not known: {', '.join(missing)}."] if missing else []
    notes += ["Contacts count as independent: where customers come often, keep one contact of each."]
    if old is None:
        notes.append(
            "Without the policy that wrote the log, a contact with a propensity below 1 is taken to have been able to go to any channel: give it, so that what was "
            "impossible is known."
        )
    if repeated:
        notes.append(f"{count_text(repeated, 'contact')} with the id of an earlier one; each counts.")
    if without := left_out["the outcome is empty"]:
        notes.append(
            f"{count_text(without, 'contact')} of {contacts:,} without an outcome: if an outcome is missing more often in one channel, the estimate is off."
        )
    return tuple(notes)
