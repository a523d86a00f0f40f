"""Slots whose owner lives, dies or ends while another process watches."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from chesscoach.context import Context
from chesscoach.jobs.sync_games import JOB
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.runner import attempts, claim
from tests.conftest import NOON
from tests.support.scheduling import expire_owner
from tests.worker.runner.conftest import claim_slot, claimed_attempt, finish, unavailable_slot


async def test_a_slot_whose_owner_lives_is_left_alone(ctx: Context, contexts: Any) -> None:
    other = await contexts()
    async with ctx.leases.renewing():
        await claimed_attempt(ctx)

        late = await unavailable_slot(other)

    assert late.exit_code == 0
    assert late.reason.startswith("running: ")


async def test_a_slot_whose_owner_died_is_taken_over_after_the_lease(
    ctx: Context, contexts: Any, db: Any
) -> None:
    dead = await claimed_attempt(ctx)  # its lease is not renewed
    other = await contexts()
    expires_at = datetime.now(UTC) + timedelta(seconds=3)
    db.job_leases.update_one({"_id": dead.lease.key}, {"$set": {"expires_at": expires_at}})

    mine = await claimed_attempt(other)

    assert datetime.now(UTC) >= expires_at - timedelta(milliseconds=1)  # as the database rounds
    assert mine.number == 2
    assert mine.lease.fence > dead.lease.fence


async def test_a_slot_whose_owner_died_before_it_had_a_lease_is_taken_over(
    ctx: Context, db: Any
) -> None:
    dead = await claimed_attempt(ctx)
    await ctx.leases.release(dead.lease)
    expire_owner(db, dead.run.id)

    assert (await claimed_attempt(ctx)).number == 2


async def test_a_slot_that_closes_while_it_is_watched_gives_the_code_0(
    ctx: Context, contexts: Any
) -> None:
    other = await contexts()
    mine = await claimed_attempt(ctx)
    watching = asyncio.create_task(unavailable_slot(other))
    await asyncio.sleep(0.3)

    await finish(ctx, mine, "succeeded")

    assert (await watching).exit_code == 0


async def test_a_lease_whose_document_was_deleted_can_be_taken_again(ctx: Context, db: Any) -> None:
    mine = await claimed_attempt(ctx)
    await finish(ctx, mine, "succeeded")
    await ctx.leases.release(mine.lease)
    db.job_leases.delete_many({})

    async with asyncio.timeout(30):
        again = await claimed_attempt(ctx, Slot(schedule="hourly", at=NOON + timedelta(hours=1)))

    assert again.number == 1


async def test_another_slot_and_a_manual_run_take_the_lease_of_a_dead_holder(
    ctx: Context, contexts: Any, db: Any
) -> None:
    expire_owner(db, (await claimed_attempt(ctx)).run.id)
    next_slot = Slot(schedule="hourly", at=NOON + timedelta(hours=1))

    mine = await claimed_attempt(await contexts(), next_slot)
    expire_owner(db, mine.run.id)
    by_hand = await claim.claim_manual_run((await contexts()).worker, JOB, attempts.manual_id(JOB))

    assert (mine.number, by_hand.number) == (1, 1)


async def test_an_orphaned_slot_goes_to_one_of_many_contenders(
    ctx: Context, contexts: Any, db: Any
) -> None:
    expire_owner(db, (await claimed_attempt(ctx)).run.id)
    other = await contexts()
    async with other.leases.renewing():
        # The dead holder's lease stays dead: its own context keeps nothing.
        claims = await asyncio.gather(*(claim_slot(other) for _ in range(8)))

    won = [claimed for claimed in claims if isinstance(claimed, attempts.Attempt)]
    assert [each.number for each in won] == [2]
