import asyncio
import os
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from chesscoach.context import Context
from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.scheduler import schedule_admin
from tests.conftest import FakeSites
from tests.support.processes import kill, line_with, run, start, wait_for_end
from tests.support.scheduling import expire_process, wait_until
from tests.support.sync.sync_members import add_member, before_now, expected_urls, stored_urls

JOB = "chesscoach.jobs.sync_games"


async def add_players(ctx: Context, db: Any, sites: FakeSites, count: int) -> None:
    """Users with an account on Chess.com, each with a game."""
    for number in range(count):
        await add_member(ctx, db, sites, f"P{number}", "chess.com")
        sites.world.add_game("chess.com", f"P{number}", before_now(days=1))


async def test_help_names_every_flag_and_exit_code(environment: dict[str, str]) -> None:
    shown = await run(environment, JOB, "--help")

    assert shown.code == 0
    for word in ("--scheduled", "--dry-run", "--config", "--json", "--user", "--all", "75", "143"):
        assert word in shown.out


async def test_a_manual_run_logs_json_lines_on_stdout(
    environment: dict[str, str], ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess")
    sites.world.add_game("lichess", "Ann", before_now(days=1))

    done = await run(environment, JOB)

    assert (done.code, done.err) == (0, "")
    for line in done.lines:
        assert {"event", "level", "timestamp", "job", "run_id"} <= line.keys()
    assert done.lines[-1]["done"] == 1
    assert stored_urls(db, "ann") == expected_urls(sites, "Ann", "lichess")


async def test_json_prints_the_record_alone_and_logs_to_stderr(
    environment: dict[str, str], ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess")

    done = await run(environment, JOB, "--json")

    assert done.code == 0
    stored = db.job_runs.find_one()
    assert done.record["run_id"] == stored["_id"]
    assert (done.record["outcome"], done.record["done"]) == ("succeeded", 1)
    assert done.record["schedule"] is None
    assert '"event": "job_finished"' in done.err


@pytest.mark.parametrize(
    ("args", "environment_too", "message"),
    [
        (["--bogus"], {}, "--bogus"),
        (["--user", "missing"], {}, "missing"),
        (["--user", "ann\udcff"], {}, "--user: 'ann\\xff' is not UTF-8"),
        (["--scheduled", "nightly"], {}, "nightly"),
        (["--scheduled", "--all"], {}, "--scheduled"),
        (["--config", "missing.toml"], {}, "missing.toml: no such file"),
        ([], {"CHESSCOACH_SOURCES__CONTCT": "x"}, "sources.contct: unknown setting"),
        ([], {"CHESSCOACH_RUNNER__LEASE_S": "soon"}, "runner.lease_s"),
        ([], {"MONGO_URL": "localhost:27017"}, "MONGO_URL"),
        ([], {"MONGO_URL": "mongodb://127.0.0.1:1/?w=1"}, "w is not majority"),
        (["--scheduled"], {"CHESSCOACH_SLOT": "yesterday"}, "CHESSCOACH_SLOT"),
        (["--scheduled"], {"CHESSCOACH_SLOT": "2025-11-21T05:00:00Z"}, "is not a slot"),
    ],
)
async def test_wrong_usage_exits_with_2_and_one_line_that_gives_the_reason(
    environment: dict[str, str],
    ctx: Context,
    args: list[str],
    environment_too: dict[str, str],
    message: str,
) -> None:
    done = await run({**environment, **environment_too}, JOB, *args)

    assert done.code == 2
    assert message in done.out + done.err
    assert "Traceback" not in done.out + done.err


@pytest.mark.new_database
async def test_a_database_without_indexes_exits_with_2(environment: dict[str, str]) -> None:
    done = await run(environment, JOB)

    assert done.code == 2
    assert "chesscoach db init" in done.err


async def test_an_unreachable_mongo_is_one_clear_line_within_the_time(
    environment: dict[str, str],
) -> None:
    began_at = asyncio.get_running_loop().time()
    away = {"MONGO_URL": "mongodb://u:sesame@127.0.0.1:9/", "CHESSCOACH_DATABASE__TIMEOUT_S": "1"}

    done = await run({**environment, **away}, JOB)

    assert done.code == 1
    assert "MongoDB does not answer" in done.err
    assert "sesame" not in done.out + done.err
    assert "Traceback" not in done.out + done.err
    assert asyncio.get_running_loop().time() - began_at < 25  # without the setting it is 30


async def test_of_two_at_once_one_runs_and_the_other_exits_with_75(
    environment: dict[str, str], ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_players(ctx, db, sites, 10)
    sites.chesscom.delay_s = 0.2

    both = await asyncio.gather(run(environment, JOB, "--json"), run(environment, JOB, "--json"))

    refused, worked = sorted(both, key=lambda process: -process.code)
    assert (refused.code, worked.code) == (75, 0)
    assert worked.record["run_id"] in refused.record["reason"]
    assert db.games.count_documents({}) == db.sync_accounts.count_documents({}) == 10
    paths = [request.path for request in sites.chesscom.requests]
    assert len(paths) == len(set(paths)), "the one that was refused asked nothing"
    assert sites.chesscom.violations == []


async def test_a_slot_whose_owner_was_killed_is_finished_by_the_next_as_attempt_2(
    environment: dict[str, str], ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_players(ctx, db, sites, 10)
    sites.chesscom.faults.extend([None, None, "hang"])
    first = await start(environment, JOB, "--scheduled")
    run_id = (await line_with(first, "job_started"))["run_id"]
    await kill(first)
    expire_process(db, run_id)
    sites.chesscom.faults.clear()

    second = await run(environment, JOB, "--scheduled", "--json")
    third = await run(environment, JOB, "--scheduled", "--json")

    assert (second.code, second.record["attempt"], second.record["outcome"]) == (0, 2, "succeeded")
    assert (third.code, third.record["reason"]) == (0, "closed: succeeded")
    assert db.games.count_documents({}) == 10
    stored = db.job_runs.find_one()
    assert [old["outcome"] for old in stored["earlier"]] == ["abandoned"]


async def test_a_kubernetes_job_runs_the_slot_in_its_name(
    environment: dict[str, str], ctx: Context, db: Any
) -> None:
    slot = datetime(2025, 11, 20, 18, tzinfo=UTC)
    pod = {"KUBERNETES_JOB_NAME": f"sync-games-{int(slot.timestamp()) // 60}"}

    done = await run({**environment, **pod}, JOB, "--scheduled", "--json")
    manual = await run(
        {**environment, "KUBERNETES_JOB_NAME": "sync-games-manual-x7k"},
        JOB,
        "--scheduled",
        "--json",
    )

    assert done.record["slot"] == "2025-11-20T18:00:00Z"
    assert manual.record["slot"] is None


async def test_a_signal_stops_a_one_shot_cleanly_with_its_own_code(
    environment: dict[str, str], ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_players(ctx, db, sites, 15)
    sites.chesscom.delay_s = 1
    process = await start(environment, JOB)
    await line_with(process, "job_started")
    await wait_until(lambda: len(sites.chesscom.requests) > 1)

    done = await kill(process, signal.SIGTERM)

    assert done.code == 143
    assert db.job_runs.find_one()["outcome"] == "cancelled"
    assert db.job_leases.count_documents({"owner": {"$ne": None}}) == 0
    sites.chesscom.delay_s = 0
    assert (await run(environment, JOB)).code == 0
    assert db.games.count_documents({}) == 15


async def test_progress_is_drawn_on_a_terminal_alone(
    environment: dict[str, str], ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "chess.com")
    sites.chesscom.delay_s = 0.3
    inner, outer = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", JOB), env={**os.environ, **environment}, stdout=outer, stderr=outer
    )
    os.close(outer)
    shown = await asyncio.to_thread(_read_terminal, inner)

    assert await process.wait() == 0
    assert b"0/1" in shown
    assert (await wait_for_end(await start(environment, JOB))).err == ""


async def test_a_scheduled_run_uses_the_stored_schedule_before_the_configured_one(
    environment: dict[str, str], ctx: Context, db: Any
) -> None:
    """Schedules that an operator edited, added or paused are so for CronJobs, too."""
    await schedule_admin.sync_from_config(ctx.worker)
    stored = await ctx.worker.schedules.get("sync_games")
    assert stored is not None
    edited = await schedule_admin.edit_schedule(
        ctx.worker, JOBS, stored, Schedule(job="sync_games", cron="30 3 * * *")
    )
    await schedule_admin.add_schedule(
        ctx.worker, JOBS, "mine", Schedule(job="sync_games", cron="45 4 * * *", lock="mine")
    )

    done = [
        (await run(environment, JOB, *args, "--json")).record["slot"]
        for args in (("--scheduled",), ("--scheduled", "mine"))
    ]
    await schedule_admin.pause_schedule(ctx.worker, edited)
    paused = await run(environment, JOB, "--scheduled", "--json")

    assert [slot[11:16] for slot in done] == ["03:30", "04:45"]
    assert (paused.code, paused.record["outcome"]) == (0, "paused")
    assert paused.record["reason"] == "the schedule sync_games is paused"
    assert db.job_runs.count_documents({}) == 2


@pytest.mark.parametrize(
    ("args", "index", "message"),
    [
        (["--shard", "4/4"], "", "--shard: there is no shard 4 of 4"),
        (["--shard", "4"], "", "--shard: '4' is not I/N, such as 0/4"),
        (["--shard", "4"], "7", "--shard: there is no shard 7 of 4"),
        (["--shard", "x/y", "--scheduled"], "", "--shard: 'x/y' is not I/N"),
        (["--shard", "0/4", "--user", "ann"], "", "leave out --user"),
    ],
)
async def test_a_shard_that_makes_no_sense_is_wrong_usage(
    args: list[str], index: str, message: str, environment: dict[str, str], ctx: Context, db: Any
) -> None:
    done = await run({**environment, "JOB_COMPLETION_INDEX": index}, JOB, *args)

    assert (done.code, message in done.err) == (2, True), done.err
    assert db.job_runs.count_documents({}) == 0


async def test_a_shard_is_named_in_the_run_record_and_in_its_id(
    environment: dict[str, str], ctx: Context, db: Any
) -> None:
    done = await run(environment, JOB, "--scheduled", "--shard", "1/2", "--json")

    stored = db.job_runs.find_one()
    assert (done.code, done.record["shard"], done.record["outcome"]) == (0, "1/2", "succeeded")
    assert done.record["run_id"] == stored["_id"]
    assert stored["_id"].endswith("Z#1/2")
    assert stored["shard"] == "1/2"
    dry = await run(environment, JOB, "--dry-run", "--shard", "0/2", "--json")
    assert (dry.code, dry.record["outcome"]) == (0, "dry_run")
    whole = await run(environment, JOB, "--json")
    assert (whole.code, whole.record["shard"]) == (0, None)


def _read_terminal(descriptor: int) -> bytes:
    """What a terminal gets until its other end is closed; one read returns 4 kB at most."""
    shown = b""
    with os.fdopen(descriptor, "rb", buffering=0) as terminal, suppress(OSError):  # EIO at the end
        while part := terminal.read(4096):
            shown += part
    return shown
