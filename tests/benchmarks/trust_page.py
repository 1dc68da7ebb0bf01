"""The part of the page about calibration, scope and second reasons."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.retail_page import share

SCORES = {
    "in_scope": "ours, probability of being in scope",
    "confidence": "ours, confidence",
    "minilm": "MiniLM + logistic regression, greatest probability",
    "scikit_learn": "scikit-learn words + characters, greatest score",
}


def trust_lines(results: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    if results["calibration"]:
        lines += calibration_lines(results["calibration"])
        lines += scope_lines(results["out_of_scope"])
    if "junk" in results:
        lines += junk_lines(results["junk"])
    if "two_reasons" in results:
        lines += two_reason_lines(results["two_reasons"])
    return lines


def calibration_lines(sets: dict[str, Any]) -> list[str]:
    return [
        "## Does confidence come true?",
        "",
        "Models trained on the training splits with the defaults; confidence as it is reported, on the test splits. Expected calibration error over 15 bins of equal width; "
        '"by chance": what perfectly calibrated labels of these confidences would show.',
        "",
        "| | test texts | level | right | mean confidence | calibration error | by chance |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {found['title']} | {found['rows']:,} | {level} | {100 * values['accuracy']:.1f} % | {100 * values['mean_confidence']:.1f} % | "
            f"**{100 * values['error']:.1f} %** | {100 * values['by_chance']:.1f} % |"
            for found in sets.values()
            for level in ("secondary", "primary")
            for values in (found[level],)
        ),
        "",
    ]


def scope_lines(section: dict[str, Any]) -> list[str]:
    sets = list(section["sets"].values())
    names = [name for name in SCORES if all(name in found["mean"] for found in sets)]
    return [
        "## Are texts without a reason recognised?",
        "",
        f"Whole primaries ({100 * section['share']:.0f} % of them, at least two) are left out of training; test texts of these are to be told from the others. No text out of scope is given: ours learns from the "
        f"shipped background, which holds texts of seven trades, banking among them. Area under the ROC curve, mean of {section['draws']} draws (least to most).",
        "",
        f"| | {' | '.join(found['title'] for found in sets)} |",
        f"|---|{'---|' * len(sets)}",
        *(
            f"| {SCORES[name]} | "
            + " | ".join(
                f"{found['mean'][name]:.3f} ({min(d[name] for d in found['draws']):.3f}–{max(d[name] for d in found['draws']):.3f})"
                for found in sets
            )
            + " |"
            for name in names
        ),
        "",
    ]


def junk_lines(section: dict[str, Any]) -> list[str]:
    return [
        "The shipped retail model on what is no contact at all:",
        "",
        "| | texts | left to a person | labelled with confidence 0.9 or more |",
        "|---|---|---|---|",
        *(
            f"| {kind} | {found['texts']:,} | {share(found['left_to_a_person'])} | {share(found['confident'])} |"
            for kind, found in section.items()
        ),
        "",
    ]


def two_reason_lines(found: dict[str, Any]) -> list[str]:
    named = found["second_named"]
    return [
        "## Two reasons in one conversation",
        "",
        f"Trained on the {found['trained_on']:,} MultiDoGO training conversations with one reason; test conversations with exactly two.",
        "",
        "| | conversations | both are the first two | the first is one of them |",
        "|---|---|---|---|",
        f"| all | {found['both_in_top_two']['total']} | **{share(found['both_in_top_two'])}** | {share(found['first_right'])} |",
        *(f"| {domain} | {values['total']} | {share(values)} | |" for domain, values in found["by_domain"].items()),
        "",
        f"`Pipeline.second_reason` names a second one in {share(named['of_several'])} of the {named['with_several']} conversations with several; "
        f"where it names one in any of the {named['conversations']:,}, both are right in {share(named['right'])}.",
        "",
    ]
