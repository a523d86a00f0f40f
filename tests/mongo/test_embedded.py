"""The embedded server against real mongods, real processes and real kills."""

import contextlib
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from pymongo import MongoClient

from chesscoach.errors import StoreUnavailable
from chesscoach.mongo.embedded import EmbeddedServer, EmbeddedServerRestarter
from chesscoach.mongo.mongod import find_mongod
from tests.conftest import scaled_rounds

ROOT = Path(__file__).parents[2]
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
        command = [sys.executable, "-m", "tests.mongo.embedded_worker", str(folder), name, *options]
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


@contextlib.contextmanager
def occupied_port(port: int) -> Iterator[None]:
    """Occupies the port of a mongod that may still be stopping; closes each connection."""
    deadline = time.monotonic() + 5
    while True:
        with contextlib.suppress(OSError):
            listener = socket.create_server(("127.0.0.1", port))
            break
        assert time.monotonic() < deadline
        time.sleep(0.01)

    def hang_up() -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                listener.accept()[0].close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def fake_mongod(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts a shell script called mongod on PATH."""
    fake = folder / "mongod"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return fake


def test_it_starts_from_nothing_and_keeps_its_data_over_a_restart(folder: Path) -> None:
    with joined_server(folder) as (first, client):
        assert client.tests.notes.insert_one({"_id": 1}).acknowledged
        assert len(mongods(folder)) == 1
        assert folder.stat().st_mode & 0o777 == 0o700
        port = port_of(client)
    wait_until(lambda: not mongods(folder), 1)

    first.leave()
    first.restart_if_dead()  # does nothing after leaving
    assert mongods(folder) == []

    with joined_server(folder) as (_, client):
        assert port_of(client) == port
        assert client.tests.notes.count_documents({}) == 1


def test_nothing_happens_before_a_process_enters(folder: Path) -> None:
    embedded = EmbeddedServer(folder)
    embedded.restart_if_dead()
    embedded.leave()
    assert not folder.exists()


def test_a_long_relative_path_serves_from_any_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relative = Path("long" * 40) / "mongo"
    (folder / "closed").mkdir(mode=0o500, parents=True)
    monkeypatch.chdir(folder)
    embedded = EmbeddedServer(relative)
    monkeypatch.chdir("/proc" if Path("/proc/self").exists() else folder / "closed")

    with MongoClient[dict[str, object]](embedded.start_or_join(), w="majority") as client:
        assert client.tests.notes.insert_one({"_id": 1}).acknowledged
    embedded.leave()

    assert (folder / relative / "port").exists()


def test_several_processes_share_one_mongod_and_the_last_one_stops_it(
    folder: Path, start_worker: StartWorker
) -> None:
    workers = [start_worker() for _ in range(2)]
    for worker in workers:
        worker.wait_for_write()
    running = mongods(folder)
    assert len(running) == 1

    with joined_server(folder) as (_, client):
        stop_cleanly(*workers)
        assert mongods(folder) == running
        client.tests.notes.insert_one({"_id": 1})

    wait_until(lambda: not mongods(folder), 1)


def test_the_next_process_adopts_the_mongod_of_a_killed_one_despite_its_children(
    folder: Path, start_worker: StartWorker
) -> None:
    worker = start_worker("children").wait_for_write()
    orphan = mongods(folder)
    worker.kill()
    for child in worker.lines_of("child"):
        os.kill(int(child), 0)  # the children live on
    assert mongods(folder) == orphan

    with joined_server(folder) as (_, client):
        assert mongods(folder) == orphan
        assert client.tests.acks.find_one({"_id": worker.lines_of("ack")[0]})

    wait_until(lambda: not mongods(folder), 1)


def test_a_mongod_killed_while_in_use_is_restarted_and_all_clients_continue(
    folder: Path, start_worker: StartWorker
) -> None:
    worker = start_worker().wait_for_write()
    with joined_server(folder) as (_, client):
        client.tests.notes.insert_one({"_id": 1})
        killed = mongods(folder)
        kill(killed[0])

        client.tests.notes.insert_one({"_id": 2})

        assert client.tests.notes.count_documents({}) == 2
        assert len(mongods(folder)) == 1
        assert mongods(folder) != killed
        worker.wait_for_write()


def test_another_mongod_on_the_port_is_not_taken_for_ours(folder: Path, tmp_path: Path) -> None:
    with joined_server(tmp_path / "other") as (_, other):
        folder.mkdir()
        (folder / "port").write_text(str(port_of(other)))

        with joined_server(folder) as (_, ours):
            assert port_of(ours) != port_of(other)
            assert ours.tests.notes.insert_one({"_id": 1}).acknowledged

        assert other.tests.notes.count_documents({}) == 0
        assert other.admin.command("ping")["ok"]


def test_a_mongod_whose_port_is_taken_moves_with_its_data_and_its_users_are_warned(
    folder: Path,
) -> None:
    with joined_server(folder) as (embedded, client):
        client.tests.notes.insert_one({"_id": 1})
        port = port_of(client)
        client.close()
        kill(mongods(folder)[0])
        wait_until(lambda: not mongods(folder))

        with occupied_port(port):
            with pytest.raises(StoreUnavailable, match=f"port {port} was taken.* restart"):
                embedded.restart_if_dead()
            with joined_server(folder) as (_, newcomer):
                assert port_of(newcomer) != port
                assert newcomer.tests.notes.count_documents({}) == 1
                newcomer.tests.notes.insert_one({"_id": 2})


def test_without_any_mongod_the_error_names_both_ways_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "path", [])

    with pytest.raises(StoreUnavailable, match=r"MONGO_URL.*chesscoach\[embedded\]"):
        EmbeddedServer(folder).start_or_join()


def test_on_windows_the_error_names_the_supported_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")

    with pytest.raises(StoreUnavailable, match="Linux and macOS"):
        find_mongod()


def test_the_mongod_on_path_takes_precedence_over_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_mongod() != fake_mongod(tmp_path, "exit 1", monkeypatch) == find_mongod()


def test_the_binary_in_the_wheel_is_found_without_an_import_and_made_executable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = tmp_path / "fiftyone" / "db" / "bin" / "mongod"
    binary.parent.mkdir(parents=True)
    binary.touch(mode=0o644)
    for package in (binary.parents[2], binary.parents[1]):
        (package / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])

    assert find_mongod() == binary
    assert os.access(binary, os.X_OK)


LIBRARY = "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            f"echo '{LIBRARY}' >&2; exit 127",
            r"libcurl\.so\.4.* install libcurl4.* MONGO_URL",
        ),
        ("echo 'GLIBC not found' >&2; exit 1", "GLIBC not found"),
        ("""for w; do [ "$p" = --logpath ] && echo '{"s":"F","x":"bad data"}' >>"$w"; p=$w; done
            exit 100""", "bad data"),
    ],
)  # fmt: skip
def test_a_mongod_that_cannot_start_is_an_error_with_its_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    fake_mongod(folder.parent, script, monkeypatch)

    with pytest.raises(StoreUnavailable, match=reason):
        EmbeddedServer(folder).start_or_join()


def test_a_folder_that_cannot_be_created_is_an_error_that_names_it(folder: Path) -> None:
    folder.touch()

    with pytest.raises(StoreUnavailable, match=str(folder)):
        EmbeddedServer(folder).start_or_join()


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_no_kill_at_any_moment_loses_a_write_or_leaves_a_mongod_behind(
    folder: Path, start_worker: StartWorker
) -> None:
    acknowledged: set[object] = set()
    for _ in range(scaled_rounds(20, 1)):
        old = [start_worker() for _ in range(random.randint(1, 3))]
        victim = random.choice(old)
        victim.wait_until_started()
        time.sleep(random.uniform(0.1, 1.6))
        victim.kill()
        if random.random() < 0.4:
            for pid in mongods(folder):
                kill(pid)
        present = [worker for worker in old if worker is not victim]
        present += [start_worker() for _ in range(random.randint(1, 2))]

        with joined_server(folder) as (_, client):
            for worker in present:
                worker.wait_for_write()
            acknowledged |= {ack for w in (*present, victim) for ack in w.lines_of("ack")}
            assert acknowledged <= {doc["_id"] for doc in client.tests.acks.find()}
            assert len(mongods(folder)) == 1
        stop_cleanly(*present)
        wait_until(lambda: not mongods(folder), 1)
        acknowledged |= set(itertools.chain.from_iterable(w.lines_of("ack") for w in present))
