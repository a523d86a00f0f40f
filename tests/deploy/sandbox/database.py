"""The database that an operator has: a replica set of one, on the port that MongoDB is known by.

It is not told to listen elsewhere than on 127.0.0.1, unless its flags say so.
"""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from chesscoach.mongo.mongod import find_mongod

_DIRECT = "mongodb://127.0.0.1:27017/?directConnection=true"


def start(data: Path, flags: Sequence[str] = ("--replSet", "rs0"), host: str = "127.0.0.1") -> None:
    """Starts mongod and makes the set; it runs until the machine ends."""
    data.mkdir(parents=True, exist_ok=True)
    subprocess.Popen(
        [find_mongod(), "--dbpath", data, *flags, "--wiredTigerCacheSizeGB", "0.25"],
        stdin=subprocess.DEVNULL,
        stdout=(data / "said").open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with MongoClient[dict[str, Any]](_DIRECT, serverSelectionTimeoutMS=500) as client:
                if client.admin.command("hello").get("isWritablePrimary"):
                    return
                member = {"_id": 0, "host": f"{host}:27017"}
                client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
        except OperationFailure as error:
            if error.code != 23:  # already initialised: it becomes primary
                raise
        except PyMongoError:
            pass
        time.sleep(0.05)
    raise AssertionError((data / "said").read_text()[-2000:])


def first_user(name: str, password: str) -> None:
    """Makes the one that mongod, started with a key file, lets a client on the machine make."""
    with MongoClient[dict[str, Any]](_DIRECT) as client:
        client.admin.command("createUser", name, pwd=password, roles=["root"])
