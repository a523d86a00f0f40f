import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chesscoach.context import Context
from chesscoach.errors import LeaseLost
from chesscoach.worker.store.lease import Lease
from chesscoach.worker.store.leases import Leases

TTL = 0.6
LONG_TTL = 60.0
RENEWED_TTL = 12.0  # a busy machine may renew six seconds late
MS = timedelta(milliseconds=1)
ME: dict[str, Any] = {"host": "here", "pid": 7}


@pytest.fixture
async def short_leases(ctx: Context) -> Leases:
    """Leases that live for 0.6 s, and the document of one, `job`."""
    leases = Leases(ctx.mongo.database, TTL)
    await leases.ensure("job")
    return leases


@pytest.fixture
async def long_leases(ctx: Context) -> Leases:
    """Leases that outlive any test, and the document of one, `job`."""
    leases = Leases(ctx.mongo.database, LONG_TTL)
    await leases.ensure("job")
    return leases


async def acquire_lease(leases: Leases, key: str = "job") -> Lease:
    lease = await leases.acquire(key, ME)
    assert lease is not None
    return lease


async def wait_until_expired(leases: Leases) -> None:
    """Waits until the document says that its lease has expired."""
    while (holding := await leases.status("job")) is not None and holding.alive:
        await asyncio.sleep(0.05)


def lease_document(db: Any) -> dict[str, Any]:
    found: dict[str, Any] = db.job_leases.find_one({"_id": "job"})
    return found


async def test_a_free_lease_is_taken_once_and_released(long_leases: Leases, db: Any) -> None:
    before, began = lease_document(db)["fence"], datetime.now(UTC)
    lease = await acquire_lease(long_leases)
    ended = datetime.now(UTC)
    await long_leases.ensure("job")
    assert lease.fence == before + 1
    assert await long_leases.acquire("job", ME) is None
    was = lease_document(db)
    assert (was["owner"], was["fence"], was["holder"]) == (lease.owner, lease.fence, ME)
    granted = was["expires_at"] - timedelta(seconds=LONG_TTL)
    assert began - MS <= granted <= ended  # the database keeps whole milliseconds
    await long_leases.release(lease)
    left = lease_document(db)
    assert (left["owner"], left["fence"], left["holder"]) == (None, lease.fence, {})
    again = await acquire_lease(long_leases)
    assert again.fence == lease.fence + 1
    assert again.owner != lease.owner


async def test_a_document_that_is_lost_and_made_again_counts_on_beyond_the_old_one(
    ctx: Context, long_leases: Leases, db: Any
) -> None:
    for _ in range(3):
        lease = await acquire_lease(long_leases)
        await long_leases.release(lease)
    db.job_leases.delete_many({})
    await asyncio.sleep(4)  # a lease is not taken once a second

    fresh = Leases(ctx.mongo.database, LONG_TTL)
    await fresh.ensure("job")

    assert (await acquire_lease(fresh)).fence > lease.fence


async def test_a_lease_without_a_document_cannot_be_taken_and_has_no_status(
    short_leases: Leases,
) -> None:
    assert await short_leases.acquire("absent", ME) is None
    assert await short_leases.status("absent") is None


async def test_of_twenty_contenders_one_has_it(ctx: Context, short_leases: Leases, db: Any) -> None:
    for fence in range(lease_document(db)["fence"] + 1, lease_document(db)["fence"] + 4):
        contenders = [Leases(ctx.mongo.database, LONG_TTL) for _ in range(20)]
        got = await asyncio.gather(*(each.acquire("job", ME) for each in contenders))
        ((leases, lease),) = [
            (each, lease) for each, lease in zip(contenders, got, strict=True) if lease is not None
        ]
        assert (lease.fence, lease_document(db)["owner"]) == (fence, lease.owner)
        await leases.release(lease)


async def test_an_expired_lease_is_taken_over_and_its_former_owner_can_do_nothing(
    ctx: Context, short_leases: Leases, db: Any
) -> None:
    former = await acquire_lease(short_leases)
    await wait_until_expired(short_leases)
    other = Leases(ctx.mongo.database, LONG_TTL)
    lease = await acquire_lease(other)
    assert lease.fence == former.fence + 1
    before = lease_document(db)
    async with short_leases.renewing():
        await asyncio.sleep(TTL / 2)
    assert lease_document(db) == before
    with pytest.raises(LeaseLost):
        async with former.scope():
            pytest.fail("a former holder works on")
    await short_leases.release(former)
    assert lease_document(db) == before


async def test_the_holder_is_stored_as_it_is_given(short_leases: Leases) -> None:
    odd = {"host": "$HOME", "pid": 7, "$odd": "$$NOW", "args": ["$a"]}
    lease = await short_leases.acquire("job", odd, "token-of-a-claim")
    assert lease is not None
    assert lease.owner == "token-of-a-claim"
    holding = await short_leases.status("job")
    assert holding is not None
    assert (holding.holder, holding.owner) == (odd, "token-of-a-claim")


async def test_the_status_names_the_owner_and_whether_the_lease_lives(
    ctx: Context, db: Any
) -> None:
    leases = Leases(ctx.mongo.database, 60.0)
    await leases.ensure("job")
    free = await leases.status("job")
    assert free is not None
    assert (free.owner, free.alive, free.holder) == (None, False, {})
    lease = await acquire_lease(leases)
    held = await leases.status("job")
    assert held is not None
    assert (held.owner, held.alive, held.holder) == (lease.owner, True, ME)
    assert held.expires_at > free.expires_at
    past = datetime(2026, 1, 1, tzinfo=UTC)
    db.job_leases.update_one({"_id": "job"}, {"$set": {"expires_at": past}})
    dead = await leases.status("job")
    assert dead is not None
    assert (dead.owner, dead.alive, dead.expires_at) == (lease.owner, False, past)
    await leases.release(lease)
    back = await leases.status("job")
    assert back == free


# Scopes


async def test_a_scope_ends_when_renewals_stop(long_leases: Leases) -> None:
    lease = await acquire_lease(long_leases)
    loop = asyncio.get_running_loop()
    lease.extend(loop.time() + 1)
    with pytest.raises(LeaseLost, match="job could not be renewed in time"):
        async with lease.scope():
            await asyncio.sleep(30)
    assert loop.time() >= lease.deadline
    with pytest.raises(LeaseLost, match="job has expired"):
        async with lease.scope():
            pytest.fail("a scope opened under a dead lease")


async def test_the_deadline_is_never_later_than_the_servers(short_leases: Leases, db: Any) -> None:
    lease = await acquire_lease(short_leases)
    expires_at = lease_document(db)["expires_at"]
    left_there = (expires_at - datetime.now(UTC)).total_seconds()
    left_here = lease.deadline - asyncio.get_running_loop().time()
    assert left_here <= left_there + 0.002  # a database's dates have milliseconds


async def test_a_scope_lasts_while_renewals_do(ctx: Context, db: Any) -> None:
    leases, loop = Leases(ctx.mongo.database, RENEWED_TTL), asyncio.get_running_loop()
    await leases.ensure("job")
    lease = await acquire_lease(leases)
    first, first_deadline = lease_document(db)["expires_at"], lease.deadline
    async with leases.renewing(), lease.scope(), lease.scope():
        await asyncio.sleep(first_deadline - loop.time() + 0.1)
        assert await Leases(ctx.mongo.database, RENEWED_TTL).acquire("job", ME) is None
    assert lease_document(db)["expires_at"] > first
    assert lease.deadline > first_deadline
    assert lease_document(db)["fence"] == lease.fence
    await leases.release(lease)
    assert lease_document(db)["owner"] is None


async def test_a_scope_ends_at_once_when_the_lease_is_found_taken(ctx: Context, db: Any) -> None:
    leases = Leases(ctx.mongo.database, RENEWED_TTL)
    await leases.ensure("job")
    lease = await acquire_lease(leases)
    first_deadline = lease.deadline
    async with leases.renewing():
        with pytest.raises(LeaseLost):
            async with lease.scope():
                db.job_leases.update_one({"_id": "job"}, {"$set": {"owner": "another"}})
                await asyncio.sleep(30)
    assert lease.deadline < first_deadline, "the scope ended before the lease did"
    assert lease_document(db)["owner"] == "another"


async def test_an_error_in_a_scope_is_raised_as_it_is(long_leases: Leases) -> None:
    lease = await acquire_lease(long_leases)
    for error in (TimeoutError("the work's own"), ValueError("x")):
        with pytest.raises(type(error)) as caught:
            async with lease.scope():
                raise error
        assert caught.value is error
    task = asyncio.create_task(work_under(lease))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def work_under(lease: Lease) -> None:
    """Works under a lease until it is stopped."""
    async with lease.scope():
        await asyncio.sleep(30)
