"""The tests' own PostgreSQL server leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

MAKER = """
import time
from tests.postgres import Postgres, PostgresMissing
try:
    server = Postgres()
except PostgresMissing as why:
    raise SystemExit(print("missing:", why, flush=True))
print(server.folder, (server.folder / "data" / "postmaster.pid").read_text().split()[0], flush=True)
time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(os.name != "posix", reason="it runs on POSIX systems alone")
def test_a_server_ends_with_its_maker_though_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", MAKER], cwd=ROOT, stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        try:
            said = maker.stdout.readline()
            if said.startswith("missing: "):
                pytest.skip(said)
            folder, pid = said.split()
            assert alive(int(pid))
        finally:
            maker.kill()
    deadline = time.monotonic() + 60
    while (alive(int(pid)) or Path(folder).exists()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (alive(int(pid)), Path(folder).exists()) == (False, False)
