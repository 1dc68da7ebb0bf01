"""The page of measurements and the short table of the README, from the figures alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.benchmarks.carry_over_page import archive_lines, carry_over_lines
from tests.benchmarks.charts import CHARTS, write_charts
from tests.benchmarks.cold_start import cold_start_lines
from tests.benchmarks.databases import database_lines
from tests.benchmarks.explanations_page import explanation_lines
from tests.benchmarks.peers import PEERS
from tests.benchmarks.promise_page import promise_lines
from tests.benchmarks.proofs import proof_lines
from tests.benchmarks.replay_speed import replay_lines
from tests.benchmarks.retail_page import retail_lines
from tests.benchmarks.routing_speed import routing_speed_lines
from tests.benchmarks.service import service_lines
from tests.benchmarks.tried import tried_lines
from tests.benchmarks.trust_page import trust_lines

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def percent(value: dict[str, Any]) -> str:
    return f"{100 * value['share']:.1f} ({100 * value['low']:.1f}–{100 * value['high']:.1f})"


def p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"


def megabytes(value: float) -> str:
    return f"{value / 1e6:.1f}" if value < 1e7 else f"{value / 1e6:,.0f}"


def number(value: float) -> str:
    """Three figures, as speeds vary by more than the rest."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def engine_lines(engine: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    if "accuracy" in engine:
        lines += accuracy_lines(engine["accuracy"])
    if "few_shot" in engine:
        lines += few_shot_lines(engine["few_shot"])
    if "speed" in engine:
        lines += speed_lines(engine["speed"], with_chart="accuracy" in engine)
    if "cold_start" in engine:
        lines += cold_start_lines(engine["cold_start"])
    if lines:
        lines += settings_lines(engine)
    return lines


def accuracy_lines(section: dict[str, Any]) -> list[str]:
    lines = [
        "## Trained on all training texts",
        "",
        "Public sets with their published split; texts that recur almost alike in training and test are left in for all. The primary level of Banking77 is "
        'our grouping, that of HWU64 its own. Everyone gets the same strings. Per cent right with 95 % Wilson intervals. "Against it": test texts that only '
        "ours has right : only the other, at the secondary level, with McNemar's exact test. The primary is the parent of the secondary that is predicted. Training on one core: the choice of a setting "
        "is not counted, the encoding of the training texts by MiniLM is.",
        "",
    ]
    for found in section["sets"].values():
        own = [name for name in ("ours", "ours_teacher") if name in found["peers"]]
        lines += [
            f"### {found['title']}: {found['train']:,} training texts, {found['test']:,} test texts, "
            f"{found['reasons']} reasons, {found['primaries']} primaries",
            "",
            f"| | secondary | primary |{''.join(f' {PEERS[name].title}, against it |' for name in own)} training |",
            f"|---|---|---|{'---|' * len(own)}---|",
        ]
        for name, values in found["peers"].items():
            tests = "".join(f" {against(values['mcnemar'].get(each))} |" for each in own)
            lines.append(
                f"| {PEERS[name].title} | {percent(values['secondary'])} | {percent(values['primary'])} |{tests} "
                f"{seconds(values['training_seconds'])} |"
            )
        lines.append("")
    return lines


def against(tests: dict[str, Any] | None) -> str:
    if tests is None:
        return ""
    test = tests["secondary"]
    return f"{test['ours_only']} : {test['theirs_only']}, {p_value(test['p'])}"


def few_shot_lines(section: dict[str, Any]) -> list[str]:
    seeds = ", ".join(map(str, section["seeds"]))
    n_each = section["n_per_reason"]
    lines = [
        f"## {'Ten' if n_each == 10 else n_each} texts a reason",
        "",
        f"{n_each} training texts of each reason, drawn with the seeds {seeds}; means over the draws, with the Wilson interval for the number of test texts, the median of the training times, and the least "
        "and most of the draws. With a teacher, contact_reasons also uses the other training texts, without their reasons, as any company's archive would be; the "
        'others have no use for them. "Against it": in how many draws ours is better or worse with p < 0.05 (McNemar\'s exact test).',
        "",
        "![Bars: secondary reason right with ten texts a reason](few-shot.svg)",
        "",
    ]
    for found in section["sets"].values():
        own = "ours_teacher" if "ours_teacher" in found["peers"] else "ours"
        lines += [
            f"### {found['title']}, {n_each} a reason",
            "",
            f"| | secondary | least–most | primary | {PEERS[own].title}, against it | training |",
            "|---|---|---|---|---|---|",
        ]
        for name, values in found["peers"].items():
            level = values["secondary"]
            spread = f"{100 * level['least']:.1f}–{100 * level['most']:.1f}" if values["seeds"] > 1 else "one draw"
            lines.append(
                f"| {PEERS[name].title} | {percent(level)} | {spread} | {percent(values['primary'])} | "
                f"{verdicts(values['mcnemar'].get(own))} | {seconds(values['training_seconds'])} |"
            )
        lines.append("")
    return lines


def verdicts(tests: dict[str, Any] | None) -> str:
    if tests is None:
        return ""
    clear = [test for test in tests["secondary"] if test["p"] < 0.05]
    better = sum(test["ours_only"] > test["theirs_only"] for test in clear)
    return f"better in {better}, worse in {len(clear) - better} of {len(tests['secondary'])}"


def speed_lines(section: dict[str, Any], *, with_chart: bool) -> list[str]:
    rate = section["bytes_per_text"]
    few = sorted({values["batch_texts"] for values in section["peers"].values()})
    own = [name for name in ("ours", "ours_ngrams") if name in section["peers"]]
    lines = [
        "## Speed and size",
        "",
        f"The models trained on all of {section['set']}, from strings to ids, {rate:.0f} bytes a text. Each in its own process, all on the same core with one thread, in "
        f"{section['rounds']} interleaved rounds; medians. Batches of {few[-1]:,} texts"
        + (f", of {few[0]:,} for those with a transformer" if few[0] != few[-1] else "")
        + f". One by one: {section['one_by_one_texts']} texts a round. Load: from the start of a process to its first label, files in the page cache "
        f"(Python alone: {section['python_start_seconds']:.2f} s). Memory: the most that was resident while labelling. Disk: the model, plus what "
        "it shares with other models. Speeds change from machine to machine and hour to hour: read the ratios.",
        "",
    ]
    if with_chart:
        lines += ["![Points: secondary reason right against contacts per second](accuracy-speed.svg)", ""]
    lines += [
        "| | contacts/s | MB/s | one text: median, 95th percentile | load | memory, MB | disk, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, values in section["peers"].items():
        shared = f" + {megabytes(values['shared_bytes'])}" if values["shared_bytes"] else ""
        lines.append(
            f"| {PEERS[name].title} | {number(values['per_second'])} | {values['bytes_per_second'] / 1e6:.2g} | "
            f"{number(values['one_microseconds'])} µs, {number(values['one_microseconds_p95'])} µs | "
            f"{values['load_seconds']:.2f} s | {values['peak_bytes'] / 1e6:,.0f} | "
            f"{megabytes(values['model_bytes'])}{shared} |"
        )
    lines += ["", "How many times as fast as the others, in the same run (least–most of the rounds):", ""]
    lines += ["| | batch | one by one |", "|---|---|---|"]
    for name, values in section["peers"].items():
        for each in own:
            if each in values.get("ratios", {}):
                ratios = values["ratios"][each]
                lines.append(
                    f"| {PEERS[each].title} : {PEERS[name].title} | {ratio(ratios['batch'])} | {ratio(ratios['one'])} |"
                )
    lines.append("")
    threads = section["two_threads"]
    if threads is not None:
        lines.append(
            f"Two threads label {threads['ratio']:.2f} times as many contacts as one "
            f"({number(threads['two_per_second'])} and {number(threads['one_per_second'])} a second, on two cores). "
            f"Two processes with a model of their own, side by side, reach {threads['processes_ratio']:.2f} times: what this machine gives."
        )
    training = section["training"]
    if training["seconds"]:
        each = "; ".join(f"{PEERS[name].title} {seconds:.0f} s" for name, seconds in training["seconds"].items())
        lines.append(
            f"Training with defaults on all {training['cores']} cores, calibration and scope included, no other worker beside it: {each}."
        )
    whole = section["handle"]
    lines += [
        f"A whole contact through `Pipeline.handle` of the retail pack (cleaning, model, thresholds, routing; {whole['characters_per_text']:.0f} characters on average) takes "
        f"{number(whole['microseconds'])} µs (median; 95th percentile {number(whole['microseconds_p95'])} µs).",
        "",
    ]
    return lines


def ratio(value: dict[str, float]) -> str:
    return f"{value['median']:.3g} ({value['least']:.3g}–{value['most']:.3g})"


def settings_lines(engine: dict[str, Any]) -> list[str]:
    """Who took part with which settings, who did not, and on what."""
    names = [
        name
        for name in PEERS
        if any(
            name in found["peers"]
            for section in ("accuracy", "few_shot")
            for found in engine.get(section, {}).get("sets", {}).values()
        )
        or name in engine.get("speed", {}).get("peers", {})
    ]
    lines = [
        "## Who took part",
        "",
        "Where several values are named, the one that was best on a held-out fifth of the training texts (seeded, each reason alike) was taken, and the model "
        "trained again on all.",
    ]
    lines.append("")
    lines += [f"- {PEERS[name].title}: {PEERS[name].settings}{chosen(engine, name)}" for name in names]
    left_out = {name: why for section in engine.values() for name, why in section["left_out"].items()}
    lines += [f"- left out: {PEERS[name].title} ({why})" for name, why in left_out.items()]
    if "setfit" not in names and "setfit" not in left_out:
        lines.append("- left out: SetFit, which takes minutes to train (`--with-setfit`)")
    lines.append("")
    for section, values in engine.items():
        stamp = values["stamp"]
        libraries = ", ".join(f"{name} {version}" for name, version in stamp["versions"].items())
        models = ", ".join(f"`{sha[:12]}` ({name})" for name, sha in stamp["models"].items())
        lines.append(
            f"Figures of `{section.replace('_', '-')}`: {stamp['machine']}; {libraries}; models {models or 'not kept'}."
        )
        lines.append("")
    return lines


def chosen(engine: dict[str, Any], name: str) -> str:
    found = [
        f"{values['peers'][name]['choice']:g} ({values['title']})"
        for values in engine.get("accuracy", {}).get("sets", {}).values()
        if name in values["peers"] and values["peers"][name]["choice"] is not None
    ]
    return f"; chosen: {', '.join(found)}" if found else ""


def page(results: dict[str, Any]) -> str:
    lines = [
        "# Measurements",
        "",
        "Generated by `python -m tests.benchmarks` (`make benchmarks`); figures in `tests/benchmarks/results.json`. Shares with 95 % Wilson intervals.",
        "",
        *engine_lines(results.get("engine", {})),
        *(promise_lines(results["promise"]) if "promise" in results else []),
        *(retail_lines(results) if "bitext" in results else []),
        *(carry_over_lines(results["carry_over"]) if "carry_over" in results else []),
        *(archive_lines(results["archives"]) if "archives" in results else []),
        *(trust_lines(results["trust"]) if "trust" in results else []),
        *(explanation_lines(results["explanations"]) if "explanations" in results else []),
        *(routing_speed_lines(results["routing_speed"]) if "routing_speed" in results else []),
        *(database_lines(results["databases"]) if "databases" in results else []),
        *(replay_lines(results["replay"]) if "replay" in results else []),
        *(service_lines(results["service"]) if "service" in results else []),
        *(tried_lines(results["tried"]) if "tried" in results else []),
        *(proof_lines(results["proofs"]) if "proofs" in results else []),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def readme_block(results: dict[str, Any]) -> str:
    """What stands between the markers of the README."""
    engine = results.get("engine", {})
    if not {"accuracy", "few_shot", "speed"} <= set(engine):
        return f"{BEGIN}\n{END}"
    title = engine["speed"]["set"]
    full = next(found for found in engine["accuracy"]["sets"].values() if found["title"] == title)
    few = next(found for found in engine["few_shot"]["sets"].values() if found["title"] == title)["peers"]
    lines = [
        BEGIN,
        f"{title} ({full['reasons']} reasons), secondary reason right in per cent; the speed of all on one core in the same run:",
        "",
        f"| | all {full['train']:,} texts | ten a reason | contacts/s | one text | load | model, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, values in full["peers"].items():
        speed = engine["speed"]["peers"].get(name)
        if speed is None or name not in few:
            continue
        lines.append(
            f"| {PEERS[name].title} | {100 * values['secondary']['share']:.1f} | {100 * few[name]['secondary']['share']:.1f} | "
            f"{number(speed['per_second'])} | {number(speed['one_microseconds'])} µs | {speed['load_seconds']:.2f} s | "
            f"{megabytes(speed['model_bytes'] + speed['shared_bytes'])} |"
        )
    return "\n".join([*lines, END])


def with_block(readme: str, block: str) -> str:
    """The README with its measured part replaced.

    Raises
    ------
    ValueError
        If it has not exactly one pair of markers.
    """
    if readme.count(BEGIN) != 1 or readme.count(END) != 1 or readme.index(BEGIN) > readme.index(END):
        raise ValueError(f"the README must hold {BEGIN} once and {END} once after it")
    return readme[: readme.index(BEGIN)] + block + readme[readme.index(END) + len(END) :]


def write_pages(results: dict[str, Any], out: Path) -> None:
    folder = out / "docs" / "explanation"
    readme = out / "README.md"
    replaced = with_block(readme.read_text(encoding="utf-8"), readme_block(results))
    (folder / "measurements.md").write_text(page(results), encoding="utf-8")
    readme.write_text(replaced, encoding="utf-8")
    if not write_charts(results, folder):
        print(f"{', '.join(CHARTS)}: not drawn; install matplotlib, or measure accuracy and speed first")
