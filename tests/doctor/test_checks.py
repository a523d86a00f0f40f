import asyncio
import os
import socket
import stat
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace
from pymongo import MongoClient

from chesscoach import config, log
from chesscoach.config import Config, Settings
from chesscoach.context import Context, utc_now
from chesscoach.demo.fake_site import SiteFault
from chesscoach.doctor import checks, database, secrets
from chesscoach.doctor.finding import CheckContext, Finding
from chesscoach.doctor.sources import NONEXISTENT_PLAYER, WELL_KNOWN_PLAYER
from chesscoach.mongo import client
from chesscoach.mongo.client import Document
from chesscoach.mongo.mongod import find_mongod
from chesscoach.mongo.server_info import ServerInfo
from tests.conftest import FakeSites
from tests.support.processes import FinishedProcess, kill, run, start
from tests.support.scripted_server import scripted_server
from tests.sync.test_cycle import add_member, run_sync

CLI = "chesscoach.cli"
UNREACHABLE = "mongodb://127.0.0.1:1/"
SHORT_TIMEOUTS = {"CHESSCOACH_DATABASE__TIMEOUT_S": "0.5"}  # where nobody answers
PASSWORD = "hunter2hunter2"  # planted
NAMES = [check.name for check in checks.CHECKS]


async def run_checks(settings: Settings) -> dict[str, Finding]:
    """The findings by check, as they are told, with logging as the command sets it up."""
    log.configure(
        config.LogSettings(format="json"), secrets=settings.process.secrets(), stream="stderr"
    )
    told: list[Finding] = []
    findings = await checks.run_checks(settings, told.append)
    assert findings == told
    assert [found.check for found in findings] == NAMES
    return {found.check: found for found in findings}


async def load_settings(environment: dict[str, str], **more: str) -> Settings:
    return await asyncio.to_thread(config.load, None, {**environment, **more})


async def run_doctor(environment: dict[str, str], *args: str) -> FinishedProcess:
    return await run(environment, CLI, "doctor", *args)


def levels_by_check(findings: dict[str, Finding]) -> dict[str, str]:
    """What is not as it should be."""
    return {name: found.level for name, found in findings.items() if found.level != "ok"}


# As a command


async def test_where_all_is_well_each_check_is_one_line_and_the_exit_code_0(
    environment: dict[str, str], ctx: Context, sites: FakeSites
) -> None:
    done = await run_doctor(environment)

    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert [line[:4] for line in lines] == ["ok  "] * len(NAMES)
    assert [line[6:19].strip() for line in lines] == NAMES
    assert len(sites.lichess.requests) == len(sites.chesscom.requests) == 1


async def test_what_fails_is_told_with_what_to_do_and_the_exit_code_is_1(
    environment: dict[str, str], ctx: Context, db: Any
) -> None:
    db.games.drop_index("chesscoach_game_id")
    db.sync_accounts.drop_index("chesscoach_links_user_id")

    done = await run_doctor(environment)
    told = await run_doctor(environment, "--json")

    assert (done.code, told.code) == (1, 1)
    (line,) = [line for line in done.out.splitlines() if line.startswith("FAIL")]
    assert "games.chesscoach_game_id, sync_accounts.chesscoach_links_user_id" in line
    assert line.endswith("-> run `chesscoach db init`")
    (report,) = told.lines
    assert report["exit_code"] == 1
    assert [check["check"] for check in report["checks"]] == NAMES
    assert all(check.keys() == {"check", "level", "what", "do"} for check in report["checks"])
    assert [c["check"] for c in report["checks"] if c["level"] == "fail"] == ["indexes"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CHESSCOACH_SOURCES__CONTCT", "x", "sources.contct: unknown setting"),
        ("CHESSCOACH_CONFIG", "missing.toml", "missing.toml: no such file"),
        ("MONGO_URL", f"coach:{PASSWORD}@db.example", "MONGO_URL: cannot be used"),
        ("MONGO_URL", f"{UNREACHABLE}?w=1", "w is not majority"),
        ("CHESSCOACH_SCHEDULES__SYNC_GAMES__JOB", "nightly", "no job 'nightly'"),
    ],
)
async def test_a_configuration_that_cannot_be_used_is_told_first_and_leaves_with_2(
    environment: dict[str, str], name: str, value: str, said: str
) -> None:
    done = await run_doctor({**environment, **SHORT_TIMEOUTS, name: value})
    told = await run_doctor({**environment, **SHORT_TIMEOUTS, name: value}, "--json")

    assert (done.code, told.code) == (2, 2)
    first = next(line for line in done.out.splitlines() if line.startswith("FAIL"))
    assert said in first
    assert done.err.splitlines()[-1].startswith("chesscoach: ")
    assert said in done.err.splitlines()[-1]
    (report,) = told.lines
    assert report["exit_code"] == 2
    assert said in next(c["what"] for c in report["checks"] if c["level"] == "fail")
    assert PASSWORD not in done.out + done.err + told.out + told.err


async def test_a_url_that_cannot_be_used_hides_no_check_that_needs_none(
    environment: dict[str, str],
) -> None:
    found = await run_checks(await load_settings(environment, MONGO_URL="localhost"))

    assert levels_by_check(found) == {
        "configuration": "fail",
        "database": "warn",
        "replica set": "warn",
        "indexes": "warn",
        **dict.fromkeys(("clock", "strays", "queue", "jobs"), "warn"),
        "lichess": "warn",
        "chess.com": "warn",
        "outbox": "warn",
    }


async def test_a_wish_to_stop_breaks_it_off(
    environment: dict[str, str], ctx: Context, sites: FakeSites, db: Any
) -> None:
    sites.lichess.faults.append("hang")
    process = await start(environment, CLI, "doctor")
    async with asyncio.timeout(30):
        while not sites.lichess.requests:
            await asyncio.sleep(0.02)

    done = await kill(process, 15)

    assert done.code == 143
    assert db.job_leases.count_documents({"owner": {"$ne": None}}) == 0


async def test_planted_secrets_are_in_no_line(environment: dict[str, str], tmp_path: Path) -> None:
    url = f"mongodb://coach:{PASSWORD}@db.invalid:27017/"
    (tmp_path / ".env").write_text(f"MONGO_URL={url}\n")
    (tmp_path / ".env").chmod(0o644)
    rest = {name: value for name, value in environment.items() if name != "MONGO_URL"}

    for args in ((), ("--json",)):
        done = await run_doctor({**rest, **SHORT_TIMEOUTS}, *args)
        assert done.code == 1
        assert PASSWORD not in done.out + done.err
        assert "coach:" not in done.out
        assert "tests@example.org" not in done.out + done.err


# Configuration


async def test_it_says_which_file_was_read_and_which_variables_count_without_their_values(
    environment: dict[str, str], ctx: Context, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text("[sync]\nfirst_games = 7")
    (tmp_path / ".env").write_text("CHESSCOACH_LOG__LEVEL=error\nMONGO_URL=not-this-one")
    (tmp_path / ".env").chmod(0o600)

    found = await run_checks(await load_settings(environment, CHESSCOACH_PORT="tcp://10.0.0.1"))

    said = found["configuration"].what
    assert str(tmp_path / "config.toml") in said
    real, beside = said.split("; ")[1:]
    assert real.startswith("from the environment: CHESSCOACH_RUNNER__LEASE_S, ")
    assert "DB_NAME" in real
    assert "MONGO_URL" in real
    assert "CHESSCOACH_PORT" not in said
    assert beside == f"from {tmp_path / '.env'}: CHESSCOACH_LOG__LEVEL"
    assert environment["MONGO_URL"] not in said


async def test_without_a_file_it_says_that_the_defaults_hold(settings: Settings) -> None:
    assert "no config.toml" in (await run_checks(settings))["configuration"].what


async def test_without_a_contact_chesscom_is_not_asked_and_that_is_a_failure(
    environment: dict[str, str], ctx: Context, sites: FakeSites
) -> None:
    found = await run_checks(await load_settings(environment, CHESSCOACH_SOURCES__CONTACT=" "))

    assert levels_by_check(found) == {"contact": "warn", "chess.com": "fail"}
    assert "CHESSCOACH_SOURCES__CONTACT" in found["contact"].do
    assert "set [sources] contact" in found["chess.com"].do
    assert sites.chesscom.requests == []
    assert len(sites.lichess.requests) == 1


async def test_schedules_that_are_all_off_are_worth_a_word(
    environment: dict[str, str], ctx: Context
) -> None:
    off = {f"CHESSCOACH_SCHEDULES__{key.upper()}__ENABLED": "false" for key in Config().schedules}

    found = await run_checks(await load_settings(environment, **off))

    assert levels_by_check(found) == {"schedules": "warn"}


# The database


async def test_a_database_that_is_down_leaves_the_sites_unasked_and_the_rest_checked(
    environment: dict[str, str], sites: FakeSites
) -> None:
    found = await run_checks(
        await load_settings(environment, **SHORT_TIMEOUTS, MONGO_URL=UNREACHABLE)
    )

    assert "MongoDB does not answer" in found["database"].what
    assert "MONGO_URL" in found["database"].do
    assert levels_by_check(found) == {
        "database": "fail",
        "replica set": "warn",
        "indexes": "warn",
        **dict.fromkeys(("clock", "strays", "queue", "jobs"), "warn"),
        "lichess": "warn",
        "chess.com": "warn",
        "outbox": "warn",
    }
    assert "its lane is in the database" in found["lichess"].what
    assert sites.lichess.requests == sites.chesscom.requests == []
    assert checks.exit_code(list(found.values())) == 1


async def test_a_database_that_takes_a_connection_and_never_answers_is_given_up(
    environment: dict[str, str],
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with scripted_server(silent) as address:
        done = await run_doctor(
            {**environment, **SHORT_TIMEOUTS, "MONGO_URL": f"mongodb://{address}/"}
        )

    assert done.code == 1
    (line,) = [line for line in done.out.splitlines() if line.startswith("FAIL")]
    assert "MongoDB does not answer" in line


async def test_an_empty_database_lacks_every_index(settings: Settings) -> None:
    found = await run_checks(settings)

    assert levels_by_check(found) == {"indexes": "fail"}
    assert "users.chesscoach_user_id" in found["indexes"].what
    assert "job_runs.chesscoach_schedule_slot" in found["indexes"].what


async def test_what_the_server_refuses_us_is_told_and_hides_no_other_check(
    settings: Settings, db: Any
) -> None:
    db.create_collection("games", viewOn="others")  # a view has no indexes to be listed

    found = await run_checks(settings)

    assert levels_by_check(found) == {"indexes": "fail"}
    assert "MongoDB refused an operation" in found["indexes"].what
    assert "MONGO_URL" in found["indexes"].do


async def test_it_says_where_the_database_is_and_what_it_is(
    settings: Settings, ctx: Context, mongo: MongoClient[Document]
) -> None:
    found = await run_checks(settings)

    version = mongo.server_info()["version"]
    place = f"MONGO_URL, database {settings.config.database.name}"
    assert found["database"].what == f"{place}; MongoDB {version}"
    assert found["replica set"].what.startswith("replica set of 1 member")


async def test_the_embedded_server_is_called_by_that_name(
    environment: dict[str, str], tmp_path: Path
) -> None:
    rest = {name: value for name, value in environment.items() if name != "MONGO_URL"}
    folder = {"CHESSCOACH_DATABASE__EMBEDDED_DIR": str(tmp_path / "data")}

    found = await run_checks(await load_settings({**rest, **folder}))

    assert found["database"].what.startswith("embedded: ")
    assert str(tmp_path / "data") in found["database"].what
    assert levels_by_check(found) == {"indexes": "fail"}
    assert "embedded" in found["secrets"].what


async def test_an_embedded_server_that_cannot_start_is_told_with_the_way_out(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("")
    rest = {name: value for name, value in environment.items() if name != "MONGO_URL"}
    where = {"CHESSCOACH_DATABASE__EMBEDDED_DIR": str(tmp_path / "taken")}

    found = await run_checks(await load_settings({**rest, **where}))

    assert found["database"].level == "fail"
    assert "cannot be used for the embedded MongoDB" in found["database"].what
    assert "set MONGO_URL" in found["database"].do


@pytest.mark.parametrize("version", ["5.0.31", "4.4.6", "3.6", ""])
def test_a_server_that_is_too_old_fails(version: str) -> None:
    found = database.version(ServerInfo(version=version, kind="replica set", members=3), "here")

    assert found.level == "fail"
    assert "update" in found.do


@pytest.mark.parametrize("version", ["6.0.0", "7.0.2-rc1", "10.1.0"])
def test_a_server_that_is_new_enough_is_good(version: str) -> None:
    server = ServerInfo(version=version, kind="sharded cluster")

    assert database.version(server, "here").level == "ok"
    assert database.replication(server).what == "sharded cluster"


def test_the_members_of_a_replica_set_are_counted() -> None:
    server = ServerInfo(version="7.0.0", kind="replica set", members=3)

    assert database.replication(server).what == "replica set of 3 members"


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[str]:
    """A real mongod that is part of no set."""
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


async def test_a_standalone_server_works_and_what_is_lost_is_said(
    environment: dict[str, str], standalone: str
) -> None:
    found = await run_checks(await load_settings(environment, MONGO_URL=standalone))

    assert levels_by_check(found) == {"replica set": "warn", "indexes": "fail"}
    assert "nobody takes over when it fails" in found["replica set"].what
    assert "replica set" in found["replica set"].do


# The sites


async def test_each_site_is_asked_once_about_somebody_who_is_linked(
    settings: Settings, ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    sites.world.add_game("chess.com", "Ann", utc_now() - timedelta(seconds=1))
    await run_sync(ctx)
    spent = len(db.job_leases.find_one({"_id": "lane:lichess"})["spent"])
    sites.clear_requests()

    found = await run_checks(settings)

    assert levels_by_check(found) == {}
    assert "answered about ann in" in found["lichess"].what
    assert [(seen.path, seen.body) for seen in sites.lichess.requests] == [("/api/users", "ann")]
    (asked,) = sites.chesscom.requests
    assert asked.path.startswith("/pub/player/ann/games/")
    assert asked.status == 304, "what we have of the month is not sent again"
    rows = {row["_id"]: row for row in db.job_leases.find()}
    assert rows["lane:lichess"]["owner"] is rows["lane:chess.com"]["owner"] is None
    assert len(rows["lane:lichess"]["spent"]) == spent + 1, "it is part of the allowance"


async def test_where_nobody_is_linked_a_name_that_nobody_has_shows_that_chesscom_answers(
    settings: Settings, ctx: Context, sites: FakeSites
) -> None:
    found = await run_checks(settings)

    assert levels_by_check(found) == {}
    assert [seen.body for seen in sites.lichess.requests] == [WELL_KNOWN_PLAYER]
    (asked,) = sites.chesscom.requests
    assert asked.path.startswith(f"/pub/player/{NONEXISTENT_PLAYER}/games/")
    assert asked.status == 404
    assert "answered about a name that nobody has" in found["chess.com"].what


SITES = ("lichess", "chess.com")
FAULTS: list[tuple[SiteFault, str, str]] = [
    ("403", "fail", "refused us (403)"),
    ("429", "warn", "answered 429"),
    ("500", "fail", "answered 500"),
    ("503", "fail", "answered 503"),
    ("hang", "fail", "no answer within 2 s"),
    ("reset", "fail", "the answer broke off"),
]


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize(("fault", "level", "said"), FAULTS)
async def test_what_a_site_answers_instead_is_said_in_words_after_one_request(
    environment: dict[str, str],
    ctx: Context,
    sites: FakeSites,
    db: Any,
    site: str,
    fault: SiteFault,
    level: str,
    said: str,
) -> None:
    stand_in = sites.lichess if site == "lichess" else sites.chesscom
    again = fault == "reset" and site == "chess.com"  # aiohttp repeats a GET of its own accord
    stand_in.faults.extend([fault] * (2 if again else 1))

    found = await run_checks(await load_settings(environment, CHESSCOACH_SOURCES__TIMEOUT_S="2"))

    assert levels_by_check(found) == {site: level}
    assert said in found[site].what
    assert found[site].do
    assert len(stand_in.requests) == (2 if again else 1)
    assert db.job_leases.count_documents({"owner": {"$ne": None}}) == 0


async def test_after_a_403_the_site_is_closed_for_everybody_as_in_a_run(
    environment: dict[str, str], ctx: Context, sites: FakeSites
) -> None:
    long = {"CHESSCOACH_SOURCES__BREAKER_OPEN_S": "3600"}
    sites.lichess.faults.append("403")
    first = await run_doctor({**environment, **long})
    sites.clear_requests()

    second = await run_doctor({**environment, **long})

    assert (first.code, second.code) == (1, 1)
    assert '"event": "source_breaker_opened"' in first.err
    (line,) = [line for line in second.out.splitlines() if line.startswith("FAIL")]
    assert "lichess" in line
    assert "closed until 20" in line
    assert sites.lichess.requests == []
    assert len(sites.chesscom.requests) == 1


async def test_after_a_429_the_site_is_paused_for_everybody_and_not_asked_again(
    environment: dict[str, str], ctx: Context, sites: FakeSites
) -> None:
    settings = await load_settings(environment, CHESSCOACH_SOURCES__FIRST_PAUSE_S="3600")
    sites.chesscom.faults.append("429")
    first = await run_checks(settings)
    sites.clear_requests()

    second = await run_checks(settings)

    assert "left alone until 20" in first["chess.com"].what
    assert levels_by_check(second) == {"chess.com": "warn"}
    assert "it wanted a pause, until 20" in second["chess.com"].what
    assert sites.chesscom.requests == []


async def test_the_third_429_in_a_row_closes_the_site_as_in_a_run(
    environment: dict[str, str], ctx: Context, sites: FakeSites
) -> None:
    lane = ctx.sync.lanes["lichess"]
    async with lane.acquire({}):
        await lane.pause(0)
        await lane.pause(0)
    sites.lichess.faults.append("429")

    found = await run_checks(
        await load_settings(environment, CHESSCOACH_SOURCES__BREAKER_OPEN_S="3600")
    )

    assert levels_by_check(found) == {"lichess": "fail"}
    assert "the third time in a row, so it is left alone until 20" in found["lichess"].what
    assert len(sites.lichess.requests) == 1


async def test_a_site_whose_lane_a_run_holds_is_not_asked(
    settings: Settings, ctx: Context, sites: FakeSites
) -> None:
    holder = {"host": "elsewhere", "pid": 7, "run_id": "sync_games:manual:1"}
    async with ctx.leases.renewing(), ctx.sync.lanes["lichess"].acquire(holder):
        found = await run_checks(settings)

    assert levels_by_check(found) == {"lichess": "warn"}
    assert "sync_games:manual:1 on elsewhere, pid 7, is asking it" in found["lichess"].what
    assert sites.lichess.requests == []
    assert len(sites.chesscom.requests) == 1


async def test_a_site_that_cannot_be_reached_is_told_with_the_setting_that_names_it(
    environment: dict[str, str], ctx: Context
) -> None:
    nowhere = {
        "CHESSCOACH_SOURCES__LICHESS__BASE_URL": "http://127.0.0.1:1",
        "CHESSCOACH_SOURCES__CHESSCOM__BASE_URL": "http://127.0.0.1:1/pub",
    }

    found = await run_checks(await load_settings({**environment, **nowhere}))

    assert levels_by_check(found) == {"lichess": "fail", "chess.com": "fail"}
    assert "cannot be reached" in found["lichess"].what
    assert "[sources.lichess] base_url" in found["lichess"].do
    assert "[sources.chesscom] base_url" in found["chess.com"].do


@asynccontextmanager
async def http_server(
    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """Something that stands where a site should be; its address."""
    runner = web.ServerRunner(web.Server(handle), handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "text", "content_type", "said"),
    [
        (200, "<html>Sign in to this network</html>", "text/html", "a page of HTML"),
        (404, "<html>Not found</html>", "text/html", "answered what we do not understand"),
        (404, '{"code":0,"message":"No provider"}', "application/json", "do not understand"),
        (200, "[1", "application/json", "answered what we do not understand"),
    ],
)
async def test_what_is_no_answer_of_the_site_proves_nothing(
    environment: dict[str, str],
    ctx: Context,
    status: int,
    text: str,
    content_type: str,
    said: str,
) -> None:
    async def handle(_: web.BaseRequest) -> web.Response:
        return web.Response(status=status, text=text, content_type=content_type)

    async with http_server(handle) as url:
        instead = {
            "CHESSCOACH_SOURCES__LICHESS__BASE_URL": url,
            "CHESSCOACH_SOURCES__CHESSCOM__BASE_URL": url,
        }
        found = await run_checks(await load_settings({**environment, **instead}))

    assert levels_by_check(found) == {"lichess": "fail", "chess.com": "fail"}
    assert said in found["lichess"].what
    assert said in found["chess.com"].what


async def test_an_allowance_that_is_spent_for_the_day_is_told(
    environment: dict[str, str], ctx: Context, sites: FakeSites, db: Any
) -> None:
    lane = ctx.sync.lanes["lichess"]
    async with lane.acquire({}):
        await lane.consume(15, 15)
    long_ago = utc_now() - timedelta(hours=3)
    spent = [{"at": long_ago, "amount": 15, "token": "x"}]
    db.job_leases.update_one({"_id": "lane:lichess"}, {"$set": {"spent": spent}})
    one = {"CHESSCOACH_SOURCES__LICHESS__USERS_PER_10MIN": "1"}

    found = await run_checks(await load_settings({**environment, **one}))

    assert levels_by_check(found) == {"lichess": "fail"}
    assert "the day's allowance is spent" in found["lichess"].what
    assert sites.lichess.requests == []


async def test_an_allowance_that_must_be_waited_for_is_not_waited_for(
    environment: dict[str, str], ctx: Context, sites: FakeSites
) -> None:
    lane = ctx.sync.lanes["lichess"]
    async with lane.acquire({}):
        await lane.consume(1, 1)
    one = {
        "CHESSCOACH_SOURCES__LICHESS__USERS_PER_10MIN": "1",
        "CHESSCOACH_SOURCES__TIMEOUT_S": "2",
    }

    found = await run_checks(await load_settings({**environment, **one}))

    assert levels_by_check(found) == {"lichess": "warn"}
    assert "neither lane nor allowance were to be had within 4 s" in found["lichess"].what
    assert sites.lichess.requests == []


async def test_a_reply_that_never_ends_is_not_waited_for(
    environment: dict[str, str], ctx: Context
) -> None:
    async def drip(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.1)

    async with http_server(drip) as url:
        slow = {
            "CHESSCOACH_SOURCES__LICHESS__BASE_URL": url,
            "CHESSCOACH_SOURCES__TIMEOUT_S": "2",
        }
        found = await run_checks(await load_settings({**environment, **slow}))

    assert levels_by_check(found) == {"lichess": "fail"}
    assert "its reply did not end within 4 s" in found["lichess"].what


# Secrets


def check_context(**environment: str) -> CheckContext:
    return CheckContext(settings=config.load(None, environment))


@pytest.mark.parametrize(
    ("query", "level"),
    [
        (f"mongodb://coach:{PASSWORD}@db.example/", "warn"),
        (f"mongodb://coach:{PASSWORD}@db.example/?tls=false", "warn"),
        (f"mongodb://coach:{PASSWORD}@127.0.0.1,db.example/?replicaSet=rs", "warn"),
        (f"mongodb+srv://coach:{PASSWORD}@db.example/?tls=false", "warn"),
        (f"mongodb+srv://coach:{PASSWORD}@db.example/", "ok"),
        (f"mongodb://coach:{PASSWORD}@db.example/?tls=true", "ok"),
        (f"mongodb://coach:{PASSWORD}@db.example/?ssl=true", "ok"),
        (f"mongodb://coach:{PASSWORD}@localhost,127.0.0.2,[::1]/", "ok"),
        (f"mongodb://coach:{PASSWORD}@%2Ftmp%2Fmongodb.sock/", "ok"),
        ("mongodb://db.example/", "ok"),
    ],
)
async def test_a_password_that_crosses_a_network_without_tls_is_worth_a_warning(
    query: str, level: str
) -> None:
    found = await secrets.tls(await asyncio.to_thread(lambda: check_context(MONGO_URL=query)))

    assert found.level == level
    assert PASSWORD not in found.what + found.do


def test_a_url_that_cannot_be_read_has_no_address() -> None:
    assert client.parse_connection("localhost:27017") is None


@pytest.mark.parametrize(
    ("mode", "level"), [(0o600, "ok"), (0o640, "ok"), (0o644, "warn"), (0o604, "warn")]
)
async def test_files_with_secrets_that_others_can_read_are_named(
    tmp_path: Path, mode: int, level: str
) -> None:
    secret, beside = tmp_path / "secret", tmp_path / ".env"
    for path in (secret, beside):
        path.write_text("" if path == beside else UNREACHABLE)
        path.chmod(mode)
        assert stat.S_IMODE(os.stat(path).st_mode) == mode
    given = {"MONGO_URL_FILE": str(secret)}

    found = await secrets.files(await asyncio.to_thread(lambda: check_context(**given)))

    assert found.level == level
    assert str(secret) in found.what
    assert str(beside) in found.what
    assert ("chmod 600" in found.do) is (level == "warn")


async def test_it_says_where_the_url_comes_from(tmp_path: Path) -> None:
    def said(**given: str) -> str:
        return asyncio.run(secrets.origin(check_context(**given))).what

    (tmp_path / "secret").write_text(UNREACHABLE)
    file = {"MONGO_URL_FILE": str(tmp_path / "secret")}
    assert await asyncio.to_thread(said, MONGO_URL=UNREACHABLE) == "MONGO_URL in the environment"
    assert (await asyncio.to_thread(said, **file)).startswith("MONGO_URL_FILE in the environment")
    both = {**file, "MONGO_URL": UNREACHABLE}
    assert await asyncio.to_thread(said, **both) == "MONGO_URL in the environment"
    (tmp_path / ".env").write_text(f"MONGO_URL={UNREACHABLE}")
    assert await asyncio.to_thread(said) == "MONGO_URL in .env"


async def test_a_password_that_is_too_short_to_be_masked_is_worth_a_warning(
    environment: dict[str, str],
) -> None:
    masked = await run_doctor(
        {**environment, **SHORT_TIMEOUTS, "MONGO_URL": f"mongodb://u:{PASSWORD}@h:1/"}
    )
    short = await run_doctor({**environment, **SHORT_TIMEOUTS, "MONGO_URL": "mongodb://u:qzj@h:1/"})

    for done, mark in ((masked, "ok"), (short, "warn")):
        (line,) = [line for line in done.out.splitlines() if " masking " in line]
        assert line.startswith(mark), line
        assert "qzj" not in done.out + done.err


async def test_logging_that_was_never_told_a_secret_would_show_it(settings: Settings) -> None:
    given = replace(settings.process, mongo_url=f"mongodb://coach:{PASSWORD}@db.example/")

    found = await secrets.redaction(CheckContext(settings=replace(settings, process=given)))

    assert found.level == "fail"


# What later checks can count on


async def test_a_check_that_breaks_hides_no_other(
    settings: Settings, ctx: Context, db: Any
) -> None:
    db.sync_accounts.insert_one(
        {"_id": "lichess:ann", "platform": "lichess", "standing": "active", "links": [1]}
    )

    found = await run_checks(settings)

    assert levels_by_check(found) == {"lichess": "fail"}
    assert "the check itself failed" in found["lichess"].what
