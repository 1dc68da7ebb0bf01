"""The report of a training: plain data, and the same as Markdown. No text of a contact is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from contact_reasons.taxonomy import Taxonomy, distinct_labels
from contact_reasons.training.data import LabelledTexts
from contact_reasons.training.trainer import TrainedReasons

__all__ = [
    "SCORE_ROWS",
    "SET_NAMES",
    "confusion_table",
    "make_report",
    "reason_table",
    "report_markdown",
    "score_table",
]

SET_NAMES: Final = {"test": "test", "newest": "newest texts", "held_out_folds": "held-out folds"}
"""Sets of scores, the most trustworthy first."""

SCORE_ROWS: Final = {
    "secondary_accuracy": "secondary right, every text answered",
    "primary_accuracy": "primary right, every text answered",
    "reported_secondary": "secondary reported",
    "right_among_reported_secondary": "… of these right",
    "reported_primary_only": "primary only reported",
    "right_among_primary_only": "… of these right",
    "left_to_a_person": "left to a person",
    "out_of_scope_left_to_a_person": "out of scope, left to a person",
    "coverage": "labelled, of all texts",
    "selective_risk": "… of these wrong",
}
_NUMBER_ROWS: Final = {
    ("calibration", "ece"): "expected calibration error",
    ("hierarchical", "f1"): "hierarchical F1, as reported",
}
_MANY_SUSPECT: Final = 0.05
_SHOWN_SUSPECTS: Final = 30
_FEW_TESTED: Final = 100


def make_report(
    trained: TrainedReasons, taxonomy: Taxonomy, data: LabelledTexts, *, reading: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Everything known of a training, as JSON.

    Parameters
    ----------
    trained : TrainedReasons
    taxonomy : Taxonomy
    data : LabelledTexts
        That was trained on.
    reading : mapping, optional
        What was read and left out, by cause.
    """
    checks = trained.training["checks"]
    notes = [*_reading_notes(reading or {}), *trained.training["notes"], *_suspect_notes(checks)]
    headline = next(name for name in SET_NAMES if name in trained.scores)
    tested = trained.scores[headline]["texts"]
    if tested < _FEW_TESTED:
        notes.insert(0, f"scores are from {tested} texts only: read the intervals, not the shares")
    rows = data.rows or range(1, len(data.texts) + 1)
    suspects = [
        {
            "row": rows[suspect.row],
            **({} if data.ids is None else {"ticket_id": _plain_id(data.ids[suspect.row])}),
            "given": suspect.given,
            "suggested": suspect.suggested,
            "probability_given": round(suspect.probability_given, 4),
            "probability_suggested": round(suspect.probability_suggested, 4),
        }
        for suspect in trained.suspects
    ]
    return {
        "taxonomy": {"id": taxonomy.taxonomy_id, "version": taxonomy.version, "sha256": taxonomy.sha256},
        "labels": distinct_labels(taxonomy),
        "alarms": trained.training["alarms"],
        "notes": notes,
        "headline": headline,
        "scores": trained.scores,
        "thresholds": {"secondary": trained.thresholds.secondary, "primary": trained.thresholds.primary},
        "recipe": trained.training["recipe"],
        "data": {**checks["data"], "sha256": trained.training["sha256"], "read": dict(reading or {})},
        "splits": {"sides": checks["sides"], "time": checks["time"], "seed": trained.training["recipe"]["seed"]},
        "dependence": checks["dependence"],
        "mislabelled": {**checks["mislabelled"], "rows": suspects},
        "unlabelled": checks["unlabelled"],
    }


def _suspect_notes(checks: Mapping[str, Any]) -> list[str]:
    found = checks["mislabelled"]
    if checks["dependence"]["verdict"] == "no_sign" or found["likely"] <= _MANY_SUSPECT * found["judged"]:
        return []
    return [
        f"{found['likely']:,} labels ({found['likely'] / found['judged']:.0%}) are likely wrong, or reasons overlap: look at mislabelled.csv"
    ]


def _plain_id(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int) else str(value)


def _reading_notes(reading: Mapping[str, Any]) -> list[str]:
    notes = []
    if count := reading.get("without_text"):
        notes.append(f"{count:,} rows without text were left out")
    if count := reading.get("without_label_skipped"):
        notes.append(f"{count:,} rows without a label were left out")
    if count := reading.get("times_unreadable"):
        notes.append(f"{count:,} times could not be read")
    if count := reading.get("ids_shortened"):
        notes.append(
            f"{count:,} ids were too long or not lower snake case, so that taxonomy.yaml has others for them; their labels tell which"
        )
    if labels := reading.get("labels_alike"):
        notes.append(f"labels that differ in case or blanks only, taken as different: {', '.join(labels[:12])}")
    return notes


def report_markdown(report: Mapping[str, Any], taxonomy: Taxonomy) -> str:
    """The report for people, the gravest first.

    Parameters
    ----------
    report : mapping
        Of `make_report`.
    taxonomy : Taxonomy
    """
    scores, headline = report["scores"], report["headline"]
    best = scores[headline]
    lines = [f"# Training report: {report['taxonomy']['id']}", ""]
    for alarm in report["alarms"]:
        lines += [f"> **Warning: {alarm}.**", ""]
    lines += [
        f"On {best['texts']:,} texts that the model had not seen ({SET_NAMES[headline]}), the secondary reason was right for "
        f"{_share(best['secondary_accuracy'])} and the primary for {_share(best['primary_accuracy'])}, every text answered. "
        f"With its thresholds it reports a secondary for {_share(best['reported_secondary'])}, of which "
        f"{_share(best['right_among_reported_secondary'])} were right, and leaves {_share(best['left_to_a_person'])} to a person.",
        "",
        *(f"- {note[0].upper()}{note[1:]}." for note in report["notes"]),
        "",
        "## How it was measured",
        "",
        *_how(report),
        "",
        "## Scores",
        "",
        "Shares with 95 % Wilson intervals. Thresholds were fitted on the held-out folds, so the shares of right answers among those reported "
        'are no news there. "Of these" counts texts without a reason that were labelled, too.',
        "",
        *score_table(scores),
        "",
        f"## Each reason, on {SET_NAMES[headline]}",
        "",
        *reason_table(best["reasons"], taxonomy),
        "",
        f"## What is taken for what, on {SET_NAMES[headline]}",
        "",
        *confusion_table(best["confusions"]),
        "",
        f"## Can the confidence be relied on, on {SET_NAMES[headline]}",
        "",
        *_reliability_table(best["reliability"]),
        "",
        "## Do the labels depend on the text",
        "",
        *_dependence(report["dependence"]),
        "",
        "## Likely mislabelled rows",
        "",
        *_suspects(report["mislabelled"]),
        "",
        "## The data",
        "",
        *_data(report),
        "",
    ]
    return "\n".join(lines)


def _how(report: Mapping[str, Any]) -> list[str]:
    sides, time = report["splits"]["sides"], report["splits"]["time"]
    kept = "customer, equal texts and near repeats" if sides["by_customer"] else "equal texts and near repeats"
    sizes = ", ".join(f"{count:,} of {size}" for size, count in sides["sizes"].items() if count)
    lines = []
    if time is not None and "skipped" not in time:
        lines.append(
            f"- *Newest texts*: a model trained on the {time['older']:,} texts before {time['cut']} was asked for the {time['newer']:,} of that moment or later. "
            f"{time['left_out']:,} more were left out, because their customer or a near repeat is among the older ones; {time['undated']:,} have no time. "
            f"With those left out, the secondary is right for {_share(time['left_out_included'])} of {time['left_out_included']['total']:,}. "
            "The model in this pack is trained on all texts, newest included."
        )
    lines += [
        f"- *Held-out folds*: the training texts, each judged by one of {report['recipe']['calibration_folds']} models that had not seen it; seed {report['splits']['seed']}.",
        f"- Kept on one side of every split: {kept} (80 % of the distinct words of the longer text shared, digits and personal data "
        f"not counted). That makes {sides['components']:,} components: {sizes} texts; the largest has {sides['largest']:,}.",
    ]
    return lines


def score_table(scores: Mapping[str, Any]) -> list[str]:
    """Markdown table of the shares, a column for each set.

    Parameters
    ----------
    scores : mapping
        By set, as of `score_labels`.
    """
    sets = [name for name in SET_NAMES if name in scores]
    lines = ["| | " + " | ".join(SET_NAMES[name] for name in sets) + " |", "|---|" + "---|" * len(sets)]
    for key, title in SCORE_ROWS.items():
        if all(key in scores[name] for name in sets):
            lines.append(f"| {title} | " + " | ".join(_share(scores[name][key]) for name in sets) + " |")
    for (group, key), title in _NUMBER_ROWS.items():
        if all(group in scores[name] for name in sets):
            values = [scores[name][group][key] for name in sets]
            lines.append(f"| {title} | " + " | ".join("none" if v is None else f"{v:.1%}" for v in values) + " |")
    counts = " | ".join(f"{scores[name]['texts']} ({scores[name]['texts_left_out']})" for name in sets)
    return [*lines, f"| texts with a reason (left out as near repeats) | {counts} |"]


def _share(value: Mapping[str, Any]) -> str:
    if not value["total"]:
        return "none"
    return f"{value['share']:.1%} ({value['low']:.1%}–{value['high']:.1%})"


def reason_table(scores: Mapping[str, Any], taxonomy: Taxonomy) -> list[str]:
    """Markdown table of recall, precision and F1 of each reason.

    Parameters
    ----------
    scores : mapping
        By secondary id.
    taxonomy : Taxonomy
    """
    lines = ["| reason | label | texts | recall (95 %) | precision | F1 |", "|---|---|---|---|---|---|"]
    for secondary in taxonomy.secondaries:
        score = scores.get(secondary.id)
        if score is None:
            lines.append(f"| `{secondary.id}` | {_cell(secondary.label)} | 0 | | | |")
            continue
        precision = "never predicted" if score["precision"] is None else f"{score['precision']:.0%}"
        if score["precision"] is not None and "precision_low" in score:
            precision += f" ({score['precision_low']:.0%}–{score['precision_high']:.0%})"
        lines.append(
            f"| `{secondary.id}` | {_cell(secondary.label)} | {score['texts']} | {score['recall']:.0%} "
            f"({score['recall_low']:.0%}–{score['recall_high']:.0%}) | {precision} | {score['f1']:.2f} |"
        )
    return lines


def confusion_table(confusions: Sequence[Sequence[Any]]) -> list[str]:
    """Markdown table of the pairs most often confused.

    Parameters
    ----------
    confusions : sequence of (str, str, int)
    """
    lines = ["| true reason | predicted | times |", "|---|---|---|"]
    return lines + [f"| `{truth}` | `{predicted}` | {count} |" for truth, predicted, count in confusions[:15]]


def _reliability_table(bands: Sequence[Mapping[str, Any]]) -> list[str]:
    if not bands:
        return ["Nothing was reported."]
    lines = ["| confidence | reported | mean confidence | right (95 %) |", "|---|---|---|---|"]
    return lines + [
        f"| {band['from']:.2f} to {band['to']:.2f} | {band['total']:,} | {band['mean_confidence']:.1%} | {_share(band)} |"
        for band in bands
    ]


def _dependence(test: Mapping[str, Any]) -> list[str]:
    if not test["permutations"]:
        return ["Not tested: too few different texts or reasons."]
    verdict = {
        "depend": "They do.",
        "no_sign": "**There is no sign that they do.**",
        "too_few": "Nobody can tell from so few texts.",
    }
    return [
        f"{verdict[test['verdict']]} A quick model was right for {_share(test['accuracy'])} of {test['rows']:,} held-out texts, one of each component; "
        f"with shuffled labels for {test['permuted_accuracy']:.1%}; always answering the commonest reason gets {test['majority']['share']:.1%}. "
        f"p = {test['p_value']:.2f} from {test['permutations']} permutations."
    ]


def _suspects(found: Mapping[str, Any]) -> list[str]:
    if not found["rows"]:
        return [f"None among {found['judged']:,} texts judged."]
    by_id = "ticket_id" in found["rows"][0]
    lines = [
        f"{found['likely']:,} of {found['judged']:,} texts judged, by confident learning on held-out folds (Northcutt, Jiang and Chuang 2021); "
        f"the first {min(_SHOWN_SUSPECTS, found['likely'])} here, all in `mislabelled.csv` (an empty cell: no reason). Read the texts before you change a label: "
        "some will be right, and the reasons overlap.",
        "",
        "| row |" + (" ticket |" if by_id else "") + " given | suggested | probability of given | of suggested |",
        "|---|" + ("---|" if by_id else "") + "---|---|---|---|",
    ]
    for row in found["rows"][:_SHOWN_SUSPECTS]:
        ticket = f" {_cell(row['ticket_id'])} |" if by_id else ""
        given, suggested = (f"`{row[name]}`" if row[name] else "no reason" for name in ("given", "suggested"))
        lines.append(
            f"| {row['row']} |{ticket} {given} | {suggested} | {row['probability_given']:.2f} | {row['probability_suggested']:.2f} |"
        )
    return lines


def _cell(value: Any) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")


def _data(report: Mapping[str, Any]) -> list[str]:
    data = report["data"]
    lines = [
        f"- {data['texts']:,} texts with a reason, {data['without_a_reason']:,} without; SHA-256 `{data['sha256'][:16]}…`.",
        f"- {sum(count > 0 for count in data['reasons'].values())} reasons; {data['middle']} texts for the middle one; the commonest, "
        f"`{data['commonest']}`, has {data['commonest_share']:.1%}.",
        f"- {data['repeated']:,} texts repeat another one, {report['splits']['sides']['near_repeats']:,} more are joined to others as near repeats; "
        f"{data['contradictory']:,} texts occur with different reasons.",
    ]
    lines += [
        f"- {key.replace('_', ' ').capitalize()}: {value:,}."
        for key, value in data["read"].items()
        if isinstance(value, int)
    ]
    if report["unlabelled"]:
        lines.append(f"- {report['unlabelled']:,} texts without labels were learned from, too.")
    return lines
