import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from bson import Timestamp

from chesscoach.context import Context
from chesscoach.schedules.outcome import Counts, Outcome
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.store.run_documents import NewRun, RunRecord
from chesscoach.worker.store.runs import Runs
from tests.conftest import NOON
from tests.support.mongo.profiling import profile

SLOT = Slot(schedule="nightly", at=NOON)


@pytest.fixture
def runs(ctx: Context) -> Runs:
    return ctx.worker.runs


def new_run(claim: str, slot: Slot | None = SLOT, **changes: Any) -> NewRun:
    fields: dict[str, Any] = {
        "id": slot.key if slot else "sync_games:manual:1",
        "job": "sync_games",
        "source": "daemon",
        "claim": claim,
        "owner": {"host": "here", "pid": 7},
        "lease": "sync_games",
        "started_at": NOON,
        "slot": slot,
    }
    return NewRun(**{**fields, **changes})


async def finish_run(
    runs: Runs, claim: str, outcome: Outcome = "succeeded", counts: Counts | None = None
) -> bool:
    return await runs.finish(
        SLOT.key,
        claim,
        outcome=outcome,
        counts=counts or Counts(done=1),
        finished_at=NOON + timedelta(minutes=1),
        duration_s=60.0,
        exit_code=0 if outcome == "succeeded" else 1,
    )


async def test_a_slot_is_claimed_once_and_later_contenders_find_it_there(
    runs: Runs, db: Any
) -> None:
    first = await runs.claim(new_run("one"))
    second = await runs.claim(new_run("two", owner={"host": "there"}))
    repeated = await runs.claim(new_run("one"))  # as the driver does
    assert first.claim == second.claim == repeated.claim == "one"
    assert (first.id, first.schedule, first.slot) == (SLOT.key, "nightly", NOON)
    assert (first.outcome, first.attempt, first.job) == ("running", 1, "sync_games")
    assert second.owner == {"host": "here", "pid": 7}
    assert db.job_runs.count_documents({}) == 1


async def test_of_many_claims_at_once_one_has_the_slot(runs: Runs, db: Any) -> None:
    records = await asyncio.gather(*(runs.claim(new_run(str(n))) for n in range(20)))
    assert len({record.claim for record in records}) == 1
    assert db.job_runs.count_documents({}) == 1


async def test_a_manual_run_belongs_to_no_schedule(runs: Runs) -> None:
    record = await runs.claim(new_run("one", slot=None))
    assert (record.schedule, record.slot) == (None, None)
    assert await runs.newest("nightly") is None


async def test_the_age_of_an_attempt_is_by_the_servers_clock(runs: Runs, db: Any) -> None:
    first = await runs.claim(new_run("one", started_at=NOON - timedelta(days=9)))
    assert 0 <= first.age_s < 3600
    hour_ago = Timestamp(int(time.time()) - 3600, 1)
    db.job_runs.update_one({"_id": SLOT.key}, {"$set": {"claimed_at": hour_ago}})
    later = await runs.find(SLOT.key)
    assert later is not None
    assert later.age_s >= 3599
    assert await runs.reclaim(later, new_run("two"))
    reclaimed = await runs.find(SLOT.key)
    assert reclaimed is not None
    assert reclaimed.age_s < later.age_s


async def test_an_orphan_is_reclaimed_and_its_earlier_attempts_are_kept(
    runs: Runs, db: Any
) -> None:
    old = await runs.claim(new_run("one"))
    at = NOON + timedelta(hours=1)
    new = new_run("two", owner={"host": "there"}, source="kubernetes", started_at=at)
    assert await runs.reclaim(old, new)
    now = await runs.find(SLOT.key)
    assert now is not None
    assert (now.claim, now.attempt, now.outcome) == ("two", 2, "running")
    assert (now.owner, now.source, now.started_at) == ({"host": "there"}, "kubernetes", at)
    assert await finish_run(runs, "two", "failed")
    failed = await runs.find(SLOT.key)
    assert failed is not None
    assert await runs.reclaim(failed, new_run("three"))
    (first, second) = db.job_runs.find_one()["earlier"]
    assert (first["attempt"], first["outcome"]) == (1, "abandoned")
    assert first["owner"] == {"host": "here", "pid": 7}
    assert (first["started_at"], first["finished_at"]) == (NOON, None)
    assert (second["attempt"], second["outcome"]) == (2, "failed")
    assert second["finished_at"] == NOON + timedelta(minutes=1)


async def test_a_new_attempt_does_not_carry_the_end_of_the_one_before(runs: Runs) -> None:
    await runs.claim(new_run("one"))
    await finish_run(runs, "one", "failed", Counts(candidates=5, failed=5, errors=[{"error": "x"}]))
    failed = await runs.find(SLOT.key)
    assert failed is not None
    assert failed.exit_code == 1
    await runs.reclaim(failed, new_run("two"))
    now = await runs.find(SLOT.key)
    assert now is not None
    assert (now.finished_at, now.duration_s, now.exit_code) == (None, None, None)
    assert (now.candidates, now.failed, now.errors) == (0, 0, [])


async def test_of_many_who_reclaim_at_once_one_wins_though_the_driver_repeats(
    runs: Runs, db: Any
) -> None:
    old = await runs.claim(new_run("one"))
    won = await asyncio.gather(*(runs.reclaim(old, new_run(f"new-{n}")) for n in range(8)))
    assert won.count(True) == 1
    winner = f"new-{won.index(True)}"
    assert await runs.reclaim(old, new_run(winner))
    document = db.job_runs.find_one()
    assert (document["claim"], document["attempt"], len(document["earlier"])) == (winner, 2, 1)


async def test_a_run_that_has_moved_on_is_not_reclaimed(runs: Runs) -> None:
    old = await runs.claim(new_run("one"))
    await finish_run(runs, "one")
    assert not await runs.reclaim(old, new_run("two"))
    now = await runs.find(SLOT.key)
    assert now is not None
    assert (now.claim, now.outcome) == ("one", "succeeded")


async def test_only_the_current_attempt_writes_its_progress_and_its_end(
    runs: Runs, db: Any
) -> None:
    old = await runs.claim(new_run("one"))
    assert await runs.report(SLOT.key, "one", Counts(candidates=9, done=4), fence=3)
    await runs.reclaim(old, new_run("two"))
    before = db.job_runs.find_one()
    assert (before["done"], before["fence"]) == (0, 3), "a new attempt counts from 0"
    assert not await runs.report(SLOT.key, "one", Counts(done=5), fence=3)
    assert not await finish_run(runs, "one")
    assert db.job_runs.find_one() == before
    counts = Counts(candidates=9, done=7, failed=1, skipped=1, notes={"games": 3, "why": "x"})
    counts.add_error(user_id="ann", error="x")
    assert await finish_run(runs, "two", "partial", counts)
    assert not await runs.report(SLOT.key, "two", Counts(), fence=3)
    now = await runs.find(SLOT.key)
    assert now is not None
    assert (now.outcome, now.exit_code, now.duration_s) == ("partial", 1, 60.0)
    assert (now.candidates, now.done, now.failed, now.skipped) == (9, 7, 1, 1)
    assert (now.notes, now.errors) == (counts.notes, [{"user_id": "ann", "error": "x"}])
    assert now.finished_at == NOON + timedelta(minutes=1)


async def test_the_newest_slot_of_a_schedule_is_the_latest_instant(runs: Runs) -> None:
    for hours in (2, 5, 3):
        await runs.claim(new_run("x", Slot(schedule="nightly", at=NOON + timedelta(hours=hours))))
    await runs.claim(new_run("x", Slot(schedule="other", at=NOON + timedelta(hours=9))))
    newest = await runs.newest("nightly")
    assert newest is not None
    assert newest.slot == NOON + timedelta(hours=5)
    assert await runs.newest("never") is None
    assert await runs.find("never:1") is None


async def test_the_newest_slots_are_read_without_the_runs_before_them(runs: Runs, db: Any) -> None:
    for schedule in ("a", "b"):
        slots = [Slot(schedule=schedule, at=NOON + timedelta(hours=n)) for n in range(100)]
        await runs.claim_many([new_run("x", slot) for slot in slots])
    odd = [{"schedule": "a", "slot": "later"}, {"schedule": 7, "slot": NOON}, {"schedule": None}]
    db.job_runs.insert_many(odd)

    with profile(db) as notes:
        newest, ids = await runs.newest_slots(), await runs.newest_ids()

    last = NOON + timedelta(hours=99)
    assert newest == {"a": last, "b": last}
    assert set(ids) == {Slot(schedule=schedule, at=last).key for schedule in ("a", "b")}
    assert max(note["keysExamined"] for note in notes) < 10


@pytest.mark.parametrize(
    ("outcome", "closed"),
    [
        ("running", [False, False, False]),
        ("succeeded", [True, True, True]),
        ("partial", [True, True, True]),
        ("failed", [False, True, True]),
        ("timed_out", [False, True, True]),
        ("cancelled", [False, False, False]),
        ("abandoned", [False, False, False]),
        ("missed", [True, True, True]),
        ("coalesced", [True, True, True]),
        ("skipped_overlap", [True, True, True]),
    ],
)
def test_what_closes_a_slot_at_which_attempt_of_two(outcome: Outcome, closed: list[bool]) -> None:
    def record(number: int) -> RunRecord:
        return RunRecord(
            id=SLOT.key,
            job="sync_games",
            source="daemon",
            outcome=outcome,
            attempt=number,
            claim="one",
            owner={},
            lease="sync_games",
            started_at=NOON,
        )

    assert [record(number).is_closed(2) for number in (1, 2, 3)] == closed
