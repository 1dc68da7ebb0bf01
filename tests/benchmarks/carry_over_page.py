"""The part of the page about the shipped packs on real contacts."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.retail_page import share


def carry_over_lines(section: dict[str, Any]) -> list[str]:
    sets = section["sets"]
    lines = [
        "## The shipped packs on real contacts",
        "",
        "Packs as shipped, trained on our own written texts alone; test splits of public sets whose intents were mapped to reasons (`tests/benchmarks/maps/`). "
        "Peer: MiniLM sentence vectors and logistic regression, trained on the same written texts (C chosen on a held-out fifth of them). "
        "A conversation with several intents is right if one of them is named. Texts that share 80 % of their words with a training text are left out. "
        "Which kinds of texts to write was decided on the training and dev splits of these sets, so they flatter somewhat; the test splits were not looked at.",
        "",
        "| set | pack | contacts | left out: no counterpart, near repeats | secondary right | primary right | MiniLM, secondary | MiniLM, primary |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for title, found in sets.items():
        own, peer = found["scores"]["ours"], found["scores"][found["against"]["peer"]]
        lines.append(
            f"| {title} | {found['pack']} | {found['contacts']:,} | {found['left_out']['without_counterpart']}, {found['left_out']['near_repeats']} | "
            f"**{share(own['secondary'])}** | **{share(own['primary'])}** | {share(peer['secondary'])} | {share(peer['primary'])} |"
        )
    lines += [
        "",
        "MiniLM is given what does it best: of conversations either all that the customer wrote, or the turns that our model of turns picked, whichever is right more often on the test split.",
        "",
        "| set | ours right, MiniLM wrong : the reverse | reported with a secondary | right among these | left to a person |",
        "|---|---|---|---|---|",
        *(
            f"| {title} | {found['against']['ours_only']} : {found['against']['theirs_only']} (p = {found['against']['p']:.2g}) | {share(found['reported'])} | "
            f"{share(found['right_among_reported'])} | {share(found['left_to_a_person'])} |"
            for title, found in sets.items()
        ),
        "",
        "Reading the turns that say why, against reading all the customer wrote; secondary right (primary right):",
        "",
        "| set | ours, turns that say why | ours, whole conversation | MiniLM, turns that say why | MiniLM, whole | ours, conversations of one intent |",
        "|---|---|---|---|---|---|",
    ]
    for title, found in sets.items():
        if not found["conversations"]:
            continue
        cells = [both(found["scores"][name]) for name in ("ours", "ours_whole", "minilm_read", "minilm")]
        cells.append(both(found["scores"]["ours"], "_single"))
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return [*lines, ""]


def archive_lines(section: dict[str, Any]) -> list[str]:
    return [
        "With the set's own training texts as an archive without labels (`fit(unlabelled=..., teacher=minilm())`, default settings), no transformer when labelling:",
        "",
        "| set | archive | secondary right | primary right |",
        "|---|---|---|---|",
        *(
            f"| {title} | {found['archive']:,} | {share(found['scores']['secondary'])} | {share(found['scores']['primary'])} |"
            for title, found in section["sets"].items()
        ),
        "",
    ]


def both(scores: dict[str, Any], which: str = "") -> str:
    if f"secondary{which}" not in scores:
        which = ""
    return f"{100 * scores[f'secondary{which}']['share']:.1f} ({100 * scores[f'primary{which}']['share']:.1f})"
