import asyncio
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from chesscoach.config import Settings
from chesscoach.context import Context
from chesscoach.doctor import checks, database
from chesscoach.mongo.client import Document
from chesscoach.mongo.mongod import find_mongod
from chesscoach.mongo.server_info import ServerInfo
from tests.doctor.conftest import (
    SHORT_TIMEOUTS,
    UNREACHABLE,
    failed_line,
    problems,
    run_checks,
    run_doctor,
)
from tests.support.scripted_server import scripted_server


async def test_a_database_that_is_down_fails_and_names_its_setting(
    environment: dict[str, str],
) -> None:
    findings = await run_checks(environment, **SHORT_TIMEOUTS, MONGO_URL=UNREACHABLE)

    assert "MongoDB does not answer" in findings["database"].what
    assert "MONGO_URL" in findings["database"].do
    assert checks.exit_code(list(findings.values())) == 1


async def test_a_database_that_accepts_a_connection_and_never_responds_has_a_deadline(
    environment: dict[str, str],
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with scripted_server(silent) as address:
        url = f"mongodb://{address}/"
        done = await run_doctor({**environment, **SHORT_TIMEOUTS, "MONGO_URL": url})

    assert done.code == 1
    assert "MongoDB does not answer" in failed_line(done)


@pytest.mark.new_database
async def test_an_empty_database_lacks_every_index(settings: Settings) -> None:
    findings = await run_checks(settings)

    assert problems(findings) == {"indexes": "fail"}
    assert "users.chesscoach_user_id" in findings["indexes"].what
    assert "job_runs.schedule_1_slot_-1" in findings["indexes"].what


@pytest.mark.new_database
async def test_an_operation_that_the_server_refuses_hides_no_other_check(
    settings: Settings, db: Any
) -> None:
    db.create_collection("games", viewOn="others")  # a view has no indexes to list

    findings = await run_checks(settings)

    assert problems(findings) == {"indexes": "fail"}
    assert "MongoDB refused an operation" in findings["indexes"].what
    assert "MONGO_URL" in findings["indexes"].do


async def test_the_finding_names_the_place_and_the_kind_of_the_database(
    settings: Settings, ctx: Context, mongo: MongoClient[Document]
) -> None:
    findings = await run_checks(settings)

    version = mongo.server_info()["version"]
    place = f"MONGO_URL, database {settings.config.database.name}"
    assert findings["database"].what == f"{place}; MongoDB {version}"
    assert findings["replica set"].what.startswith("replica set of 1 member")


async def test_the_embedded_server_has_that_name(
    environment: dict[str, str], tmp_path: Path
) -> None:
    del environment["MONGO_URL"]
    folder = str(tmp_path / "data")

    findings = await run_checks(environment, CHESSCOACH_DATABASE__EMBEDDED_DIR=folder)

    assert findings["database"].what.startswith("embedded: ")
    assert folder in findings["database"].what
    assert problems(findings) == {"indexes": "fail"}
    assert "embedded" in findings["secrets"].what


async def test_an_embedded_server_that_cannot_start_fails_and_names_mongo_url(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("")
    del environment["MONGO_URL"]

    findings = await run_checks(
        environment, CHESSCOACH_DATABASE__EMBEDDED_DIR=str(tmp_path / "taken")
    )

    assert findings["database"].level == "fail"
    assert "cannot be used for the embedded MongoDB" in findings["database"].what
    assert "set MONGO_URL" in findings["database"].do


@pytest.mark.parametrize(
    ("version", "level"),
    [("5.0.9", "fail"), ("6.0.0", "ok"), ("7.0.2-rc1", "ok"), ("10.1.0", "ok"), ("", "fail")],
)
def test_a_server_that_is_too_old_fails(version: str, level: str) -> None:
    finding = database.version(ServerInfo(version=version, kind="sharded cluster"), "here")

    assert (finding.level, bool(finding.do)) == (level, level == "fail")


def test_a_server_that_survives_a_failure_is_named() -> None:
    sharded = ServerInfo(version="7.0.0", kind="sharded cluster")
    members = ServerInfo(version="7.0.0", kind="replica set", members=3)
    assert database.replication(sharded).what == "sharded cluster"
    assert database.replication(members).what == "replica set of 3 members"


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[str]:
    """A real mongod that is not a member of a set."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "db").mkdir()
    options: list[str | Path] = ["--dbpath", tmp_path / "db", "--bind_ip", "127.0.0.1"]
    options += ["--port", str(port)]
    options += ["--nounixsocket", "--quiet", "--wiredTigerCacheSizeGB", "0.25"]
    with (tmp_path / "log").open("w") as log_file:
        process = subprocess.Popen([find_mongod(), *options], stdout=log_file)
        try:
            yield f"mongodb://127.0.0.1:{port}/"
        finally:
            process.kill()
            process.wait()


async def test_a_standalone_server_is_a_warning_that_says_what_is_missing(
    environment: dict[str, str], standalone: str
) -> None:
    findings = await run_checks(environment, MONGO_URL=standalone)

    assert problems(findings) == {"replica set": "warn", "indexes": "fail"}
    assert "no member takes over when it fails" in findings["replica set"].what
    assert "replica set" in findings["replica set"].do
