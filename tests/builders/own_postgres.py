"""A PostgreSQL server of a test's own, that can be restarted under a run without hurting anybody else."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import URL

_SUPERUSER = "postgres"


@dataclass
class OwnPostgres:
    bin: Path
    data: Path
    port: int

    @property
    def url(self) -> URL:
        return URL.create("postgresql", username=_SUPERUSER, host="127.0.0.1", port=self.port, database="postgres")

    def start(self) -> None:
        where = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        self._control("start", "-w", "-o", where, "-l", str(self.data / "log"))

    def stop(self) -> None:
        """At once, as when the machine goes down: whoever is connected loses the connection."""
        self._control("stop", "-m", "immediate")

    def restart(self) -> None:
        self.stop()
        self.start()

    def _control(self, *argv: str) -> None:
        _as_owner(str(self.bin / "pg_ctl"), "-D", str(self.data), *argv)


def _as_owner(*argv: str) -> None:
    """PostgreSQL refuses to run as root."""
    owner = ["runuser", "-u", _SUPERUSER, "--"] if os.geteuid() == 0 else []
    subprocess.run([*owner, *argv], check=True, stdout=subprocess.DEVNULL, cwd="/")


def _binaries() -> Path | None:
    found = shutil.which("pg_ctl")
    if found:
        return Path(found).resolve().parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """A new cluster on a port that is free, gone at the end. Skips where PostgreSQL's programs are missing."""
    bin = _binaries()
    if bin is None:
        reason = "PostgreSQL's own programs are not installed here (pg_ctl, initdb)"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        shutil.chown(folder, _SUPERUSER) if os.geteuid() == 0 else None
        data = Path(folder) / "data"
        _as_owner(str(bin / "initdb"), "-D", str(data), "-U", _SUPERUSER, "-A", "trust", "--no-sync")
        server = OwnPostgres(bin, data, port)
        server.start()
        try:
            yield server
        finally:
            server.stop()
