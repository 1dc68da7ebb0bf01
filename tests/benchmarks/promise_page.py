"""The section of promised error rates, from its figures."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.promise import AUDITED_SHARE, METHODS


def promise_lines(section: dict[str, Any]) -> list[str]:
    error, assurance, repeats = section["error"], section["assurance"], section["repeats"]
    lines = [
        "## Promised error rates",
        "",
        f"Models trained on all training texts with defaults; thresholds found on a part of the test texts to promise that at most {error:.0%} of "
        f"what is labelled is wrong, with {assurance:.0%} assurance; {repeats} times, the same parts for all. *Halves*: calibrated on one half, counted on the other: "
        "chance in the count breaks promises of the long run more often than the assurance says, and those made for such a count "
        f"(`--audited`, of {AUDITED_SHARE:.0%} of the other half) do not. *Draws*: half as many texts drawn with replacement, counted on all test texts, where the rate of the long run is known. "
        "MAPIE controls the precision of the most probable reason (`BinaryClassificationController`, its probability as score, same rate and assurance).",
        "",
    ]
    for found in section["sets"].values():
        lines += [
            f"### {found['title']}: {found['rows']:,} test texts, {found['right']:.1%} right if all are labelled",
            "",
            "| | halves: kept | of the first 100 | wrong | labelled | at secondary + primary | draws: kept | labelled |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for name, half in found["halves"].items():
            drawn = found["draws"][name]
            lines.append(
                f"| {METHODS[name]} | {half['kept']:.1%} | {half['kept_of_first_100']} | {half['error']:.2%} | {half['labelled']:.1%} | "
                f"{half['secondary']:.1%} + {half['primary']:.1%} | {drawn['kept']:.1%} | {drawn['labelled']:.1%} |"
            )
        lines.append("")
    if not any("mapie" in found["halves"] for found in section["sets"].values()):
        lines += ["MAPIE was left out: it is not installed.", ""]
    stamp = section["stamp"]
    libraries = ", ".join(f"{name} {version}" for name, version in stamp["versions"].items())
    models = ", ".join(f"`{sha[:12]}` ({name})" for name, sha in stamp["models"].items())
    lines += [f"Figures of `promise`: {stamp['machine']}; {libraries}; models {models}.", ""]
    return lines
