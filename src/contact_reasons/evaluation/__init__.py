"""Measures on plain arrays and ids: anyone's predictions can be judged."""

from contact_reasons.evaluation.reasons import (
    Confusion,
    Proportion,
    ReasonScore,
    ReasonScores,
    proportion,
    score_reasons,
)

__all__ = ["Confusion", "Proportion", "ReasonScore", "ReasonScores", "proportion", "score_reasons"]
