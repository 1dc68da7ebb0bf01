"""The command ``contact-reasons route``."""

from __future__ import annotations

from typing import Annotated

import typer

from contact_reasons.batch import route_file
from contact_reasons.cli.common import errors_shown, input_columns
from contact_reasons.options import (
    ChunkOption,
    DelimiterOption,
    EncodingOption,
    FormulaGuardOption,
    InputOption,
    JobsOption,
    OutOption,
    OverwriteOption,
    PackOption,
    PolicyOption,
    PrefixOption,
    RestartOption,
    SourceArgument,
    UnknownOption,
)
from contact_reasons.terminal import row_progress, show_run

__all__ = ["route"]


def route(
    source: SourceArgument,
    out: OutOption,
    pack: PackOption = "retail",
    input: InputOption = None,
    policy: PolicyOption = None,
    certain: Annotated[bool, typer.Option(help="Reasons were checked by people: confidence counts as 1.")] = False,
    prefix: PrefixOption = "routed_",
    jobs: JobsOption = 1,
    chunk_rows: ChunkOption = 5000,
    delimiter: DelimiterOption = ",",
    encoding: EncodingOption = "utf-8",
    formula_guard: FormulaGuardOption = True,
    unknown_as_missing: UnknownOption = False,
    overwrite: OverwriteOption = False,
    restart: RestartOption = False,
) -> None:
    """Give tickets whose reasons are known the channel to help them on, without looking at their text.

    [bold]Example[/bold]

        contact-reasons route labelled.csv --input reason=cr_reason --input confidence=cr_confidence --policy new-rules.yaml --out routed.csv
    """
    with errors_shown(), row_progress(source.name) as progress:
        report = route_file(
            source,
            out,
            pack=pack,
            inputs=input_columns(input),
            policy=policy,
            certain=certain,
            prefix=prefix,
            jobs=jobs,
            chunk_rows=chunk_rows,
            delimiter=delimiter,
            encoding=encoding,
            formula_guard=formula_guard,
            unknown_as_missing=unknown_as_missing,
            overwrite=overwrite,
            restart=restart,
            progress=progress,
        )
    show_run(report)
