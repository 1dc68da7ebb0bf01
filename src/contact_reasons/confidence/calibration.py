"""A promise for one model as a file, ``calibration.json``: read strictly, without running code.

Format 1. The ``seal`` is the SHA-256 of everything else in the file: it finds damage and changes by hand; it is no signature.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, NoReturn

from contact_reasons.confidence.labels import Thresholds
from contact_reasons.confidence.promise import LEVELS, LevelTest, Promise
from contact_reasons.errors import CalibrationError, TrainingError, shorten
from contact_reasons.schema import seal_of

__all__ = ["FORMAT", "Calibration", "read_calibration", "write_calibration"]

FORMAT: Final = 1
_MAX_BYTES: Final = 1024 * 1024
_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Calibration:
    """A promise, the model it was made for and the sample it was made from.

    Parameters
    ----------
    promise : Promise
    model : str
        `Manifest.seal` of the model: stands for the whole of it.
    taxonomy_id, taxonomy_version : str
        Of the taxonomy that the sample was labelled by.
    sample_sha256 : str
        Of texts and labels of the sample, in whatever order.
    made_on : str
        Day, such as ``'2026-11-22'``.
    """

    promise: Promise
    model: str
    taxonomy_id: str
    taxonomy_version: str
    sample_sha256: str
    made_on: str

    @property
    def thresholds(self) -> Thresholds:
        """What labels are decided by."""
        return self.promise.thresholds

    @property
    def summary(self) -> str:
        """What it promises and from what, in one line."""
        promise = self.promise
        counted = "" if promise.audited is None else f", also when {promise.audited:,} labels are counted"
        each = " of each primary" if promise.per_primary else ""
        return (
            f"a calibration of {self.made_on} on {promise.rows:,} rows: at most {promise.error:.1%} of what is labelled{each} is wrong, at each level, "
            f"with {promise.assurance:.1%} assurance{counted}"
        )

    @property
    def seal(self) -> str:
        """SHA-256 of all that it says: what `read_calibration` found in the file."""
        return seal_of(_as_data(self))

    def to_json(self) -> str:
        """Content of the file; the same calibration gives the same bytes."""
        data = _as_data(self)
        return json.dumps({**data, "seal": seal_of(data)}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, *, source: str = "calibration") -> Calibration:
        """The calibration that `to_json` wrote.

        Parameters
        ----------
        text : str or bytes
        source : str
            For messages.

        Raises
        ------
        CalibrationError
            If it is damaged, was changed by hand, is of another format, or holds anything unknown, of the wrong type or out of range.
        """
        data = _parse(text, source)
        if type(data.get("format")) is not int or data["format"] != FORMAT:
            raise CalibrationError(
                f"{source}: format {shorten(data.get('format'))}; this version of contact-reasons reads format {FORMAT}: "
                "install the version that wrote it, or calibrate again"
            )
        seal = data.pop("seal", None)
        if seal != seal_of(data):
            raise CalibrationError(
                f"{source}: the seal does not fit its content; the file was changed by hand or damaged: restore it, or calibrate again"
            )
        reader = _Reader(source)
        fields = reader.record(data, "", {"format": int, "model": _sha256, "taxonomy": dict, "promise": dict, "thresholds": dict, "tested": dict, "sample": dict, "made_on": _day})  # fmt: skip
        taxonomy = reader.record(fields["taxonomy"], "taxonomy", {"taxonomy_id": str, "version": str})
        sample = reader.record(fields["sample"], "sample", {"sha256": _sha256, "rows": _count, "out_of_scope": _count, "tuned_on": _count})  # fmt: skip
        return cls(
            _read_promise(reader, fields, sample),
            fields["model"],
            taxonomy["taxonomy_id"],
            taxonomy["version"],
            sample["sha256"],
            fields["made_on"],
        )


def read_calibration(path: str | Path) -> Calibration:
    """Read and check a file that `write_calibration` wrote.

    Raises
    ------
    CalibrationError
        If it cannot be read; see `Calibration.from_json`.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise CalibrationError(
                f"{path}: larger than {_MAX_BYTES:,} bytes; this is no calibration: name the right file"
            )
        content = path.read_bytes()
    except OSError as exc:
        raise CalibrationError(
            f"{path}: the calibration cannot be read ({exc.strerror or exc}); name a file that `contact-reasons calibrate` wrote"
        ) from None
    return Calibration.from_json(content, source=str(path))


def write_calibration(calibration: Calibration, path: str | Path) -> None:
    """Write the file, whole or not at all.

    Raises
    ------
    CalibrationError
        If it cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_text(calibration.to_json(), encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    except OSError as exc:
        temporary.unlink(missing_ok=True)
        raise CalibrationError(
            f"{path}: the calibration cannot be written ({exc.strerror or exc}); check the folder and its rights"
        ) from exc


def _as_data(calibration: Calibration) -> dict[str, Any]:
    promise = calibration.promise
    thresholds = promise.thresholds
    return {
        "format": FORMAT,
        "made_on": calibration.made_on,
        "model": calibration.model,
        "taxonomy": {"taxonomy_id": calibration.taxonomy_id, "version": calibration.taxonomy_version},
        "promise": {
            "error": promise.error,
            "assurance": promise.assurance,
            "audited": promise.audited,
            "levels": promise.levels,
            "per_primary": promise.per_primary,
            "never_labelled": list(promise.never_labelled),
        },
        "thresholds": {
            **_level_data(thresholds),
            "temperature": thresholds.temperature,
            "by_primary": {name: _level_data(own) for name, own in thresholds.by_primary},
        },
        "tested": {
            "secondary": asdict(promise.secondary),
            "primary": asdict(promise.primary),
            "by_primary": {name: {"secondary": asdict(a), "primary": asdict(b)} for name, a, b in promise.by_primary},
            "calibration_error_before": promise.calibration_error_before,
            "calibration_error_after": promise.calibration_error_after,
        },
        "sample": {
            "sha256": calibration.sample_sha256,
            "rows": promise.rows,
            "out_of_scope": promise.out_of_scope,
            "tuned_on": promise.tuned_on,
        },
    }


def _level_data(thresholds: Thresholds) -> dict[str, Any]:
    return {name: getattr(thresholds, name) for name in _THRESHOLDS}


# ------------------------------------------------------------------------------------------------- strict reading


def _parse(text: str | bytes, source: str) -> dict[str, Any]:
    def no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    def no_constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is no number")

    try:
        data = json.loads(text, object_pairs_hook=no_repeats, parse_constant=no_constant)
        if not isinstance(data, dict):
            raise ValueError("it is not a JSON object")
    except (ValueError, RecursionError) as exc:
        raise CalibrationError(
            f"{source}: not a calibration ({type(exc).__name__}); the file is damaged or another one: name a file that "
            "`contact-reasons calibrate` wrote"
        ) from None
    return data


def _number(value: Any, low: float, high: float) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and low <= value <= high else None


def _share(value: Any) -> float | None:
    """A number from 0 to 1."""
    return _number(value, 0.0, 1.0)


def _temperature(value: Any) -> float | None:
    """A number from 0.01 to 100."""
    return _number(value, 0.01, 100.0)


def _count(value: Any) -> int | None:
    """A whole number, at least 0."""
    return value if type(value) is int and value >= 0 else None


def _sha256(value: Any) -> str | None:
    """A SHA-256 in 64 hexadecimal digits."""
    return value if isinstance(value, str) and _SHA256.match(value) else None


def _day(value: Any) -> str | None:
    """A day such as '2026-11-22'."""
    try:
        return value if isinstance(value, str) and date.fromisoformat(value).isoformat() == value else None
    except ValueError:
        return None


def _levels(value: Any) -> str | None:
    """One of 'both', 'secondary', 'primary'."""
    return value if isinstance(value, str) and value in LEVELS else None


Kind = type | Callable[[Any], Any]


class _Reader:
    """Objects with exactly the keys that are expected."""

    def __init__(self, source: str) -> None:
        self.source = source

    def fail(self, place: str, what: str) -> NoReturn:
        raise CalibrationError(
            f"{self.source}, {place or 'top'}: {what}; the file is not one of this package: calibrate again"
        )

    def record(
        self, data: Any, place: str, kinds: Mapping[str, Kind], optional: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """Values by key; ``optional`` ones may be null."""
        if not isinstance(data, dict):
            self.fail(place, f"{shorten(data)} is not an object")
        if set(data) != set(kinds):
            wrong = sorted(set(data) ^ set(kinds))[0]
            self.fail(place, f"the key {shorten(wrong)} is {'not known' if wrong in data else 'missing'}")
        return {
            name: None
            if data[name] is None and name in optional
            else self.value(data[name], f"{place}.{name}".lstrip("."), kind)
            for name, kind in kinds.items()
        }

    def value(self, value: Any, place: str, kind: Kind) -> Any:
        if isinstance(kind, type):
            found = value if type(value) is kind else None
            wanted = {str: "a string", bool: "true or false", int: "a whole number", dict: "an object", list: "a list"}[
                kind
            ]
        else:
            found, wanted = kind(value), (kind.__doc__ or "").rstrip(".")
        if found is None:
            self.fail(place, f"{shorten(value)} is not {wanted[0].lower() + wanted[1:]}")
        return found


_THRESHOLDS: Final[dict[str, Kind]] = {"secondary": _share, "primary": _share, "primary_below": _share}
_NULLABLE: Final = frozenset(_THRESHOLDS)


def _read_thresholds(reader: _Reader, data: Any) -> Thresholds:
    own = reader.record(data, "thresholds", {**_THRESHOLDS, "temperature": _temperature, "by_primary": dict}, _NULLABLE)
    by_primary = []
    for name, levels in sorted(own["by_primary"].items()):
        by_primary.append(
            (name, Thresholds(**reader.record(levels, f"thresholds.by_primary.{name}", _THRESHOLDS, _NULLABLE)))
        )
    try:
        return Thresholds(**{**own, "by_primary": tuple(by_primary)})
    except TrainingError as exc:
        reader.fail("thresholds", str(exc))


def _read_test(reader: _Reader, data: Any, place: str) -> LevelTest:
    found = LevelTest(
        **reader.record(data, place, {"risk": _share, "rows": _count, "reported": _count, "wrong": _count})
    )
    if not found.wrong <= found.reported <= found.rows:
        reader.fail(place, f"{found.wrong} wrong of {found.reported} reported of {found.rows} rows cannot be")
    return found


def _read_promise(reader: _Reader, fields: Mapping[str, Any], sample: Mapping[str, Any]) -> Promise:
    said = reader.record(
        fields["promise"],
        "promise",
        {
            "error": _share,
            "assurance": _share,
            "audited": _count,
            "levels": _levels,
            "per_primary": bool,
            "never_labelled": list,
        },
        frozenset({"audited"}),
    )
    names = tuple(reader.value(name, "promise.never_labelled", str) for name in said.pop("never_labelled"))
    tested = reader.record(
        fields["tested"],
        "tested",
        {
            "secondary": dict,
            "primary": dict,
            "by_primary": dict,
            "calibration_error_before": _share,
            "calibration_error_after": _share,
        },
    )
    by_primary = []
    for name, levels in sorted(tested.pop("by_primary").items()):
        own = reader.record(levels, f"tested.by_primary.{name}", {"secondary": dict, "primary": dict})
        tests = (
            _read_test(reader, own[level], f"tested.by_primary.{name}.{level}") for level in ("secondary", "primary")
        )
        by_primary.append((name, *tests))
    return Promise(
        **said,
        secondary=_read_test(reader, tested.pop("secondary"), "tested.secondary"),
        primary=_read_test(reader, tested.pop("primary"), "tested.primary"),
        thresholds=_read_thresholds(reader, fields["thresholds"]),
        by_primary=tuple(by_primary),
        never_labelled=names,
        calibration_error_before=tested["calibration_error_before"],
        calibration_error_after=tested["calibration_error_after"],
        rows=sample["rows"],
        out_of_scope=sample["out_of_scope"],
        tuned_on=sample["tuned_on"],
    )
