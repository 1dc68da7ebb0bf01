"""Make a pack's model from its texts: train, write the bundle, write the model card."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contact_reasons.bundle import Manifest, TaxonomyRef, write_bundle
from contact_reasons.errors import PackError, TrainingError, shorten
from contact_reasons.resources import pack_files, pack_names
from contact_reasons.taxonomy import Taxonomy
from contact_reasons.training import LabelledTexts, Recipe, TrainedReasons, read_labelled_texts, train

__all__ = ["model_card", "new_pack", "save_model", "train_pack"]

_LIBRARIES = ("numpy", "scipy", "scikit-learn")


def train_pack(pack: str | Path, *, out: str | Path | None = None, recipe: Recipe | None = None) -> Manifest:
    """Train a pack's model from its own texts, byte for byte the same with the same library versions.

    Parameters
    ----------
    pack : str or Path
        Name of a shipped pack or the folder of one of your own, with ``texts/training.jsonl`` and, where there are any,
        ``texts/out_of_scope.jsonl`` and ``texts/test.jsonl``.
    out : str or Path, optional
        Directory of the model; by default the pack's own.
    recipe : Recipe, optional
    """
    files = pack_files(pack)
    taxonomy = Taxonomy.from_yaml(files.taxonomy)
    sources = [files.texts / name for name in ("training.jsonl", "out_of_scope.jsonl")]
    data = read_labelled_texts(*(path for path in sources if path.exists() or path.name == "training.jsonl"))
    test = read_labelled_texts(files.texts / "test.jsonl") if (files.texts / "test.jsonl").exists() else None
    trained = train(data, taxonomy, recipe=recipe, test=test)
    origin = "texts written for this pack, not real contacts" if pack in pack_names() else "the texts of this pack"
    return save_model(trained, taxonomy, out or files.model, origin=origin)


def new_pack(
    folder: str | Path,
    data: LabelledTexts,
    *,
    labels: Sequence[tuple[str, str] | None] | None = None,
    taxonomy: str | Path | None = None,
    recipe: Recipe | None = None,
) -> Manifest:
    """Make a pack of your own from labelled texts: taxonomy, starter policy and model, ready for `load_pipeline`.

    An existing ``taxonomy.yaml`` or ``policy.yaml`` in the folder is kept.

    Parameters
    ----------
    folder : str or Path
        Made if it is not there.
    data : LabelledTexts
        With ids as reasons, unless ``labels`` are given.
    labels : sequence of (str, str) or None, length n, optional
        Primary and secondary labels of your own, from which ids are made.
    taxonomy : str or Path, optional
        Taxonomy file; by default the folder's, else one made from the labels.
    recipe : Recipe, optional

    Raises
    ------
    TrainingError, TaxonomyError, BundleError
    """
    folder = Path(folder)
    own = folder / "taxonomy.yaml"
    if taxonomy is not None:
        reasons = Taxonomy.from_yaml(taxonomy)
        if own.exists() and Taxonomy.from_yaml(own) != reasons:
            raise PackError(f"{own}: the pack has another taxonomy already; remove it, or choose another folder")
    elif own.exists():
        reasons = Taxonomy.from_yaml(own)
    else:
        pairs = labels if labels is not None else [_pair(reason) for reason in data.reasons]
        reasons = Taxonomy.from_pairs(
            [pair for pair in pairs if pair is not None], taxonomy_id=_id_from(folder.resolve().name)
        )
    if labels is not None:
        data = data._replace(reasons=tuple(None if pair is None else reasons.id_of(*pair) for pair in labels))
    trained = train(data, reasons, recipe=recipe)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not own.exists():
            own.write_text(reasons.to_yaml(), encoding="utf-8")
        if not (folder / "policy.yaml").exists():
            starter = _STARTER_POLICY.format(taxonomy=reasons.taxonomy_id)
            (folder / "policy.yaml").write_text(starter, encoding="utf-8")
    except OSError as exc:
        raise PackError(
            f"{folder}: the pack cannot be written ({exc.strerror or exc}); check the folder and its rights"
        ) from exc
    return save_model(trained, reasons, folder / "model", origin="labelled tickets")


def _id_from(name: str) -> str:
    words = "_".join(re.findall(r"[a-z0-9]+", name.lower()))
    return words if re.match(r"[a-z]", words) and words != "missing" else f"pack_{words}".rstrip("_")


def _pair(reason: str | None) -> tuple[str, str] | None:
    if reason is None:
        return None
    primary, dot, secondary = reason.partition(".")
    if not (primary and dot and secondary):
        raise TrainingError(
            f"{shorten(reason, 45) if ' ' not in reason else 'a text with blanks'} is not an id 'primary.secondary'; name --primary-column and --secondary-column for labels"
        )
    return primary, secondary


_STARTER_POLICY = """# A start: contacts without a sure reason go to a person, the others are answered in writing. Add rules above the last one.
router: {taxonomy}-service
version: 1.0.0
inputs:
  reason:     {{type: tree, taxonomy: {taxonomy}, nullable: true}}   # missing: left to a person
  confidence: {{type: real, min: 0, max: 1}}
  open:       {{type: bool, nullable: true}}
never:
  - {{name: no self-service without a reason, when: {{reason: missing}}, channel: [self_service]}}
rules:
  - {{id: unsure-chat, when: {{reason: missing, open: true}}, then: {{channel: chat, priority: 5, skills: [triage]}}}}
  - {{id: unsure,      when: {{reason: missing}},             then: {{channel: message, priority: 6, skills: [triage]}}}}
  - {{id: rest,        when: {{}},                            then: {{channel: message, priority: 8}}}}
"""


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
    lines = [
        f"# Model card: {manifest.taxonomy.taxonomy_id} {manifest.taxonomy.version}",
        "",
        f"Maps contacts to {len(manifest.classes)} secondary reasons under {len(taxonomy.primaries)} primaries. "
        "This card is generated from `manifest.json` by `contact-reasons train`.",
        "",
        f"- Trained on {training['texts']:,} texts and {training['texts_out_of_scope']:,} out of scope ({training['origin']}); "
        f"SHA-256 `{training['sha256'][:16]}…`, seed {training['recipe']['seed']}.",
        f"- {training['features']:,} features of words and letters, linear heads, sharpness {manifest.sharpness:.3f}.",
        f"- Reports a secondary from confidence {_threshold(manifest, 'secondary')}, else a primary from "
        f"{_threshold(manifest, 'primary')}, else leaves the contact to a person. Fitted on {manifest.thresholds_from}.",
        *(f"- Note: {note}." for note in training["notes"]),
        "",
        "## Scores",
        "",
        "Shares with 95 % Wilson intervals. *Test*: texts kept apart, never trained on. "
        "*Held-out folds*: the training texts, each scored by linear heads that had not seen it. The thresholds were fitted on these very rows, "
        'so the shares of right answers among those reported are no news there. "Of these" counts texts without a reason that were labelled, too.',
        "",
        "| | " + " | ".join(_SETS[name] for name in _sets(manifest)) + " |",
        "|---|" + "---|" * len(_sets(manifest)),
    ]
    for key, title in _ROWS.items():
        lines.append(
            f"| {title} | " + " | ".join(_share(manifest.scores[name][key]) for name in _sets(manifest)) + " |"
        )
    counts = " | ".join(
        f"{manifest.scores[name]['texts']} ({manifest.scores[name]['texts_left_out']})" for name in _sets(manifest)
    )
    lines += [
        f"| texts with a reason (left out as near repeats) | {counts} |",
        "",
        *_reason_table(manifest, taxonomy),
        "",
    ]
    lines += _confusions(manifest)
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


_SETS = {"test": "test", "held_out_folds": "held-out folds"}
_ROWS = {
    "secondary_accuracy": "secondary right, every text answered",
    "primary_accuracy": "primary right, every text answered",
    "reported_secondary": "secondary reported",
    "right_among_reported_secondary": "… of these right",
    "reported_primary_only": "primary only reported",
    "right_among_primary_only": "… of these right",
    "left_to_a_person": "left to a person",
    "out_of_scope_left_to_a_person": "out of scope, left to a person",
}


def _sets(manifest: Manifest) -> list[str]:
    return [name for name in _SETS if name in manifest.scores]


def _share(value: dict[str, Any]) -> str:
    if not value["total"]:
        return "none"
    return f"{value['share']:.1%} ({value['low']:.1%}–{value['high']:.1%})"


def _reason_table(manifest: Manifest, taxonomy: Taxonomy) -> list[str]:
    name = _sets(manifest)[0]
    lines = [
        f"## Each reason, on {_SETS[name]}",
        "",
        "| reason | label | texts | recall (95 %) | precision | F1 |",
        "|---|---|---|---|---|---|",
    ]
    scores = manifest.scores[name]["reasons"]
    for secondary in taxonomy.secondaries:
        score = scores.get(secondary.id)
        if score is None:
            lines.append(f"| `{secondary.id}` | {secondary.label} | 0 | | | |")
            continue
        precision = "never predicted" if score["precision"] is None else f"{score['precision']:.0%}"
        lines.append(
            f"| `{secondary.id}` | {secondary.label} | {score['texts']} | {score['recall']:.0%} "
            f"({score['recall_low']:.0%}–{score['recall_high']:.0%}) | {precision} | {score['f1']:.2f} |"
        )
    return lines


def _confusions(manifest: Manifest) -> list[str]:
    name = _sets(manifest)[0]
    lines = ["## What is taken for what", "", "| true reason | predicted | times |", "|---|---|---|"]
    lines += [
        f"| `{truth}` | `{predicted}` | {count} |"
        for truth, predicted, count in manifest.scores[name]["confusions"][:15]
    ]
    return lines
