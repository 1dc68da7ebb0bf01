"""The part of the page about the shipped retail model."""

from __future__ import annotations

from typing import Any


def share(value: dict[str, Any]) -> str:
    return f"{value['share']:.1%} ({value['low']:.1%}–{value['high']:.1%})"


def retail_lines(results: dict[str, Any]) -> list[str]:
    own, bitext, speeds = results["written_test"], results["bitext"], results["speed"]
    ratio = speeds["model_batch_10000"] / speeds["scikit_learn_batch_10000"]
    lines = [
        "## The shipped retail model: written texts and real texts, side by side",
        "",
        "The retail model as shipped, trained on our own written texts alone.",
        "",
        "| texts | secondary right | primary right | texts |",
        "|---|---|---|---|",
        f"| our test texts, written apart | {share(own['secondary_accuracy'])} | {share(own['primary_accuracy'])} | {own['texts']} |",
        f"| Bitext shop set, test split (intents mapped, `bitext_to_retail.json`) | {share(bitext['ours']['secondary'])} | {share(bitext['ours']['primary'])} | {bitext['ours']['secondary']['total']} |",
        f"| the same, scikit-learn word + character n-grams and linear SVM trained on the same texts | {share(bitext['scikit_learn']['secondary'])} | {share(bitext['scikit_learn']['primary'])} | {bitext['ours']['secondary']['total']} |",
        "",
        f"Of the {bitext['rows']} rows of the Bitext test split, {bitext['left_out_as_near_repeats']} share 80 % of their words with a training text and "
        f"{bitext['left_out_without_counterpart']} have an intent without counterpart; they are left out. "
        f"A secondary is reported for {share(bitext['reported_secondary'])}; of these {share(bitext['right_among_reported'])} are right. "
        f"{share(bitext['left_to_a_person'])} are left to a person.",
        "",
        "By the set's flags (Q colloquial, W offensive, Z typos, K keywords, P polite, B basic, …), secondary right: "
        + ", ".join(f"{flag} {value['share']:.0%} ({value['total']})" for flag, value in bitext["by_flag"].items())
        + ".",
        "",
        "## Chats of other businesses",
        "",
        "Whole conversations (MultiDoGO, test split) of businesses that are no shop. The retail pack has no reason for most of them and should leave them to a person.",
        "",
        "| business | chats | left to a person | most frequent labels otherwise |",
        "|---|---|---|---|",
    ]
    for domain, value in results["foreign_chats"].items():
        others = ", ".join(
            f"`{name}` {count}" for name, count in value["labels"].items() if name != "(left to a person)"
        )
        lines.append(
            f"| {domain} | {value['chats']} | {share(value['left_to_a_person'])} | {', '.join(others.split(', ')[:4])} |"
        )
    lines += [
        "",
        "## Speed of the shipped retail model",
        "",
        f"Contacts per second on one core, from clean strings of {speeds['characters_per_text']:.0f} characters on average, the peer in the same run; read them as ratios. "
        f"Machine: {results['machine']}.",
        "",
        "| | batch of 10,000 | one by one |",
        "|---|---|---|",
        f"| contact_reasons, model | {speeds['model_batch_10000']:,.0f} | {speeds['model_one_by_one']:,.0f} |",
        f"| scikit-learn word + character n-grams, linear SVM | {speeds['scikit_learn_batch_10000']:,.0f} | {speeds['scikit_learn_one_by_one']:,.0f} |",
        f"| contact_reasons, whole pipeline (cleaning, model, thresholds, routing) | {speeds['pipeline_handle_many']:,.0f} | {speeds['pipeline_handle_one_by_one']:,.0f} |",
        "",
        f"The model is {ratio:.1f} times as fast as the peer in batches, and {speeds['model_one_by_one'] / speeds['scikit_learn_one_by_one']:.1f} times one by one.",
        "",
    ]
    return lines
