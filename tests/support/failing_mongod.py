"""A mongod whose commands fail on demand."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from chesscoach.mongo.mongod import _free_port, find_mongod


class FailingMongod:
    """A standalone server; `url` is its address."""

    def __init__(self, port: int) -> None:
        self.url = f"mongodb://127.0.0.1:{port}/"
        self.client: MongoClient[dict[str, Any]] = MongoClient(self.url, tz_aware=True)

    def fail(self, command: str, code: int, times: int) -> None:
        """Makes the next commands of a kind fail with an error code."""
        self.client.admin.command(
            "configureFailPoint",
            "failCommand",
            mode={"times": times},
            data={"failCommands": [command], "errorCode": code, "closeConnection": False},
        )


@contextmanager
def failing_mongod(folder: Path) -> Iterator[FailingMongod]:
    """Runs it for as long as it is entered."""
    folder.mkdir(parents=True)
    port = _free_port()
    process = subprocess.Popen(  # our own binary, no shell
        [
            find_mongod(), "--dbpath", folder, "--port", str(port), "--bind_ip", "127.0.0.1",
            "--setParameter", "enableTestCommands=1", "--logpath", folder / "log",
            "--wiredTigerCacheSizeGB", "0.25",
        ],
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    server = FailingMongod(port)
    try:
        yield server
    finally:
        server.client.close()
        process.kill()
        process.wait()
