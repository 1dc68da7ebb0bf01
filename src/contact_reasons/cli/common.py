"""What the commands share."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence

import typer
from rich.markup import escape

from contact_reasons.errors import BatchError, ContactReasonsError
from contact_reasons.terminal import err

__all__ = ["errors_shown", "input_columns"]


@contextlib.contextmanager
def errors_shown(options: Mapping[str, str] | None = None) -> Iterator[None]:
    """Errors of the tree as one message and exit code 2; an interrupt as one line.

    Parameters
    ----------
    options : mapping of str to str, optional
        By parameter of the library, as messages name it, the option that stands for it.
    """
    try:
        yield
    except ContactReasonsError as exc:
        text = _with_options(str(exc), options or {})
        err.print(f"[red]{type(exc).__name__}:[/red] {escape(text)}", soft_wrap=True, highlight=False)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        err.print("Interrupted. Nothing is lost: start the same command again to go on.")
        raise typer.Exit(130) from None


def _with_options(text: str, options: Mapping[str, str]) -> str:
    for name, option in options.items():
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", option, text)
    return text


def input_columns(texts: Sequence[str] | None) -> dict[str, str]:
    """Column by policy input, of ``--input NAME=COLUMN``."""
    columns = {}
    for text in texts or ():
        name, equals, column = text.partition("=")
        if not equals or not name:
            raise BatchError(f"--input {text!r}: write NAME=COLUMN, such as stage=lifecycle_stage")
        columns[name] = column
    return columns
