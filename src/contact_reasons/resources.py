"""Where shipped taxonomies, models and the prior lie, in a wheel, an editable install or a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from contact_reasons.errors import PackError, nearest, shorten

__all__ = [
    "PackFiles",
    "background_file",
    "example_prices_file",
    "pack_files",
    "pack_names",
    "prior_folder",
    "turns_folder",
]

_PACKAGE = Path(__file__).resolve().parent


def _root() -> Path:
    """Folder that holds ``taxonomies/`` and ``models/``.

    A wheel carries them inside the package (``_shipped``); an editable install and a checkout have
    them at the top, two floors above ``src/contact_reasons``.
    """
    for root in (_PACKAGE / "_shipped", _PACKAGE.parents[1]):
        if (root / "taxonomies").is_dir():
            return root
    raise PackError(
        f"the shipped taxonomies were not found in {_PACKAGE / '_shipped'} or {_PACKAGE.parents[1]}; "
        "the installation is incomplete: install the package again"
    )


def pack_names() -> tuple[str, ...]:
    """Names of the shipped packs, sorted."""
    return tuple(sorted(path.parent.name for path in (_root() / "taxonomies").glob("*/taxonomy.yaml")))


def prior_folder() -> Path:
    """Folder of the shipped prior. Existence is checked by whoever reads it."""
    return _root() / "models" / "prior"


def turns_folder() -> Path:
    """Folder of the shipped model of turns. Existence is checked by whoever reads it."""
    return _root() / "models" / "turns"


def background_file() -> Path:
    """Gzipped lines of JSON with texts that belong to hardly any taxonomy. Existence is checked by whoever reads it."""
    return _root() / "models" / "background.jsonl.gz"


def example_prices_file() -> Path:
    """The example of a price list. Existence is checked by whoever reads it."""
    return _root() / "taxonomies" / "example-prices.yaml"


class PackFiles(NamedTuple):
    """Where the parts of a pack lie. Existence is checked by whoever reads them.

    Parameters
    ----------
    name : str
    taxonomy, policy : Path
        YAML files.
    texts : Path
        Folder of training and test texts.
    model : Path
        Folder of the trained model.
    """

    name: str
    taxonomy: Path
    policy: Path
    texts: Path
    model: Path


def pack_files(pack: str | Path) -> PackFiles:
    """Parts of a shipped pack, by name, or of a pack of your own, by the path of its folder.

    A folder of your own holds ``taxonomy.yaml``, ``policy.yaml``, ``texts/`` and ``model/``.

    Raises
    ------
    PackError
        If neither a shipped pack nor a folder with a taxonomy goes by that name.
    """
    names = pack_names()
    if isinstance(pack, str) and pack in names:
        root = _root()
        folder = root / "taxonomies" / pack
        return PackFiles(
            pack, folder / "taxonomy.yaml", folder / "policy.yaml", folder / "texts", root / "models" / pack
        )
    folder = Path(pack)
    if (folder / "taxonomy.yaml").is_file():
        return PackFiles(
            folder.resolve().name,
            folder / "taxonomy.yaml",
            folder / "policy.yaml",
            folder / "texts",
            folder / "model",
        )
    raise PackError(
        f"no pack is called {shorten(str(pack))}, and no folder of that path holds a taxonomy.yaml; "
        f"{nearest(str(pack), names)} `contact-reasons packs` lists the shipped ones"
    )
