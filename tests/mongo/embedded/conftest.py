"""Processes that use the embedded server, and the mongods that it leaves."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from pymongo import MongoClient

from chesscoach.mongo.embedded import EmbeddedServer, EmbeddedServerRestarter

ROOT = Path(__file__).parents[3]
Client: TypeAlias = "MongoClient[dict[str, object]]"


def wait_until(happened: Callable[[], object], within_s: float = 30) -> None:
    """Waits for something that another process does."""
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def mongods(under: Path) -> list[int]:
    """The pids of the mongods on data folders below a folder, without zombies."""
    if not Path("/proc/self/cmdline").exists():  # macOS
        pgrep = subprocess.run(["/usr/bin/pgrep", "-f", f"--dbpath {under}"], capture_output=True)
        return [int(pid) for pid in pgrep.stdout.split()]
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"--dbpath" in words and str(under).encode() in b" ".join(words):
                pids.append(int(process.name))
    return pids


def kill(pid: int) -> None:
    """Kills a process that may have ended already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class EmbeddedWorker:
    """A process that uses the embedded server; its output is in a file, which survives it."""

    def __init__(self, folder: Path, name: str, *options: str) -> None:
        self.output = folder.parent / f"{name}.out"
        command = [sys.executable, "-m", "tests.mongo.embedded.worker", str(folder), name, *options]
        with self.output.open("wb") as stdout, (folder.parent / f"{name}.err").open("wb") as stderr:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=stdout, stderr=stderr)

    def lines_of(self, word: str) -> list[str]:
        """The last word of each line that begins with a word."""
        lines = [line.split() for line in self.output.read_text().splitlines(keepends=False)]
        return [line[-1] for line in lines if line[:1] == [word]]

    def wait_until_started(self) -> None:
        """Waits until the process is about to enter."""
        wait_until(lambda: self.lines_of("here"))

    def wait_for_write(self) -> "EmbeddedWorker":
        """Waits until the process has entered and one more write is acknowledged."""
        acks = len(self.lines_of("ack"))
        wait_until(lambda: len(self.lines_of("ack")) > acks or self.process.poll() is not None)
        assert self.process.poll() is None, self.output.with_suffix(".err").read_text()
        return self

    def kill(self) -> None:
        """Kills the process."""
        self.process.kill()
        self.process.wait()


def stop_cleanly(*workers: EmbeddedWorker) -> None:
    """Stops workers at the same time; each must leave cleanly."""
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        assert worker.process.wait(60) == 0, worker.output.with_suffix(".err").read_text()


StartWorker: TypeAlias = Callable[..., EmbeddedWorker]


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Iterator[Path]:
    """A data folder; no mongod below `tmp_path` survives the test."""
    yield tmp_path / "mongo"
    for pid in mongods(tmp_path):
        kill(pid)
    wait_until(lambda: not mongods(tmp_path))


@pytest.fixture(name="start_worker")
def _start_worker(folder: Path) -> Iterator[StartWorker]:
    """Starts workers on the folder; no worker and no child of one survives the test."""
    workers: list[EmbeddedWorker] = []
    folder.parent.mkdir(exist_ok=True)

    def start_worker(*options: str) -> EmbeddedWorker:
        workers.append(EmbeddedWorker(folder, f"w{len(workers)}", *options))
        return workers[-1]

    yield start_worker
    for worker in workers:
        worker.kill()
        for child in worker.lines_of("child"):
            kill(int(child))


@contextlib.contextmanager
def joined_server(folder: Path) -> Iterator[tuple[EmbeddedServer, Client]]:
    """This process uses the server, with a client that restarts mongod."""
    embedded = EmbeddedServer(folder)
    uri = embedded.start_or_join()
    try:
        with MongoClient[dict[str, object]](
            uri, w="majority", event_listeners=[EmbeddedServerRestarter(embedded)]
        ) as client:
            yield embedded, client
    finally:
        embedded.leave()


def port_of(client: Client) -> int:
    """The port that a client is connected to."""
    address = client.address
    assert address is not None
    return address[1]
