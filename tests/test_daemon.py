import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from chesscoach.context import Context
from chesscoach.demo.fake_site import SiteFault
from tests.conftest import FakeSites
from tests.support.processes import kill, line_with, run, start
from tests.support.scheduling import EVERY_TWO_SECONDS
from tests.support.sync.sync_members import add_member, before_now

LONG_GRACE = {"CHESSCOACH_RUNNER__GRACE_S": "3600"}  # what waits for it fails the test


async def test_it_runs_what_is_due_and_drains_on_sigterm(
    environment: dict[str, str], ctx: Context, db: Any, sites: FakeSites
) -> None:
    for number in range(40):
        await add_member(ctx, db, sites, f"P{number}", "chess.com")
        sites.world.add_game("chess.com", f"P{number}", before_now(days=1))
    sites.chesscom.delay_s = 0.5
    daemon = await start({**environment, **EVERY_TWO_SECONDS, **LONG_GRACE}, "chesscoach")
    line = await line_with(daemon, "job_started")
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(db.games.find_one):
            await asyncio.sleep(0.02)

    done = await kill(daemon, signal.SIGTERM)

    assert done.code == 0
    for logged in done.lines:
        assert {"event", "level", "timestamp"} <= logged.keys()
    assert done.lines[-1]["event"] == "daemon_stopped"
    record = db.job_runs.find_one({"_id": line["run_id"]})
    assert (record["outcome"], record["source"]) == ("cancelled", "daemon")
    stored = db.games.count_documents({})
    assert 0 < stored < 40
    checked = db.sync_accounts.count_documents({"checked_at": {"$ne": None}})
    under_way = stored - checked
    assert under_way in (0, 1), "what was written before the stop is saved as checked"
    assert db.job_leases.count_documents({"owner": {"$ne": None}}) == 0

    sites.chesscom.delay_s = 0
    record = (await run(environment, "chesscoach.jobs.sync_games", "--json")).record
    assert record["outcome"] == "succeeded"
    assert db.games.count_documents({}) == 40


@pytest.mark.parametrize("fault", ["hang", "429"])
async def test_it_drains_at_once_while_it_waits_for_a_source(
    environment: dict[str, str], ctx: Context, db: Any, sites: FakeSites, fault: SiteFault
) -> None:
    for number in range(3):
        await add_member(ctx, db, sites, f"P{number}", "chess.com")
        sites.world.add_game("chess.com", f"P{number}", before_now(days=1))
    sites.chesscom.faults.extend([None, fault])
    long = {"CHESSCOACH_SOURCES__FIRST_PAUSE_S": "3600", "CHESSCOACH_SOURCES__TIMEOUT_S": "3600"}
    daemon = await start({**environment, **EVERY_TWO_SECONDS, **LONG_GRACE, **long}, "chesscoach")
    run_id = (await line_with(daemon, "job_started"))["run_id"]
    async with asyncio.timeout(30):
        while len(sites.chesscom.requests) < 2:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)  # the daemon has read the response, and waits

    done = await kill(daemon, signal.SIGTERM)

    assert done.code == 0
    assert len(sites.chesscom.requests) == 2
    assert db.job_runs.find_one({"_id": run_id})["outcome"] == "cancelled"


@pytest.mark.parametrize(
    ("job", "args", "setting"),
    [("sing", "{}", "schedules.odd.job"), ("sync_games", "{users = 'all'}", "schedules.odd.args")],
)
async def test_the_daemon_refuses_a_bad_schedule_at_its_start(
    environment: dict[str, str], tmp_path: Path, job: str, args: str, setting: str
) -> None:
    text = f"[schedules.odd]\njob = '{job}'\ncron = '0 0 * * *'\nargs = {args}\n"
    (tmp_path / "odd.toml").write_text(text)

    done = await run(environment, "chesscoach", "--config", "odd.toml")

    assert done.code == 2
    assert setting in done.err


@pytest.mark.new_database
async def test_the_daemon_refuses_an_unprepared_database_at_its_start(
    environment: dict[str, str],
) -> None:
    done = await run(environment, "chesscoach")

    assert done.code == 2
    assert "chesscoach db init" in done.err


async def test_a_planted_secret_appears_in_no_line_of_any_command(
    environment: dict[str, str], ctx: Context, db: Any, sites: FakeSites, mongo_url: str
) -> None:
    """It is in MongoDB's URL, the environment, a source's URL, a response and a document."""
    db.users.insert_one({"user_id": "ann", "email": "ann-planted@example.org"})
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    sites.world.add_game("lichess", "Ann", before_now(days=1)).status = "planted_reply"
    host = mongo_url.removeprefix("mongodb://")
    planted = {
        **environment,
        **EVERY_TWO_SECONDS,
        "SENDGRID_API_KEY": "SG.planted_environment.key",
        "CHESSCOACH_LOG__LEVEL": "debug",
        "CHESSCOACH_SOURCES__CONTACT": "planted-contact@example.org",
        "CHESSCOACH_SOURCES__LICHESS__BASE_URL": sites.lichess.url.replace(
            "http://", "http://planted_user:planted_pass@"
        ),
        "CHESSCOACH_SOURCES__CHESSCOM__BASE_URL": "http://planted_user:planted_pass@127.0.0.1:9",
    }
    refused = {**planted, "MONGO_URL": f"mongodb://planted_user:planted_pass@{host}&authSource=a"}
    away = {
        **planted,
        "MONGO_URL": "mongodb://planted_user:planted_pass@127.0.0.1:9/?timeoutMS=500",
    }
    for settings in (planted, refused, away):
        settings["CHESSCOACH_DATABASE__TIMEOUT_S"] = "1"
        for args in (("chesscoach.jobs.sync_games", "--json"), ("chesscoach.jobs.sync_games",)):
            done = await run(settings, *args)
            assert "planted" not in done.out + done.err, (args, done)
            for line in done.out.splitlines():
                assert {"event", "level", "timestamp"} <= json.loads(line).keys()
    daemon = await start(planted, "chesscoach")
    await line_with(daemon, "job_finished")
    done = await kill(daemon, signal.SIGTERM)
    assert "planted" not in done.out + done.err
    assert db.job_runs.count_documents({"errors.error": {"$regex": "planted"}}) == 0
