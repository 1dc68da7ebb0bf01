"""The files of a pack that is to be filled: taxonomy, policy, texts, and what to do next."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from contact_reasons.errors import PackError
from contact_reasons.resources import pack_names
from contact_reasons.taxonomy import Taxonomy
from contact_reasons.taxonomy.model import MAX_CODE_CHARS, word_of_id

__all__ = ["FORMS", "start_pack", "starter_policy", "taxonomy_file", "taxonomy_id_of"]

FORMS: Final = {
    "training.jsonl": (*("chat",) * 5, "sms", "email", "form", "call_note", "review"),
    "test.jsonl": ("chat", "email", "call_note"),
    "out_of_scope.jsonl": (*("other_business",) * 6, *("smalltalk",) * 4, "sales_pitch", "spam"),
}
"""What the lines of a new pack's text files ask for: a voice for each reason, a kind for texts without one."""

Line = Mapping[str, Any]


def taxonomy_id_of(name: str) -> str:
    """The taxonomy id that the name of a pack makes."""
    return word_of_id(name, MAX_CODE_CHARS)


def start_pack(
    folder: str | Path, taxonomy: Taxonomy, *, texts: Mapping[str, Iterable[Line]] | None = None, note: str = ""
) -> tuple[Path, ...]:
    """Write a pack to be filled: ``taxonomy.yaml``, ``policy.yaml``, ``texts/`` and ``README.md``. Nothing is overwritten.

    Parameters
    ----------
    folder : str or Path
        Made; it may be there if it is empty.
    taxonomy : Taxonomy
    texts : mapping of str to iterable of mapping, optional
        By file, its lines; by default lines whose texts are to be written.
    note : str
        What the README says first.

    Returns
    -------
    tuple of Path
        What was written.

    Raises
    ------
    PackError
        If the folder holds anything, has the name of a shipped pack, or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> reasons = Taxonomy.from_pairs([("Delivery", "Late"), ("Delivery", "Lost")])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in start_pack(Path(folder) / "shop", reasons)]
    ['taxonomy.yaml', 'policy.yaml', 'training.jsonl', 'test.jsonl', 'out_of_scope.jsonl', 'README.md']
    """
    folder = Path(folder)
    name = folder.resolve().name
    if name in pack_names():
        raise PackError(
            f"{folder}: {name!r} is the name of a shipped pack, which `--pack {name}` would mean; choose another"
        )
    files = {
        "taxonomy.yaml": taxonomy_file(taxonomy),
        "policy.yaml": starter_policy(taxonomy),
        **{f"texts/{file}": _lines(lines) for file, lines in (texts or _empty_texts(taxonomy)).items()},
        "README.md": _README.format(name=name, note=f"{note}\n\n" if note else ""),
    }
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise PackError(
                f"{folder}: there is something of that name already, and nothing is overwritten; choose another name or folder"
            )
        (folder / "texts").mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            with (folder / file).open("x", encoding="utf-8", newline="\n") as stream:
                stream.write(content)
    except OSError as exc:
        raise PackError(
            f"{folder}: the pack cannot be written ({exc.strerror or exc}); check the folder and its rights"
        ) from exc
    return tuple(folder / file for file in files)


# ------------------------------------------------------------------------------------------- taxonomy


def taxonomy_file(taxonomy: Taxonomy) -> str:
    """A taxonomy as a file to be filled: what is empty is marked ``TO FILL``, with what to write.

    Parameters
    ----------
    taxonomy : Taxonomy
    """
    lines = [
        "# Contact reasons. Ids never change; a renamed reason lists its old id under `formerly`.",
        f"taxonomy_id: {taxonomy.taxonomy_id}",
        f"version: {_scalar(taxonomy.version)}",
        _field("", "industry", taxonomy.industry, "such as retail"),
        _field(
            "", "interaction_type", taxonomy.interaction_type, "who contacts whom, such as consumer contacts of a shop"
        ),
        f"language: {_scalar(taxonomy.language)}",
        f"stages: {_scalar([*taxonomy.stages])}",
        "primaries:",
    ]
    for primary in taxonomy.primaries:
        lines += [f"  - id: {primary.id}", f"    label: {_scalar(primary.label)}"]
        lines += [_field("    ", "definition", primary.definition, "one line: what belongs here")]
        lines += [f"    formerly: {_scalar([*primary.formerly])}"] if primary.formerly else []
        lines += ["    secondaries:"]
        for secondary in primary.secondaries:
            near: list[dict[str, str]] = [{"reason": one.reason, "when": one.when} for one in secondary.not_this]
            lines += [f"      - id: {secondary.id}", f"        label: {_scalar(secondary.label)}"]
            lines += [_field("        ", key, value, hint) for key, value, hint in (
                ("definition", secondary.definition, "one line that decides doubtful texts"),
                ("not_this", near, "near-misses, such as {reason: another.id, when: if nothing has failed yet}"),
                ("stages", [*secondary.stages], "those above in which it occurs"),
                ("required_facts", [*secondary.required_facts], "what it takes to resolve it, such as order_number"),
                ("resolution", secondary.resolution, "the usual way to resolve it, in one line"),
                ("owner", secondary.owner, "who usually owns it"),
            )]  # fmt: skip
            lines += [f"        formerly: {_scalar([*secondary.formerly])}"] if secondary.formerly else []
    if any("# TO FILL: " in line for line in lines):
        lines.insert(1, "# What is marked TO FILL may stay empty while you try things out.")
    return "\n".join(lines) + "\n"


def _field(indent: str, key: str, value: Any, hint: str) -> str:
    if value:
        return f"{indent}{key}: {_scalar(value)}"
    empty = "[]" if isinstance(value, list) else '""'
    return f"{indent}{key + ':':<17} {empty}   # TO FILL: {hint}"


def _scalar(value: Any) -> str:
    """A value on one line of YAML; plain where that is safe."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1e9, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


# --------------------------------------------------------------------------------------------- policy


def starter_policy(taxonomy: Taxonomy) -> str:
    """A rule file for a taxonomy: complete, with promises that it keeps and a desk for each primary.

    Parameters
    ----------
    taxonomy : Taxonomy
    """
    ids = [primary.id for primary in taxonomy.primaries]
    desks = "\n".join(_DESK.format(primary=primary, pad=" " * (max(map(len, ids)) - len(primary))) for primary in ids)
    example = taxonomy.secondaries[0].id
    return _POLICY.format(taxonomy=taxonomy.taxonomy_id, desks=desks, example=example)


_DESK = """\
  - {{id: desk-{primary}-phone, {pad}when: {{reason: {primary}.*, {pad}arrival_channel: phone, open: true}},             then: {{channel: human_agent, priority: 5, skills: [{primary}]}}}}
  - {{id: desk-{primary}-chat,  {pad}when: {{reason: {primary}.*, {pad}arrival_channel: [web, app, chat], open: true}},  then: {{channel: chat, priority: 5, skills: [{primary}]}}}}"""

_POLICY = """\
# How each contact is helped: the first rule whose conditions all hold decides. A start: add rules of your own above the desks.
#
# Customer types: new (no order yet, or the first one), standard, gold (comes often), platinum (the most valuable), business
# (buys for a company); put your own words in their place. A value that is not known is `missing`; a condition does not hold
# for a missing value unless it lists `missing`. Rules that need a person on the line ask for `open: true`.
# `contact-reasons validate` proves that every contact has a rule and that every promise under `never` is kept.
router: {taxonomy}-service
version: 1.0.0
inputs:
  reason:                 {{type: tree, taxonomy: {taxonomy}, nullable: true}}   # missing: left to a person to label
  confidence:             {{type: real, min: 0, max: 1}}
  customer_type:          {{type: enum, values: [new, standard, gold, platinum, business], nullable: true}}
  vulnerable:             {{type: bool, nullable: true}}
  arrival_channel:        {{type: enum, values: [web, app, chat, phone, email, sms, social, store], nullable: true}}
  open:                   {{type: bool, nullable: true}}
  estimated_wait_seconds: {{type: int, min: 0, max: 86400, unit: s, nullable: true}}
  repeats_7d:             {{type: int, min: 0, max: 999, nullable: true}}
  sentiment:              {{type: real, min: -1, max: 1, nullable: true}}
never:
  - {{name: no vulnerable customer in self-service, when: {{vulnerable: true}}, channel: [self_service]}}
  - {{name: nobody live when closed, when: {{open: false}}, channel: [human_agent, chat]}}
  - {{name: no self-service without a reason, when: {{reason: missing}}, channel: [self_service]}}
  - {{name: no self-service on a third contact, when: {{repeats_7d: ">= 2"}}, channel: [self_service]}}
  - {{name: an angry customer is never sent to self-service, when: {{sentiment: "< -0.6"}}, channel: [self_service]}}
rules:
  # Customers who need care.
  - {{id: vulnerable-now,      when: {{vulnerable: true, open: true, estimated_wait_seconds: ["< 600", missing]}}, then: {{channel: human_agent, priority: 1, skills: [care]}}}}
  - {{id: vulnerable-callback, when: {{vulnerable: true}}, then: {{channel: callback, priority: 1, skills: [care]}}}}

  # Trouble that has lasted.
  - {{id: third-contact-now,      when: {{repeats_7d: ">= 2", open: true, estimated_wait_seconds: ["< 900", missing]}}, then: {{channel: human_agent, priority: 2, skills: [resolution]}}}}
  - {{id: third-contact-callback, when: {{repeats_7d: ">= 2"}}, then: {{channel: callback, priority: 3, skills: [resolution]}}}}

  # No reason was certain enough: a person finds out. Never a menu.
  - {{id: unsure-phone,   when: {{reason: missing, arrival_channel: phone, open: true}}, then: {{channel: human_agent, priority: 5, skills: [triage]}}}}
  - {{id: unsure-chat,    when: {{reason: missing, open: true}}, then: {{channel: chat, priority: 5, skills: [triage]}}}}
  - {{id: unsure-message, when: {{reason: missing}}, then: {{channel: message, priority: 6, skills: [triage]}}}}

  # Most valuable customers.
  - {{id: value-now, when: {{customer_type: [platinum, business], open: true, estimated_wait_seconds: ["< 600", missing]}}, then: {{channel: human_agent, priority: 3}}}}

  # TO FILL: what customers solve faster by themselves, when it is certain, new and calm; take the # away and list your reasons.
  # - {{id: self-service, when: {{reason: [{example}], confidence: ">= 0.6", repeats_7d: ["< 2", missing], sentiment: [">= -0.6", missing]}}, then: {{channel: self_service, priority: 7}}}}

  # A desk for each primary reason.
{desks}

  # Everybody else: on the phone when nobody is there, and in writing.
  - {{id: phone-callback, when: {{arrival_channel: phone}}, then: {{channel: callback, priority: 6}}}}
  - {{id: in-writing,     when: {{}}, then: {{channel: message, priority: 8}}}}
"""


# ---------------------------------------------------------------------------------------------- texts


def _empty_texts(taxonomy: Taxonomy) -> dict[str, list[Line]]:
    ids = [secondary.id for secondary in taxonomy.secondaries]
    lines: dict[str, list[Line]] = {
        file: [{"text": "", "reason": reason, "form": form} for reason in ids for form in FORMS[file]]
        for file in ("training.jsonl", "test.jsonl")
    }
    return {**lines, "out_of_scope.jsonl": [{"text": "", "kind": kind} for kind in FORMS["out_of_scope.jsonl"]]}


def _lines(lines: Iterable[Line]) -> str:
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


_README = """\
# {name}

{note}A pack of contact reasons: what customers contact you about, and how each contact is helped.

| file | what | what is left to do |
|---|---|---|
| `taxonomy.yaml` | the reasons | fill what is marked `TO FILL`; the definitions first: they decide doubtful texts |
| `texts/training.jsonl` | what customers write, by reason | write the texts: 10 a reason to begin with, 80 for good results; more lines may be added |
| `texts/test.jsonl` | the same, never trained on | write 3 a reason to begin with, by somebody else, in other words |
| `texts/out_of_scope.jsonl` | what belongs to no reason | other businesses, small talk, spam |
| `policy.yaml` | the rules | put your customer types and rules in place |

Lines without a text count as not written. Other voices make better texts: write as each kind of customer for **all** reasons, not one reason after the other.

What is missing, and whether everything fits:

    contact-reasons validate {name}

Train on the texts, and see how good it is (`report.md`):

    contact-reasons train --pack {name}

Or train on tickets of your own instead, about 20 a reason, labelled by people (columns `text`, `primary`, `secondary`, the labels as in `taxonomy.yaml`):

    contact-reasons train --labelled tickets.csv --primary-column primary --reason-column secondary --out {name}

Label and route:

    contact-reasons label new-tickets.csv --pack {name} --text-column text --out labelled.csv

In Python: `contact_reasons.load_pipeline("{name}")`. Commands are run from the folder that holds `{name}`.
"""
