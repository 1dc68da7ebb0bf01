"""Make a pack's model from its texts: train, write the bundle, write the model card."""

from __future__ import annotations

import contextlib
import csv
import importlib.metadata
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from contact_reasons.bundle import Manifest, TaxonomyRef, read_bundle, write_bundle
from contact_reasons.errors import PackError, TrainingError, nearest, shorten
from contact_reasons.resources import PackFiles, pack_files, pack_names
from contact_reasons.routing import RoutingPolicy
from contact_reasons.starter.files import starter_policy, taxonomy_id_of
from contact_reasons.taxonomy import Label, Taxonomy, ids_of_labels, taxonomy_of_labels
from contact_reasons.training import (
    LabelledTexts,
    Progress,
    Recipe,
    TrainedReasons,
    make_report,
    read_labelled_texts,
    report_markdown,
    train,
)
from contact_reasons.training.findings import FEW_TEXTS
from contact_reasons.training.report import SET_NAMES, confusion_table, reason_table, score_table

__all__ = [
    "LEAST_TEXTS",
    "SHIPPED_RECIPE",
    "TEXT_FILES",
    "TICKETS",
    "NewPack",
    "PackSummary",
    "list_packs",
    "model_card",
    "new_pack",
    "read_pack_texts",
    "save_model",
    "train_pack",
]

LEAST_TEXTS: Final = 5
"""Texts of a reason with which a pack can be trained: one for each of the held-out folds."""

SHIPPED_RECIPE: Final = Recipe(C=1.0, min_df=3, hidden_units=64, members=4, word_rows=3000, weight_bits=5)
"""Of the shipped packs: far smaller in a wheel than the default, for a little accuracy."""

TEXT_FILES: Final = ("training.jsonl", "out_of_scope.jsonl", "test.jsonl")
"""Files of a pack's ``texts/``; only the first must be there."""

TICKETS: Final = "labelled tickets"
"""Origin, in its manifest, of a model that was not trained on the texts of its pack."""

_WRITTEN: Final = "texts written for this pack, not real contacts"
_OWN_TEXTS: Final = "the texts of this pack"
_LIBRARIES = ("numpy", "scipy", "scikit-learn")


class NewPack(NamedTuple):
    """A pack that was made.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    report : dict
        As in ``report.json``.
    """

    folder: Path
    manifest: Manifest
    report: dict[str, Any]


def train_pack(pack: str | Path, *, out: str | Path | None = None, recipe: Recipe | None = None) -> NewPack:
    """Train a pack's model from its own texts, byte for byte the same with the same library versions.

    A pack of one's own gets ``report.md``, ``report.json`` and ``mislabelled.csv``, too, if ``out`` is not given.

    Parameters
    ----------
    pack : str or Path
        Name of a shipped pack or the folder of one of your own, with ``texts/training.jsonl`` and, where there are any,
        ``texts/out_of_scope.jsonl`` and ``texts/test.jsonl``.
    out : str or Path, optional
        Directory of the model; by default the pack's own.
    recipe : Recipe, optional
        By default `SHIPPED_RECIPE` for a shipped pack.

    Raises
    ------
    PackError, TaxonomyError, TrainingError
        If a reason has fewer than five texts, naming each.
    """
    files, shipped = pack_files(pack), pack in pack_names()
    taxonomy = Taxonomy.from_yaml(files.taxonomy)
    data, test = read_pack_texts(files, taxonomy)
    _check_enough(files, taxonomy, data)
    trained = train(data, taxonomy, recipe=recipe or (SHIPPED_RECIPE if shipped else None), test=test)
    report = make_report(trained, taxonomy, data)
    manifest = save_model(trained, taxonomy, out or files.model, origin=_WRITTEN if shipped else _OWN_TEXTS)
    if out is None and not shipped:
        with _writing(files.taxonomy.parent):
            _write_report(files.taxonomy.parent, report, taxonomy)
    return NewPack(files.taxonomy.parent, manifest, report)


def read_pack_texts(files: PackFiles, taxonomy: Taxonomy) -> tuple[LabelledTexts, LabelledTexts | None]:
    """The texts of a pack, out of scope included, and its test texts if there are any.

    Parameters
    ----------
    files : PackFiles
    taxonomy : Taxonomy

    Raises
    ------
    TrainingError
        If a file cannot be read, or a line has a reason that the taxonomy does not have, naming file and line.
    """
    names = [name for name in TEXT_FILES if name == "training.jsonl" or (files.texts / name).exists()]
    for path in (files.texts / name for name in names):
        texts = read_labelled_texts(path)
        for reason, line in zip(texts.reasons, texts.rows or (), strict=True):
            if reason is not None and reason not in taxonomy.secondary_ids:
                raise TrainingError(
                    f"{path}, line {line}: {shorten(reason)} is no secondary reason of taxonomy {taxonomy.taxonomy_id!r}; "
                    f"{nearest(reason, taxonomy.secondary_ids)} Correct it, or add the reason to {files.taxonomy}"
                )
    data = read_labelled_texts(*(files.texts / name for name in names if name != "test.jsonl"))
    test = read_labelled_texts(files.texts / "test.jsonl") if "test.jsonl" in names else None
    return data, test if test is not None and any(test.reasons) else None


def _check_enough(files: PackFiles, taxonomy: Taxonomy, data: LabelledTexts) -> None:
    counts = Counter(data.reasons)
    few = [f"{one.id} ({counts[one.id]})" for one in taxonomy.secondaries if counts[one.id] < LEAST_TEXTS]
    if few:
        more = f" and {len(few) - 12} more" if len(few) > 12 else ""
        raise TrainingError(
            f"{files.texts / 'training.jsonl'}: too few texts to train on for {len(few)} of {len(taxonomy.secondary_ids)} reasons: "
            f"{', '.join(few[:12])}{more}; write at least {LEAST_TEXTS} for each ({FEW_TEXTS} are a start), or take the reason out of {files.taxonomy}"
        )


@dataclass(frozen=True, slots=True)
class PackSummary:
    """A shipped pack at a glance.

    Parameters
    ----------
    id, version, industry, interaction_type : str
    primaries, secondaries, rules : int
    texts, texts_out_of_scope : int
        That the model was trained on; 0 without a model.
    model_bytes : int
        0: there is no model yet.
    secondary_accuracy, primary_accuracy : float or None
        Share of the pack's own test texts that is right, every text answered, in [0, 1].
    """

    id: str
    version: str
    industry: str
    interaction_type: str
    primaries: int
    secondaries: int
    rules: int
    texts: int
    texts_out_of_scope: int
    model_bytes: int
    secondary_accuracy: float | None
    primary_accuracy: float | None

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def list_packs() -> tuple[PackSummary, ...]:
    """The shipped packs, by name.

    Raises
    ------
    TaxonomyError, PolicyError, BundleError
        If a part of one is missing or damaged.

    Examples
    --------
    >>> [(pack.primaries, pack.secondaries) for pack in list_packs() if pack.id == "retail"]
    [(8, 60)]
    """
    found = []
    for name in pack_names():
        files, taxonomy = pack_files(name), Taxonomy.load(name)
        manifest = read_bundle(files.model).manifest if files.model.exists() else None
        training = {} if manifest is None else manifest.training
        test = {} if manifest is None else manifest.scores.get("test", {})
        right = [test.get(key, {}).get("share") for key in ("secondary_accuracy", "primary_accuracy")]
        found.append(
            PackSummary(
                name,
                taxonomy.version,
                taxonomy.industry,
                taxonomy.interaction_type,
                len(taxonomy.primaries),
                len(taxonomy.secondaries),
                len(RoutingPolicy.from_yaml(files.policy, taxonomy=taxonomy).rules),
                training.get("texts", 0),
                training.get("texts_out_of_scope", 0),
                sum(path.stat().st_size for path in files.model.rglob("*") if path.is_file()),
                *right,
            )
        )
    return tuple(found)


def new_pack(
    folder: str | Path,
    data: LabelledTexts,
    *,
    labels: Sequence[Label] | None = None,
    taxonomy: str | Path | None = None,
    recipe: Recipe | None = None,
    unlabelled: Sequence[str] | None = None,
    teacher: Any = None,
    reading: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> NewPack:
    """Make a pack of your own from labelled texts: taxonomy, starter policy, model and report, ready for `load_pipeline`.

    An existing ``taxonomy.yaml`` or ``policy.yaml`` in the folder is kept.

    Parameters
    ----------
    folder : str or Path
        Made if it is not there.
    data : LabelledTexts
        With ids as reasons, unless ``labels`` are given.
    labels : sequence of str, (str, str) or None, length n, optional
        Labels of your own, single ones or primary and secondary, from which ids are made.
    taxonomy : str or Path, optional
        Taxonomy file; by default the folder's, else one made from the labels.
    recipe : Recipe, optional
    unlabelled, teacher, progress
        As for `train`.
    reading : mapping, optional
        What was read and left out, for the report.

    Raises
    ------
    TrainingError, TaxonomyError, BundleError

    Examples
    --------
    >>> import tempfile
    >>> texts = ("where is my parcel", "parcel not here yet", "send me the invoice", "need an invoice copy")
    >>> labels = ["Late parcel", "Late parcel", "Invoice", "Invoice"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pack = new_pack(folder, LabelledTexts(texts, (None,) * 4), labels=labels)
    >>> pack.manifest.classes
    ('invoice.invoice', 'late_parcel.late_parcel')
    """
    folder = Path(folder)
    own = folder / "taxonomy.yaml"
    labels = data.reasons if labels is None else labels
    if taxonomy is not None:
        reasons = Taxonomy.from_yaml(taxonomy)
        if own.exists() and Taxonomy.from_yaml(own) != reasons:
            raise PackError(f"{own}: the pack has another taxonomy already; remove it, or choose another folder")
    elif own.exists():
        reasons = Taxonomy.from_yaml(own)
    else:
        reasons = taxonomy_of_labels(labels, taxonomy_id=taxonomy_id_of(folder.resolve().name), rows=data.rows)
    ids = ids_of_labels(labels, reasons, rows=data.rows)
    shortened = {label for label, reason in zip(labels, ids, strict=True) if _is_another_id(label, reason, reasons)}
    data = data._replace(reasons=tuple(ids))
    trained = train(data, reasons, recipe=recipe, unlabelled=unlabelled, teacher=teacher, progress=progress)
    report = make_report(trained, reasons, data, reading={**(reading or {}), "ids_shortened": len(shortened)})
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not own.exists():
            own.write_text(reasons.to_yaml(), encoding="utf-8")
        if not (folder / "policy.yaml").exists():
            (folder / "policy.yaml").write_text(starter_policy(reasons), encoding="utf-8")
        manifest = save_model(trained, reasons, folder / "model", origin=TICKETS)
        _write_report(folder, report, reasons)
    return NewPack(folder, manifest, report)


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise PackError(
            f"{folder}: the pack cannot be written ({exc.strerror or exc}); check the folder and its rights"
        ) from exc


def _write_report(folder: Path, report: dict[str, Any], taxonomy: Taxonomy) -> None:
    (folder / "mislabelled.csv").write_text(_suspect_lines(report["mislabelled"]["rows"]), encoding="utf-8")
    (folder / "report.md").write_text(report_markdown(report, taxonomy), encoding="utf-8")
    (folder / "report.json").write_text(
        json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )


def _is_another_id(label: Label, reason: str | None, taxonomy: Taxonomy) -> bool:
    """Whether a label was given as an id, but got another one."""
    return isinstance(label, str) and reason is not None and label.strip() not in (reason, taxonomy[reason].label)


def _suspect_lines(rows: Sequence[Mapping[str, Any]]) -> str:
    """CSV of likely mislabelled rows; an empty label is no reason."""
    stream = io.StringIO()
    columns = ["row", "ticket_id", "given", "suggested", "probability_given", "probability_suggested"]
    writer = csv.DictWriter(stream, columns, lineterminator="\n", restval="")
    writer.writeheader()
    for row in rows:
        ticket = row.get("ticket_id")
        unsafe = isinstance(ticket, str) and ticket.startswith(("=", "+", "-", "@", "\t", "\r"))
        writer.writerow({**row, **({"ticket_id": f"'{ticket}"} if unsafe else {})})
    return stream.getvalue()


def save_model(trained: TrainedReasons, taxonomy: Taxonomy, out: str | Path, *, origin: str) -> Manifest:
    """Write a trained model's directory and the model card inside it.

    Parameters
    ----------
    origin : str
        Where the texts come from, for the card.
    """
    wanted = trained.training["recipe"]["wanted_error"]
    manifest = write_bundle(
        out,
        trained.model,
        trained.thresholds,
        taxonomy=TaxonomyRef(taxonomy_id=taxonomy.taxonomy_id, version=taxonomy.version, sha256=taxonomy.sha256),
        package_version=importlib.metadata.version("contact-reasons"),
        library_versions={name: importlib.metadata.version(name) for name in _LIBRARIES},
        thresholds_from=f"held-out folds of {origin}, aiming at {wanted:.0%} wrong among what is reported; no promise for other contacts",
        training={**trained.training, "origin": origin},
        scores=trained.scores,
    )
    (Path(out) / "MODEL_CARD.md").write_text(model_card(manifest, taxonomy), encoding="utf-8")
    return manifest


def model_card(manifest: Manifest, taxonomy: Taxonomy) -> str:
    """A model card in Markdown, made from the manifest alone."""
    training = manifest.training
    best = next(name for name in SET_NAMES if name in manifest.scores)
    lines = [
        f"# Model card: {manifest.taxonomy.taxonomy_id} {manifest.taxonomy.version}",
        "",
        f"Maps contacts to {len(manifest.classes)} secondary reasons under {len(taxonomy.primaries)} primaries. "
        "This card is generated from `manifest.json` by `contact-reasons train`.",
        "",
        f"- Trained on {training['texts']:,} texts and {training['texts_out_of_scope']:,} out of scope ({training['origin']}); "
        f"SHA-256 `{training['sha256'][:16]}…`, seed {training['recipe']['seed']}.",
        f"- {training['features']:,} features of words and letters, linear heads; hidden layers over tokens and words.",
        f"- Reports a secondary from confidence {_threshold(manifest, 'secondary')}, else a primary from "
        f"{_threshold(manifest, 'primary')}, else leaves the contact to a person. Fitted on {manifest.thresholds_from}.",
        *(f"- **Warning: {alarm}.**" for alarm in training.get("alarms", ())),
        *(f"- Note: {note}." for note in training["notes"]),
        "",
        "## Scores",
        "",
        "Shares with 95 % Wilson intervals. *Test*: texts kept apart, never trained on. "
        + (_NEWEST if "newest" in manifest.scores else "")
        + "*Held-out folds*: the training texts, each scored by a model that had not seen it. The thresholds were fitted on these very rows, "
        'so the shares of right answers among those reported are no news there. "Of these" counts texts without a reason that were labelled, too.',
        "",
    ]
    lines += [
        *score_table(manifest.scores),
        "",
        f"## Each reason, on {SET_NAMES[best]}",
        "",
        *reason_table(manifest.scores[best]["reasons"], taxonomy),
        "",
        "## What is taken for what",
        "",
        *confusion_table(manifest.scores[best]["confusions"]),
    ]
    lines += [
        "",
        "## Limits",
        "",
        f"- It knows the language and the kind of texts it was trained on ({training['origin']}), and nothing else. Text in other "
        "languages or of other businesses is mostly, not always, left to a person.",
        "- Confidences and thresholds come from these texts; on other tickets they may be too high or too low. "
        "Measure with `contact-reasons evaluate` on a labelled sample before automating on them.",
        "- One reason a contact. Of two reasons in one text, the stronger one is given; `ranked` holds the runners-up.",
        "",
    ]
    return "\n".join(lines)


def _threshold(manifest: Manifest, level: str) -> str:
    value = manifest.thresholds[level]
    return "1 on (never)" if value is None else f"{value:.4f}"


_NEWEST = (
    "*Newest texts*: a model trained on the older texts alone, asked for the newest; this model is trained on all. "
)
