"""A real Redis server on loopback, for as long as it is needed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

UNPACKED = Path(sys.prefix) / "redis"
"""Where `make redis` puts Debian's packages."""


def program() -> str | None:
    """The server to start: the system's, or the one that `make redis` unpacked."""
    ours = UNPACKED / "usr/bin/redis-server"
    return shutil.which("redis-server") or (str(ours) if ours.exists() else None)


class Server:
    """A server on a free port of 127.0.0.1; `folder` holds what it saves, which is all of it, after every command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [
            str(program()), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "",
            "--appendonly", "yes", "--appendfsync", "no", "--logfile", str(self.folder / "log"),
        ]  # fmt: skip
        libraries = ":".join(map(str, (UNPACKED / "usr/lib").glob("*-linux-*")))
        self.process = subprocess.Popen(command, env=os.environ | {"LD_LIBRARY_PATH": libraries})
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.01)
        raise AssertionError("the Redis server did not come up in 5 s")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
