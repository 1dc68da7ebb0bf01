"""Hypothesis generators: taxonomies, policies with values, any text."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

any_text = st.text(st.characters(), max_size=200)
words = st.sampled_from(
    [
        "parcel",
        "order",
        "late",
        "where",
        "refund",
        "money",
        "invoice",
        "please",
        "hello",
        "account",
        "£5",
        "50%",
        "can't",
        "café",
        "日本語",
        "שלום",
        "😀",
        "#4711-22",
        "x@example.org",
    ]
)
contact_text = st.lists(words, max_size=25).map(" ".join) | any_text

_slug = st.from_regex(r"[a-z](?:_?[a-z0-9]){0,5}", fullmatch=True).filter(lambda slug: slug != "missing")


@st.composite
def taxonomies(draw: st.DrawFn) -> dict[str, Any]:
    """A valid taxonomy, as the content of its file."""
    primaries = draw(st.lists(_slug, min_size=1, max_size=4, unique=True))
    label = st.text("abc no: #'\"é-", min_size=1, max_size=20).filter(str.strip)
    return {
        "taxonomy_id": draw(_slug),
        "version": draw(st.sampled_from(["1", "1.0.0", "no", "2026-11-21"])),
        "primaries": [
            {
                "id": primary,
                "label": draw(label),
                "definition": draw(label),
                "secondaries": [
                    {
                        "id": f"{primary}.{leaf}",
                        "label": draw(label),
                        "definition": draw(label),
                        "stages": [],
                        "required_facts": [],
                        "resolution": "Look it up.",
                        "owner": "Operations",
                    }
                    for leaf in draw(st.lists(_slug, min_size=1, max_size=4, unique=True))
                ],
            }
            for primary in primaries
        ],
    }


TREE = {"billing": ["refund", "invoice"], "delivery": ["late"]}
INPUTS: dict[str, dict[str, Any]] = {
    "reason": {"type": "tree", "values": TREE, "nullable": True},
    "tier": {"type": "enum", "values": ["std", "gold", "vip"]},
    "open": {"type": "bool", "nullable": True},
    "wait": {"type": "int", "min": 0, "max": 20, "nullable": True},
    "mood": {"type": "real", "min": -1, "max": 1, "nullable": True},
}
VALUES: dict[str, list[Any]] = {
    "reason": ["billing", "billing.refund", "billing.invoice", "delivery", "delivery.late", None],
    "tier": ["std", "gold", "vip"],
    "open": [True, False, None],
    "wait": [*range(21), None],
    "mood": [-1.0, -0.51, -0.5, -0.25, 0.0, 0.25, 0.5, 0.51, 1.0, None],
}
_CELLS: dict[str, list[Any]] = {
    "reason": [
        "billing.*",
        "billing",
        "billing.refund",
        "delivery.late",
        "missing",
        ["delivery.*", "missing"],
        ["billing.invoice", "delivery"],
    ],
    "tier": ["std", "gold", ["gold", "vip"]],
    "open": [True, False, "missing", [False, "missing"]],
    "wait": ["< 5", "<= 5", "> 5", ">= 5", 7, "[3, 9)", "(3, 9]", ["< 2", "missing"], ["[0, 1]", "> 18"], "missing"],
    "mood": ["< -0.5", "<= -0.5", "> 0.25", ">= 0.25", 0, "(-0.5, 0.5)", "[-0.5, 0.5]", ["< 0", "missing"], "missing"],
}


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(sorted(_CELLS)), max_size=3, unique=True))
    return {name: draw(st.sampled_from(_CELLS[name])) for name in names}


@st.composite
def policies(draw: st.DrawFn, *, catch_all: bool | None = None) -> dict[str, Any]:
    """A valid rule file's content; with or without a last rule for everybody."""
    channels = ["self_service", "message", "chat", "callback", "human_agent"]
    whens = draw(st.lists(conditions(), min_size=1, max_size=8))
    if catch_all is None:
        catch_all = draw(st.booleans())
    if catch_all:
        whens.append({})
    return {
        "router": "random",
        "version": "1",
        "inputs": INPUTS,
        "rules": [
            {"id": f"r{i}", "when": when, "then": {"channel": draw(st.sampled_from(channels)), "priority": 1 + i % 9}}
            for i, when in enumerate(whens)
        ],
    }


def values() -> st.SearchStrategy[dict[str, Any]]:
    """Values of one contact for `INPUTS`."""
    return st.fixed_dictionaries({name: st.sampled_from(options) for name, options in VALUES.items()})
