"""The operator's database: a replica set of one on 127.0.0.1, on MongoDB's usual port."""

import subprocess
import time
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from chesscoach.mongo.mongod import find_mongod

_DIRECT_URL = "mongodb://127.0.0.1:27017/?directConnection=true"


def start(data: Path) -> None:
    """Starts mongod and makes the set; it runs until the machine ends."""
    data.mkdir(parents=True, exist_ok=True)
    subprocess.Popen(
        [find_mongod(), "--dbpath", data, "--replSet", "rs0", "--wiredTigerCacheSizeGB", "0.25"],
        stdin=subprocess.DEVNULL,
        stdout=(data / "said").open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with MongoClient[dict[str, Any]](_DIRECT_URL, serverSelectionTimeoutMS=500) as client:
                if client.admin.command("hello").get("isWritablePrimary"):
                    return
                member = {"_id": 0, "host": "127.0.0.1:27017"}
                client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
        except OperationFailure as error:
            if error.code != 23:  # already initialised: it becomes primary
                raise
        except PyMongoError:
            pass
        time.sleep(0.05)
    raise AssertionError((data / "said").read_text()[-2000:])
