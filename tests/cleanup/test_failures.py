"""The cleanup under kills, failovers, missing rights and concurrent writers."""

import asyncio
import random
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from chesscoach.context import Context
from chesscoach.mongo.client import Document
from tests.support.cleanup_documents import DAY
from tests.support.forked_process import Process
from tests.support.mongo.mongod_auth import AuthenticatedMongod, authenticated_mongod
from tests.support.mongo.replica_set import ReplicaSet, replica_set
from tests.support.processes import kill, line_with, run, start, wait_for_end

JOB = "chesscoach.jobs.cleanup"


def make_sessions(expired: int, live: int) -> list[Document]:
    """Expired and live sessions, in turn as dates and as texts, in random order."""
    now = datetime.now(UTC)
    sessions = []
    for number in range(expired + live):
        at = now - DAY if number < expired else now + DAY
        value = at.isoformat() if number % 2 else at
        sessions.append({"_id": number, "user_id": "u", "expires_at": value})
    random.shuffle(sessions)
    return sessions


def count_live(db: Any) -> int:
    """The number of live sessions in the database."""
    now = datetime.now(UTC)
    count: int = db.user_sessions.count_documents(
        {"$or": [{"expires_at": {"$gt": now}}, {"expires_at": {"$gt": now.isoformat()}}]}
    )
    return count


@pytest.fixture
def small_steps(environment: dict[str, str]) -> dict[str, str]:
    """The settings of a process that deletes in small steps."""
    return {
        **environment,
        "CHESSCOACH_CLEANUP__BATCH": "10",
        "CHESSCOACH_CLEANUP__PAUSE_S": "0.01",
    }


async def start_and_delete(environment: dict[str, str], db: Any, remaining: int) -> Process:
    """A running cleanup that has deleted all but `remaining` sessions."""
    process = await start(environment, JOB, "--rule", "sessions")
    await line_with(process, "job_started")
    while db.user_sessions.count_documents({}) > remaining and process.returncode is None:
        await asyncio.sleep(0.01)
    return process


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_kills_at_any_moment_delete_nothing_live_and_the_next_run_finishes(
    small_steps: dict[str, str], ctx: Context, db: Any
) -> None:
    chance, kills_in_time = random.Random(), 0
    brief = {
        **small_steps,
        "CHESSCOACH_RUNNER__LEASE_S": "1",
        "CHESSCOACH_CLEANUP__PAUSE_S": "0.05",
    }
    for _ in range(50):
        db.user_sessions.drop()
        db.user_sessions.insert_many(make_sessions(800, 200))
        await kill(await start_and_delete(brief, db, chance.randrange(200, 1001)))
        kills_in_time += 200 < db.user_sessions.count_documents({}) < 1000
        assert count_live(db) == 200
        calm = {**small_steps, "CHESSCOACH_RUNNER__LEASE_S": "15"}
        last = await run(calm, JOB, "--rule", "sessions", "--json")
        assert last.code == 0, last
        assert (db.user_sessions.count_documents({}), count_live(db)) == (200, 200)
    assert kills_in_time >= 10, "hardly any kill came in time: this shows nothing"


async def test_a_kill_and_a_signal_delete_nothing_live_and_the_next_run_continues(
    small_steps: dict[str, str], ctx: Context, db: Any
) -> None:
    db.user_sessions.insert_many(make_sessions(400, 20))
    slow = {**small_steps, "CHESSCOACH_CLEANUP__PAUSE_S": "1"}

    await kill(await start_and_delete(slow, db, 410))
    db.job_leases.update_many({}, {"$set": {"expires_at": datetime.now(UTC) - DAY}})
    after_kill = db.user_sessions.count_documents({})
    stopped = await kill(await start_and_delete(slow, db, after_kill - 10), signal.SIGTERM)

    assert 20 < db.user_sessions.count_documents({}) < after_kill < 420
    assert count_live(db) == 20
    assert stopped.code == 143
    assert db.job_runs.count_documents({"outcome": "cancelled"}) == 1
    swift = {**small_steps, "CHESSCOACH_CLEANUP__BATCH": "1000"}
    assert (await run(swift, JOB)).code == 0
    assert db.user_sessions.count_documents({}) == count_live(db) == 20


@pytest.fixture
def members(tmp_path: Path) -> Iterator[ReplicaSet]:
    with replica_set(tmp_path / "set") as server:
        yield server


@pytest.mark.long
async def test_a_stepdown_during_the_cleanup_deletes_no_live_session(
    small_steps: dict[str, str], members: ReplicaSet
) -> None:
    settings = {**small_steps, "MONGO_URL": members.url, "CHESSCOACH_RUNNER__LEASE_S": "10"}
    with MongoClient[Document](members.url, tz_aware=True) as client:
        db = client[settings["DB_NAME"]]
        db.user_sessions.insert_many(make_sessions(2000, 200))
        process = await start(settings, JOB, "--rule", "sessions")
        await line_with(process, "job_started")
        while db.user_sessions.count_documents({}) > 1900:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(members.step_down)
        remaining = db.user_sessions.count_documents({})
        ending = await wait_for_end(process, 90)
        assert 200 < remaining < 2200, "it stepped down too late: this shows nothing"
        assert count_live(db) == 200
        if ending.code:
            assert "cleanup_rule_failed" in ending.out
            ending = await run(settings, JOB, "--rule", "sessions")
        assert ending.code == 0, ending
        assert (db.user_sessions.count_documents({}), count_live(db)) == (200, 200)


async def test_an_empty_and_a_missing_database_need_no_cleanup(
    environment: dict[str, str], ctx: Context, mongo: MongoClient[Document]
) -> None:
    prepared = await run(environment, JOB, "--json")
    mongo.drop_database(environment["DB_NAME"])
    planned = await run(environment, JOB, "--dry-run", "--json")
    assert environment["DB_NAME"] not in mongo.list_database_names()
    missing = await run(environment, JOB, "--json")

    for done in (prepared, missing):
        assert (done.code, done.record["outcome"], done.record["done"]) == (0, "succeeded", 7)
        assert set(done.record["notes"].values()) == {0}
    assert (planned.code, planned.record["candidates"]) == (0, 7)


@pytest.fixture
def server(tmp_path: Path, environment: dict[str, str]) -> Iterator[AuthenticatedMongod]:
    with authenticated_mongod(tmp_path / "guarded", environment["DB_NAME"]) as server:
        yield server


async def test_missing_rights_are_reported_by_rule_and_the_other_rules_run(
    small_steps: dict[str, str], server: AuthenticatedMongod
) -> None:
    with MongoClient[Document](server.url("root"), tz_aware=True) as client:
        db = client[small_steps["DB_NAME"]]
        db.user_sessions.insert_many(make_sessions(30, 5))
        db.email_outbox.insert_one(
            {"_id": "m", "state": "sent", "finished_at": datetime(2020, 1, 1, tzinfo=UTC)}
        )
        reader = {**small_steps, "MONGO_URL": server.url("reader")}
        by_reader = await run(reader, JOB)
        planned = await run(reader, JOB, "--dry-run", "--json")
        by_half = await run({**small_steps, "MONGO_URL": server.url("half")}, JOB)

        assert by_reader.code == 1
        assert "has no right to do this (OperationFailure, code 13)" in by_reader.err
        assert "Traceback" not in by_reader.out + by_reader.err + by_half.out
        assert planned.code == 0
        assert planned.record["notes"]["would_delete_sessions"] == 30
        assert by_half.code == 1
        failed = [line for line in by_half.lines if line["event"] == "cleanup_rule_failed"]
        assert [line["rule"] for line in failed] == ["sessions"]
        assert "has no right" in failed[0]["error"]
        last = by_half.lines[-1]
        assert (last["outcome"], last["done"], last["failed"]) == ("partial", 6, 1)
        assert db.user_sessions.count_documents({}) == 35
        assert db.email_outbox.count_documents({}) == 0
