"""A replica set of three on loopback, for tests in which its primary goes away, and a benchmark."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, PyMongoError

from chesscoach.mongo.mongod import _free_port, find_mongod

SET_NAME = "failover"


class ReplicaSet:
    """Three members; `url` names them all."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        self.url = f"mongodb://{hosts}/?replicaSet={SET_NAME}"

    def primary(self, within_s: float = 30) -> int:
        """The port of the primary, once there is one."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            for port in self.ports:
                with suppress(PyMongoError), _direct_client(port) as client:
                    if client.admin.command("hello").get("isWritablePrimary"):
                        return port
            time.sleep(0.05)
        raise AssertionError("no member has become primary")

    def step_down(self) -> None:
        """Makes the primary give up; another member is elected within about a second."""
        with _direct_client(self.primary()) as client, suppress(AutoReconnect):
            client.admin.command("replSetStepDown", 5, secondaryCatchUpPeriodSecs=2, force=True)


@contextmanager
def replica_set(folder: Path, election_ms: int = 1000) -> Iterator[ReplicaSet]:
    """Three members with a fast election, for as long as it is entered."""
    binary, ports = find_mongod(), [_free_port() for _ in range(3)]
    with ExitStack() as stack:
        for port in ports:
            data = folder / str(port)
            data.mkdir(parents=True)
            process = subprocess.Popen(  # our own binary, no shell
                [
                    binary, "--dbpath", data, "--port", str(port), "--bind_ip", "127.0.0.1",
                    "--replSet", SET_NAME, "--logpath", data / "log", "--oplogSize", "64",
                    "--wiredTigerCacheSizeGB", "0.25",
                    "--wiredTigerEngineConfigString", "log=(file_max=16MB)",
                ],
                env={"PATH": os.environ["PATH"]},
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            stack.callback(process.wait)
            stack.callback(process.kill)
        found = ReplicaSet(ports)
        _initiate(found, election_ms)
        found.primary()
        yield found


def _initiate(found: ReplicaSet, election_ms: int) -> None:
    members = [{"_id": n, "host": f"127.0.0.1:{port}"} for n, port in enumerate(found.ports)]
    settings: dict[str, Any] = {
        "electionTimeoutMillis": election_ms,
        "heartbeatIntervalMillis": 200,
    }
    for port in found.ports:  # each listens
        with _direct_client(port, 20_000) as client:
            client.admin.command("ping")
    with _direct_client(found.ports[0]) as client:
        client.admin.command(
            "replSetInitiate", {"_id": SET_NAME, "members": members, "settings": settings}
        )


@contextmanager
def _direct_client(port: int, timeout_ms: int = 2000) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](
        "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=timeout_ms
    ) as client:
        yield client
