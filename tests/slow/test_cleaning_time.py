"""Cleaning takes time in proportion to the text, whatever the text."""

from __future__ import annotations

import time

import pytest

from contact_reasons import clean_text
from tests.hostile_texts import HOSTILE_TEXTS, ONCE_HUNG

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", HOSTILE_TEXTS)
def test_time_grows_linearly_on_hostile_texts(name: str) -> None:
    """Sixteen times the text may take at most 60 times the processor time: quadratic cleaning would take 256 times."""

    def seconds(size: int) -> float:
        text = (HOSTILE_TEXTS[name] * size)[:size]
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            clean_text(text)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(320_000) <= 60 * max(seconds(20_000), 0.002)


@pytest.mark.parametrize("text", ONCE_HUNG)
def test_texts_that_once_hung_are_cleaned_in_no_time(text: str) -> None:
    start = time.process_time()
    clean_text(text, subject=text)
    assert time.process_time() - start < 2
