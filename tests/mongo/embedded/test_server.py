"""The embedded server in one process, against real mongods."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from chesscoach.errors import StoreUnavailable
from chesscoach.mongo.embedded import EmbeddedServer
from tests.mongo.embedded.conftest import joined_server, kill, mongods, port_of, wait_until


@contextlib.contextmanager
def occupied_port(port: int) -> Iterator[None]:
    """Occupies the port of a mongod that may still be stopping; closes each connection."""
    deadline = time.monotonic() + 30
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


def test_it_starts_from_nothing_and_keeps_its_data_over_a_restart(folder: Path) -> None:
    with joined_server(folder) as (first, client):
        assert client.tests.notes.insert_one({"_id": 1}).acknowledged
        assert len(mongods(folder)) == 1
        assert folder.stat().st_mode & 0o777 == 0o700
        port = port_of(client)
    wait_until(lambda: not mongods(folder))

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
    embedded = EmbeddedServer(folder)
    try:
        # A plain client: one that restarts mongod may do so late, before the port is taken.
        with MongoClient[dict[str, object]](embedded.start_or_join(), w="majority") as client:
            client.tests.notes.insert_one({"_id": 1})
            port = port_of(client)
        kill(mongods(folder)[0])
        wait_until(lambda: not mongods(folder))

        with occupied_port(port):
            with pytest.raises(StoreUnavailable, match=f"port {port} was taken.* restart"):
                embedded.restart_if_dead()
            with joined_server(folder) as (_, newcomer):
                assert port_of(newcomer) != port
                assert newcomer.tests.notes.count_documents({}) == 1
                newcomer.tests.notes.insert_one({"_id": 2})
    finally:
        embedded.leave()
