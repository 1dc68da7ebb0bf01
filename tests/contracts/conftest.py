from __future__ import annotations

from pathlib import Path

import pytest

from tests.ticket_files import write_jsonl


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    rows = [
        {"id": i, "text": f"where is my parcel {i}", "open": i % 2 == 0, "note": None, "amount": i / 4}
        for i in range(25)
    ]
    return write_jsonl(tmp_path / "tickets.jsonl", rows)
