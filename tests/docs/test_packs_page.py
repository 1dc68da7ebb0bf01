"""The page of the packs is the one that their files make."""

from __future__ import annotations

from contact_reasons.resources import pack_names
from tests.tools import load_tool

tool = load_tool("make_packs_page")


def test_the_page_of_the_packs_is_made_from_their_files() -> None:
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), "a pack changed: run `make packs-page`"


def test_the_page_names_every_pack_with_its_rules_and_customers() -> None:
    page = tool.page()
    for name in pack_names():
        policy = tool.policy_of(name)
        assert page.count(f"\n## {name}\n") == 1
        assert f"{len(policy['rules'])} rules, {len(policy['never'])} promises" in page
        assert all(f"`{value}`" in page for value in policy["inputs"]["customer_type"]["values"])
        assert all(f"`{field}`" in page for field in policy["inputs"])
