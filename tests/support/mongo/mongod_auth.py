"""A mongod that asks who one is, for tests of users who may not do everything."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct
from pymongo import MongoClient

from chesscoach.mongo.mongod import _free_port, find_mongod

_SECRET = "secret-of-the-test"
_OWN_COLLECTIONS = ("job_runs", "job_leases", "schedules", "email_outbox", "performance_snapshots")
_WRITE_ACTIONS = ["find", "insert", "update", "remove"]
_WORKER_ACTIONS = [*_WRITE_ACTIONS, "listIndexes", "listCollections"]


class AuthenticatedMongod(Struct, frozen=True, kw_only=True):
    """Where it is; `url` is for one of its users: `root`, `reader`, `worker` or `half`.

    The reader may only read; the worker reads and writes, but may make no index or collection;
    the half one reads, and writes our own collections alone.
    """

    port: int
    database: str

    def url(self, user: str) -> str:
        """The URL of a user."""
        source = "admin" if user == "root" else self.database
        return f"mongodb://{user}:{_SECRET}@127.0.0.1:{self.port}/?authSource={source}"


@contextmanager
def authenticated_mongod(folder: Path, database: str = "coach") -> Iterator[AuthenticatedMongod]:
    """Runs it for as long as it is entered."""
    folder.mkdir(parents=True)
    port = _free_port()
    process = subprocess.Popen(  # our own binary, no shell
        [
            find_mongod(), "--dbpath", folder, "--port", str(port), "--bind_ip", "127.0.0.1",
            "--auth", "--logpath", folder / "log", "--wiredTigerCacheSizeGB", "0.25",
        ],
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        found = AuthenticatedMongod(port=port, database=database)
        with MongoClient[dict[str, Any]]("127.0.0.1", port) as client:  # may make the first user
            _user(client.admin, "root", ["root"])
        with MongoClient[dict[str, Any]](found.url("root")) as client:
            rows = client[database]
            everyday = {"resource": {"db": database, "collection": ""}, "actions": _WORKER_ACTIONS}
            rows.command("createRole", "everyday", privileges=[everyday], roles=[])
            _user(rows, "reader", ["read"])
            _user(rows, "worker", ["everyday"])
            ours = [
                {"resource": {"db": database, "collection": name}, "actions": _WRITE_ACTIONS}
                for name in _OWN_COLLECTIONS
            ]
            rows.command("createRole", "ours", privileges=ours, roles=["read"])
            _user(rows, "half", ["ours"])
        yield found
    finally:
        process.kill()
        process.wait()


def _user(database: Any, name: str, roles: list[str]) -> None:
    database.command("createUser", name, pwd=_SECRET, roles=roles)
