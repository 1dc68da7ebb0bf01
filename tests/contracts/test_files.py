"""A damaged or foreign taxonomy or rule file: it loads, or there is one clear error from the tree; never anything else."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.errors import ContactReasonsError, PolicyError, TaxonomyError
from contact_reasons.resources import pack_files

FILES = pack_files("retail")


def damaged(raw: bytes, chance: random.Random) -> bytes:
    """Some bytes flipped, a stretch cut out, doubled or moved, or the end cut off."""
    content = bytearray(raw)
    for _ in range(chance.randrange(1, 4)):
        start = chance.randrange(len(content))
        stop = min(len(content), start + chance.randrange(1, 40))
        match chance.randrange(5):
            case 0:
                content[start] = chance.randrange(256)
            case 1:
                del content[start:stop]
            case 2:
                content[start:start] = content[start:stop]
            case 3:
                content[start:stop] = chance.choice(
                    [b"\n", b"- ", b"{", b"}", b": ", b"nan", b"'", b"&a ", b"*a", b"1e999", b"\t", b"null"]
                )
            case _:
                del content[max(start, 1) :]
    return bytes(content)


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_a_damaged_policy_or_taxonomy_never_raises_from_inside(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    chance = random.Random(seed)
    (folder / "policy.yaml").write_bytes(damaged(FILES.policy.read_bytes(), chance))
    (folder / "taxonomy.yaml").write_bytes(damaged(FILES.taxonomy.read_bytes(), chance))
    with contextlib.suppress(PolicyError):
        cr.RoutingPolicy.from_yaml(folder / "policy.yaml", taxonomy=cr.Taxonomy.load("retail")).analyse(
            budget=2000
        ).to_dict()
    with contextlib.suppress(TaxonomyError):
        cr.Taxonomy.from_yaml(folder / "taxonomy.yaml")


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff" * 50, b"PK\x03\x04", b"[1, 2]", b"just words", b"a: 1\n", b"%PDF-1.7", b'{"router": 1}'],
)
def test_a_foreign_file_is_neither_a_policy_nor_a_taxonomy(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "thing.yaml"
    file.write_bytes(content)
    for load in (cr.RoutingPolicy.from_yaml, cr.Taxonomy.from_yaml):
        with pytest.raises(ContactReasonsError, match=r"thing\.yaml"):
            load(file)
