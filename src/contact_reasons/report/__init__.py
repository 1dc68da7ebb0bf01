"""How good a pipeline is on texts whose reasons are known: every measure as one record, and as one page to show."""

from contact_reasons.report.evaluation import Evaluation, evaluate, evaluate_file, write_evaluation

__all__ = ["Evaluation", "evaluate", "evaluate_file", "write_evaluation"]
