"""Ticket files with known reasons: read them, and make a pack of them."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from contact_reasons.batch.readers import open_source
from contact_reasons.batch.times import read_times
from contact_reasons.errors import BatchError, TaxonomyError, TrainingError, nearest, shorten
from contact_reasons.packs import NewPack, new_pack
from contact_reasons.records import Contact
from contact_reasons.taxonomy import Label, Taxonomy, ids_of_labels
from contact_reasons.text import clean_text
from contact_reasons.training import LabelledTexts, Recipe

__all__ = ["LabelledFile", "load_teacher", "read_labelled_file", "read_texts", "train_file"]

_CHUNK_ROWS: Final = 10_000
_BLANK: Final = ("no-reason", "skip")


class LabelledFile(NamedTuple):
    """Rows of a labelled ticket file.

    Parameters
    ----------
    data : LabelledTexts
        Without reasons.
    labels : tuple of str, (str, str) or None, length n
        As they stand in the file; None for no reason.
    reading : dict
        How many rows were read and left out, by cause.
    source : str or Path
        The file.
    """

    data: LabelledTexts
    labels: tuple[Label, ...]
    reading: dict[str, Any]
    source: str | Path

    def reasons(self, taxonomy: Taxonomy) -> list[str | None]:
        """The secondary id of each row; None for no reason.

        Raises
        ------
        BatchError
            If a label is not in the taxonomy, naming its row and the nearest one.
        """
        try:
            return ids_of_labels(self.labels, taxonomy, rows=self.data.rows)
        except TaxonomyError as exc:
            raise BatchError(f"{self.source}, {exc}") from None

    @property
    def contacts(self) -> list[Contact]:
        """The rows as a pipeline labels them."""
        subjects = self.data.subjects or (None,) * len(self.data.texts)
        return [Contact(text=text, subject=subject) for text, subject in zip(self.data.texts, subjects, strict=True)]


def train_file(
    source: str | Path,
    out: str | Path,
    *,
    reason_column: str = "reason",
    primary_column: str | None = None,
    text_column: str = "text",
    subject_column: str | None = None,
    customer_column: str | None = None,
    time_column: str | None = None,
    time_format: str | None = None,
    id_column: str | None = None,
    blank_labels: str = "no-reason",
    taxonomy: str | Path | None = None,
    unlabelled: Sequence[str | Path] = (),
    teacher: Any = None,
    recipe: Recipe | None = None,
    delimiter: str = ",",
    encoding: str = "utf-8",
    progress: Callable[[str, float], None] | None = None,
) -> NewPack:
    """Make a pack from a file of tickets with known reasons.

    The folder gets ``taxonomy.yaml``, ``policy.yaml``, ``model/``, ``report.json``, ``report.md`` and ``mislabelled.csv``.

    Parameters
    ----------
    source : str or Path
        CSV, JSON Lines or Parquet.
    out : str or Path
        Folder of the pack.
    reason_column : str
        Ids ``primary.secondary``, or labels of your own.
    primary_column : str, optional
        Primary labels, where ``reason_column`` holds secondary labels.
    text_column, subject_column : str
    customer_column : str, optional
        Tickets of one customer are kept on one side of every split.
    time_column : str, optional
        When a ticket came in: the newest fifth is then held out for the reported scores. See `read_times`.
    time_format : str, optional
        As of `datetime.strptime`.
    id_column : str, optional
        Ids of tickets, for the list of likely mislabelled ones.
    blank_labels : {'no-reason', 'skip'}
        Whether a row without a label belongs to no reason, or is left out.
    taxonomy : str or Path, optional
        Taxonomy file; by default that of the folder, else one made from the labels.
    unlabelled : sequence of str or Path
        Files of more tickets, for the classifier to learn from; the same text and subject columns.
    teacher : object with ``encode(texts) -> ndarray``, optional
        See `load_teacher`.
    recipe : Recipe, optional
    delimiter, encoding : str
        Of CSV files.
    progress : callable, optional
        Called with what is being done and the share that is done before it.

    Raises
    ------
    BatchError, TrainingError, TaxonomyError, PackError
    """
    if progress:
        progress(f"reading {Path(source).name}", 0.0)
    file = read_labelled_file(
        source,
        reason_column=reason_column,
        primary_column=primary_column,
        text_column=text_column,
        subject_column=subject_column,
        customer_column=customer_column,
        time_column=time_column,
        time_format=time_format,
        id_column=id_column,
        blank_labels=blank_labels,
        delimiter=delimiter,
        encoding=encoding,
    )
    more = [
        text
        for path in unlabelled
        for text in read_texts(path, text_column, subject_column, delimiter=delimiter, encoding=encoding)
    ]
    return new_pack(
        out,
        file.data,
        labels=file.labels,
        taxonomy=taxonomy,
        recipe=recipe,
        unlabelled=more or None,
        teacher=teacher,
        reading=file.reading,
        progress=progress,
    )


def read_labelled_file(
    source: str | Path,
    *,
    reason_column: str = "reason",
    primary_column: str | None = None,
    text_column: str = "text",
    subject_column: str | None = None,
    customer_column: str | None = None,
    time_column: str | None = None,
    time_format: str | None = None,
    id_column: str | None = None,
    blank_labels: str = "no-reason",
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> LabelledFile:
    """Texts and labels of a ticket file. Rows without text are left out and counted; parameters as for `train_file`.

    Raises
    ------
    BatchError
        If a column is not there, a row cannot be read, or a value is no text or label.
    """
    if blank_labels not in _BLANK:
        raise BatchError(f"blank_labels is {shorten(blank_labels)}; {nearest(blank_labels, _BLANK)}")
    wanted = [text_column, reason_column, primary_column, subject_column, customer_column, time_column, id_column]
    columns, numbers = _read_columns(source, wanted, delimiter, encoding)
    place = f"{source}, row"
    labels = _labels(columns, numbers, reason_column, primary_column, place)
    texts = _strings(columns[text_column], numbers, text_column, place)
    subjects = _strings(columns[subject_column], numbers, subject_column, place) if subject_column else None
    blank = [not text.strip() and not (subjects and subjects[at].strip()) for at, text in enumerate(texts)]
    kept = [at for at in range(len(texts)) if not blank[at] and (labels[at] is not None or blank_labels == "no-reason")]
    reading: dict[str, Any] = {
        "rows_read": len(texts),
        "without_text": sum(blank),
        "without_label_skipped": len(texts) - sum(blank) - len(kept),
        "labels_alike": _alike(labels),
    }
    times = None
    if time_column:
        found, unreadable = read_times(columns[time_column], column=time_column, time_format=time_format)
        reading["times_unreadable"] = unreadable
        times = tuple(found[at] for at in kept)

    def rows_of(column: str | None) -> tuple[Any, ...] | None:
        return tuple(columns[column][at] for at in kept) if column else None

    data = LabelledTexts(
        tuple(texts[at] for at in kept),
        (None,) * len(kept),
        groups=rows_of(customer_column),
        subjects=None if subjects is None else tuple(subjects[at] for at in kept),
        times=times,
        ids=rows_of(id_column),
        rows=tuple(numbers[at] for at in kept),
    )
    return LabelledFile(data, tuple(labels[at] for at in kept), reading, source)


def read_texts(
    source: str | Path,
    text_column: str = "text",
    subject_column: str | None = None,
    *,
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> list[str]:
    """Clean texts of a ticket file; rows without any are left out.

    Raises
    ------
    BatchError
        If a column is not there or a row cannot be read.
    """
    columns, numbers = _read_columns(source, [text_column, subject_column], delimiter, encoding)
    texts = _strings(columns[text_column], numbers, text_column, f"{source}, row")
    subjects: list[str] | list[None] = [None] * len(texts)
    if subject_column:
        subjects = _strings(columns[subject_column], numbers, subject_column, f"{source}, row")
    clean = (clean_text(text, subject) for text, subject in zip(texts, subjects, strict=True))
    return [text for text in clean if text]


def _read_columns(
    source: str | Path, wanted: Sequence[str | None], delimiter: str, encoding: str
) -> tuple[dict[str, list[Any]], list[int]]:
    file = open_source(source, delimiter=delimiter, encoding=encoding)
    names = [name for name in wanted if name]
    file.require(names)
    columns: dict[str, list[Any]] = {name: [] for name in names}
    numbers: list[int] = []
    for chunk in file.chunks(_CHUNK_ROWS):
        if chunk.rejects:
            reject = chunk.rejects[0]
            raise BatchError(f"{source}, row {reject.row}: {reject.cause}; repair the file, so that no label is lost")
        numbers.extend(row for row, _ in chunk.numbers)
        for name, values in columns.items():
            values.extend(chunk.column(name))
    return columns, numbers


def _strings(values: Sequence[Any], numbers: Sequence[int], column: str, place: str) -> list[str]:
    for number, value in zip(numbers, values, strict=True):
        if value is not None and not isinstance(value, str):
            raise BatchError(
                f"{place} {number}: column {column!r} holds a value of type {type(value).__name__}, not a string; is it the right column?"
            )
    return [value or "" for value in values]


def _labels(
    columns: dict[str, list[Any]], numbers: Sequence[int], reason: str, primary: str | None, place: str
) -> list[Label]:
    def plain(column: str) -> list[str | None]:
        result: list[str | None] = []
        for number, value in zip(numbers, columns[column], strict=True):
            if value is not None and (isinstance(value, bool) or not isinstance(value, str | int)):
                raise BatchError(
                    f"{place} {number}: column {column!r} holds a value of type {type(value).__name__}; a label is a string or a whole number"
                )
            result.append((None if value is None else str(value).strip()) or None)
        return result

    singles = plain(reason)
    if primary is None:
        return [*singles]
    pairs: list[Label] = []
    for number, first, second in zip(numbers, plain(primary), singles, strict=True):
        if (first is None) != (second is None):
            raise BatchError(
                f"{place} {number}: only one of {primary!r} and {reason!r} is given; complete the row or empty both (no reason)"
            )
        pairs.append(None if first is None or second is None else (first, second))
    return pairs


def _alike(labels: Sequence[Label]) -> list[str]:
    """Labels of which others differ in case, blanks or punctuation only."""
    different = {
        (level, part)
        for label in labels
        if label is not None
        for level, part in enumerate(label if isinstance(label, tuple) else (label,))
    }
    folded = {key: (key[0], "".join(c for c in key[1].casefold() if c.isalnum()) or key[1]) for key in different}
    counts = Counter(folded.values())
    return sorted({key[1] for key in different if counts[folded[key]] > 1 and len(key[1]) <= 80})


TEACHERS: Final = {"none": None, "minilm": "contact_reasons.classifier.teachers:minilm"}
"""Teachers by name, and where each is made."""


def load_teacher(name: str) -> Any:
    """The sentence encoder of that name: ``'none'``, ``'minilm'``, or ``'MODULE:ATTRIBUTE'`` of your own.

    The attribute is an object with ``encode(texts) -> ndarray``, or something that makes one when it is called. Its module is run.

    Raises
    ------
    TrainingError
        If it is not there or has no ``encode``.

    Examples
    --------
    >>> load_teacher("none") is None
    True
    """
    place = TEACHERS.get(name, name)
    if place is None:
        return None
    module, colon, attribute = place.partition(":")
    if not (module and colon and attribute):
        raise TrainingError(
            f"the teacher {name!r} is not known; {nearest(name, TEACHERS)} or MODULE:ATTRIBUTE of your own"
        )
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as exc:
        raise TrainingError(
            f"the teacher {name!r} cannot be loaded ({exc}); install it, or name MODULE:ATTRIBUTE"
        ) from exc
    made = found if hasattr(found, "encode") and not isinstance(found, type) else found() if callable(found) else found
    if not callable(getattr(made, "encode", None)):
        raise TrainingError(
            f"the teacher {name!r} has no method encode(texts); give an object that turns texts into vectors"
        )
    return made
