"""A real PostgreSQL server for a test, on a free port."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ports import free_ports

_NOBODY = "postgres"  # the server refuses to run as root


def _programs() -> Path | None:
    """The folder of PostgreSQL's programs; Debian keeps them off the path."""
    found = [*sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)]
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else found[0].parent if found else None


NEEDED = pytest.mark.skipif(  # CI installs it; a user's machine may do without, as its locks are files
    _programs() is None,
    reason="locks of several machines are optional, and their tests need a server: apt-get install postgresql",
)


class PostgresServer:
    """A server that can go away and come back on its port. ``address`` is that of its database."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder = programs, folder
        (self._port,) = free_ports(1)
        self.address = f"postgresql://platform@127.0.0.1:{self._port}/postgres"
        self._user = _NOBODY if os.getuid() == 0 else None

    def make(self) -> None:
        if self._user is not None:
            os.chown(self._folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._run("initdb", "-A", "trust", "-U", "platform", "--no-sync", "-D", str(self._folder / "data"))

    def start(self) -> None:
        options = f"-p {self._port} -h 127.0.0.1 -k {self._folder} -F"
        self._run(
            "pg_ctl", "-w", "-D", str(self._folder / "data"), "-o", options, "-l", str(self._folder / "log"), "start"
        )

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "-D", str(self._folder / "data"), "stop")

    def _run(self, program: str, *options: str) -> None:
        command = [str(self._programs / program), *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", user=self._user)


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Runs a server without a password."""
    programs = _programs()
    assert programs is not None
    with tempfile.TemporaryDirectory(prefix="mlp-postgres-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(programs, Path(folder))
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
