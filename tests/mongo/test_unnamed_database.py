"""A server's URL without the name of a database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from chesscoach.config import Config, ProcessEnvironment
from chesscoach.config.settings import DatabaseSettings
from chesscoach.errors import ConfigError
from chesscoach.metrics import Metrics
from chesscoach.mongo.client import Document
from chesscoach.mongo.database import open_database
from chesscoach.mongo.embedded import EmbeddedServer
from tests.support.log_lines import parse_lines
from tests.support.processes import run

NO_WEB = {"CHESSCOACH_WEB__ADMIN": "127.0.0.1:0"}


@pytest.fixture(scope="module")
def own_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server without the databases of other tests."""
    server = EmbeddedServer(tmp_path_factory.mktemp("unnamed") / "mongo")
    url = server.start_or_join()
    try:
        yield url
    finally:
        server.leave()


@pytest.fixture
def own_client(own_url: str) -> Iterator[MongoClient[Document]]:
    """A plain client of that server, which is empty before and after the test."""
    with MongoClient[Document](own_url) as client:
        yield client
        for name in set(client.list_database_names()) - {"admin", "config", "local"}:
            client.drop_database(name)


def with_database(url: str, name: str) -> str:
    base, _, query = url.partition("?")
    return f"{base.rstrip('/')}/{name}" + (f"?{query}" if query else "")


async def opened_name(url: str, name: str = "") -> str:
    config, process = (
        Config(database=DatabaseSettings(name=name)),
        ProcessEnvironment(mongo_url=url),
    )
    async with open_database(config, process, Metrics()) as opened:
        assert opened.place == f"MONGO_URL, database {opened.database.name}"
        return opened.database.name


async def test_the_default_database_is_named_in_one_warning(
    own_client: MongoClient[Document], own_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await opened_name(own_url) == "chesscoach"
    (line,) = parse_lines(capsys.readouterr().out)
    assert (line["event"], line["level"]) == ("database_name_missing", "warning")
    assert line["database"] == "chesscoach"


@pytest.mark.parametrize("name", ["admin", "local", "config"])
async def test_a_database_of_the_server_itself_in_the_url_is_not_taken(
    own_client: MongoClient[Document], own_url: str, name: str
) -> None:
    assert await opened_name(with_database(own_url, name)) == "chesscoach"


async def test_the_database_in_the_url_is_taken_without_a_warning(
    own_client: MongoClient[Document], own_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await opened_name(with_database(own_url, "club")) == "club"
    assert await opened_name(with_database(own_url, "club"), "given") == "given"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("collection", "document"),
    [("users", {"user_id": "user_1"}), ("games", {"game_id": "game_1", "user_id": "user_1"})],
)
@pytest.mark.parametrize("in_url", ["", "club"])
async def test_it_is_refused_while_only_another_database_has_the_applications_data(
    own_client: MongoClient[Document],
    own_url: str,
    collection: str,
    document: dict[str, Any],
    in_url: str,
) -> None:
    taken = in_url or "chesscoach"
    own_client["chess_coach"][collection].insert_one({**document})
    own_client[taken].job_runs.insert_one({})

    with pytest.raises(ConfigError, match=f"not in {taken} .* the database chess_coach: set "):
        await opened_name(with_database(own_url, in_url))

    assert await opened_name(own_url, "another") == "another"
    own_client[taken].users.insert_one({"user_id": "user_1"})
    assert await opened_name(with_database(own_url, in_url)) == taken


async def test_another_programs_users_are_not_the_applications(
    own_client: MongoClient[Document], own_url: str
) -> None:
    own_client["shop"].users.insert_one({"name": "Ann"})
    own_client["shop"].games.insert_one({"game_id": 7})
    assert await opened_name(own_url) == "chesscoach"


@pytest.mark.parametrize(
    "args",
    [
        ("chesscoach",),
        ("chesscoach.jobs.cleanup",),
        ("chesscoach.jobs.sync_games", "--dry-run"),
        ("chesscoach.cli", "db", "init"),
        ("chesscoach.cli", "runs", "list"),
        ("chesscoach.cli", "doctor"),
    ],
)
async def test_every_command_ends_with_2_and_one_line_that_names_the_other_database(
    own_client: MongoClient[Document], own_url: str, tmp_path: Path, args: tuple[str, ...]
) -> None:
    own_client["chess_coach"].users.insert_one({"user_id": "user_1"})

    done = await run({"MONGO_URL": own_url, **NO_WEB}, *args)

    assert done.code == 2
    lines = [line for line in done.err.splitlines() if line.startswith("chesscoach: ")]
    assert len(lines) == 1
    assert "DB_NAME=chess_coach" in lines[0]
    assert set(own_client.list_database_names()) <= {"admin", "config", "local", "chess_coach"}
