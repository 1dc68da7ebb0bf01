"""The command ``contact-reasons explain``."""

from __future__ import annotations

from typing import Annotated

import typer

from contact_reasons.cli.common import errors_shown
from contact_reasons.options import PackOption
from contact_reasons.pipeline import load_pipeline
from contact_reasons.terminal import print_line

__all__ = ["explain"]


def explain(
    text: Annotated[str, typer.Argument(help="What the customer wrote; - reads it from standard input.")],
    pack: PackOption = "retail",
    against: Annotated[str | None, typer.Option(metavar="ID", help="One rival, instead of all others.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON instead.")] = False,
) -> None:
    """Show which words of a text counted for and against its reason.

    [bold]Example[/bold]

        contact-reasons explain "it says delivered but it is not here" --pack retail
    """
    from contact_reasons.records import Contact
    from contact_reasons.terminal import show_explanation

    with errors_shown():
        contact = Contact(text=typer.get_text_stream("stdin").read() if text == "-" else text)
        explanation = load_pipeline(pack).explain(contact, against=against)
    print_line(explanation.to_json()) if as_json else show_explanation(explanation)
