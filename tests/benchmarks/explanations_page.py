"""The part of the page about explanations and questions."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.retail_page import share

TITLES = {
    "ours": "words named by `Pipeline.explain`",
    "ours_runner_up": "the same, `against` the runner-up alone",
    "occlusion": "words named by occlusion",
    "random": "random words",
}


def explanation_lines(results: dict[str, Any]) -> list[str]:
    seeds = ", ".join(map(str, results["seeds"]))
    lines = [
        "## Do explanations name the words that matter?",
        "",
        "The retail model as shipped. Of texts with a reported secondary and more than three words, one to three words are cut out and the rest is labelled again: by how much the probability of the "
        "reported reason falls (mean and 95 % interval); how often the label is another one or none. Occlusion cuts out each word alone and names those whose absence costs most; "
        f"it asks the very model that is measured, once a word. Random words: mean of the seeds {seeds}.",
        "",
    ]
    for name, found in results["sets"].items():
        removal = found["removal"]
        times = removal["milliseconds"]
        lines += [
            f"### {name[0].upper() + name[1:]}: {removal['texts']} texts of {removal['words_per_text']:.0f} words",
            "",
            "| | one word | two words | three words |",
            "|---|---|---|---|",
            *(
                f"| {title} | {' | '.join(cell(removal['table'][method][n]) for n in ('1', '2', '3'))} |"
                for method, title in TITLES.items()
            ),
            "",
            f"One explanation takes {times['ours']:.1f} ms (median, in NumPy), occlusion {times['occlusion']:.2f} ms (all texts at once through the compiled kernel).",
            "",
        ]
    lines += [
        "## Do questions offer the true reason?",
        "",
        "Of texts without a reported secondary: to how many `Pipeline.question` has a question, and in how many of these the true reason is among the two or three options.",
        "",
        "| texts | without a secondary | of these asked | true reason among the options | true reason is the first option |",
        "|---|---|---|---|---|",
    ]
    for name, found in results["sets"].items():
        asked = found["questions"]
        lines.append(
            f"| {name} | {asked['without_secondary']} of {asked['texts']} ({asked['in_scope']} have a reason) | {share(asked['asked'])} | "
            f"{share(asked['true_among_options'])} | {share(asked['true_first'])} |"
        )
    lines.append("")
    return lines


def cell(value: dict[str, Any]) -> str:
    if "least" in value:
        return f"{value['drop']:.3f}; {value['changed']:.0%}"
    return f"{value['drop']:.3f} ({value['low']:.3f}–{value['high']:.3f}); {value['changed']['share']:.0%}"
