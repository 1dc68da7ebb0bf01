"""The command ``contact-reasons label``."""

from __future__ import annotations

from contact_reasons.batch import label_file
from contact_reasons.cli.common import errors_shown, input_columns
from contact_reasons.options import (
    CalibrationOption,
    ChunkOption,
    DelimiterOption,
    EncodingOption,
    FormulaGuardOption,
    InputOption,
    JobsOption,
    ModelOption,
    OutOption,
    OverwriteOption,
    PackOption,
    PolicyOption,
    PrefixOption,
    RestartOption,
    SourceArgument,
    SubjectOption,
    TextOption,
    UnknownOption,
)
from contact_reasons.taxonomy import Taxonomy
from contact_reasons.terminal import row_progress, show_reasons, show_run

__all__ = ["label"]


def label(
    source: SourceArgument,
    out: OutOption,
    pack: PackOption = "retail",
    text_column: TextOption = "text",
    subject_column: SubjectOption = None,
    input: InputOption = None,
    model: ModelOption = None,
    policy: PolicyOption = None,
    calibration: CalibrationOption = None,
    prefix: PrefixOption = "cr_",
    jobs: JobsOption = 1,
    chunk_rows: ChunkOption = 5000,
    delimiter: DelimiterOption = ",",
    encoding: EncodingOption = "utf-8",
    formula_guard: FormulaGuardOption = True,
    unknown_as_missing: UnknownOption = False,
    overwrite: OverwriteOption = False,
    restart: RestartOption = False,
) -> None:
    """Give every ticket its contact reason and the channel to help it on.

    Columns named like inputs of the policy (stage, open, customer_type, …) are read by themselves.

    An interrupted run goes on when it is started again. Rows that cannot be read go to a reject file, with the cause.

    [bold]Example[/bold]

        contact-reasons label tickets.csv --pack retail --text-column body --input stage=lifecycle --out labelled.parquet
    """
    with errors_shown(), row_progress(source.name) as progress:
        report = label_file(
            source,
            out,
            pack=pack,
            text_column=text_column,
            subject_column=subject_column,
            inputs=input_columns(input),
            model=model,
            policy=policy,
            calibration=calibration,
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
    with errors_shown():
        show_reasons(report, Taxonomy.load(pack))
        show_run(report)
