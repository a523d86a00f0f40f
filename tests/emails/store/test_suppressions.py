import asyncio
from datetime import timedelta
from typing import Any

from chesscoach.context import Context
from chesscoach.emails.suppression import Reason, Suppression
from tests.conftest import NOON


def make_suppression(address: str, reason: Reason = "bounce", minutes: int = 0) -> Suppression:
    at = NOON + timedelta(minutes=minutes)
    return Suppression(address=address, reason=reason, at=at, event_id=f"e-{reason}-{minutes}")


async def test_an_address_is_suppressed_in_whatever_case_and_once(ctx: Context, db: Any) -> None:
    suppressions = ctx.emails.suppressions

    assert (
        await suppressions.suppress(
            [make_suppression(" Ann@Example.org\n"), make_suppression("bob@example.org")]
        )
        == 2
    )
    assert (
        await suppressions.suppress(
            [make_suppression("ANN@example.org"), make_suppression("cem@example.org")]
        )
        == 1
    )

    suppressed = await suppressions.find_suppressed(
        ["aNN@example.org ", "dan@example.org", "bob@example.org"]
    )
    assert suppressed == {"ann@example.org", "bob@example.org"}
    assert db.email_suppressions.find_one({"_id": "ann@example.org"}) == {
        "_id": "ann@example.org",
        "reason": "bounce",
        "at": NOON,
        "event_id": "e-bounce-0",
    }
    assert db.email_suppressions.count_documents({}) == 3


async def test_the_first_reason_stays_and_within_a_batch_it_is_the_earliest(
    ctx: Context, db: Any
) -> None:
    suppressions = ctx.emails.suppressions
    batch = [
        make_suppression("a@x.org", "drop", 9),
        make_suppression("A@x.org", "spam_report", 3),
        make_suppression("a@x.org"),
    ]
    assert await suppressions.suppress(batch[:2]) == 1
    assert await suppressions.suppress(batch) == 0
    assert db.email_suppressions.find_one()["reason"] == "spam_report"


async def test_an_empty_batch_writes_nothing(ctx: Context, db: Any) -> None:
    suppressions = ctx.emails.suppressions

    assert await suppressions.suppress([]) == 0
    assert await suppressions.find_suppressed([]) == await suppressions.unseen_events([]) == set()
    await suppressions.mark_events_seen([], NOON)
    assert db.email_suppressions.count_documents({}) == db.email_events.count_documents({}) == 0


async def test_several_may_suppress_the_same_addresses_at_once(ctx: Context, db: Any) -> None:
    batch = [make_suppression(f"u{n}@example.org") for n in range(200)]

    made = await asyncio.gather(*(ctx.emails.suppressions.suppress(batch) for _ in range(6)))

    assert sum(made) == db.email_suppressions.count_documents({}) == 200


async def test_a_lifted_address_gets_email_again_and_can_be_suppressed_again(
    ctx: Context, db: Any
) -> None:
    suppressions = ctx.emails.suppressions
    await suppressions.suppress([make_suppression("ann@example.org")])

    assert await suppressions.remove(" ANN@example.org") is True
    assert await suppressions.remove("ann@example.org") is False
    assert await suppressions.find_suppressed(["ann@example.org"]) == set()
    assert await suppressions.suppress([make_suppression("ann@example.org", "spam_report")]) == 1


async def test_the_newest_are_shown_first_and_one_is_sent_in_whatever_case(ctx: Context) -> None:
    suppressions = ctx.emails.suppressions
    assert (await suppressions.list_newest(5), await suppressions.count()) == ([], 0)
    for minutes, name in enumerate(("ann", "bob", "cem")):
        await suppressions.suppress([make_suppression(f"{name}@example.org", minutes=minutes)])

    assert [suppression.address for suppression in await suppressions.list_newest(2)] == [
        "cem@example.org",
        "bob@example.org",
    ]
    assert await suppressions.count() == 3
    assert await suppressions.find(" BOB@Example.org") == make_suppression(
        "bob@example.org", minutes=1
    )
    assert await suppressions.find("dan@example.org") is None


async def test_an_event_is_fresh_until_it_is_remembered(ctx: Context, db: Any) -> None:
    suppressions = ctx.emails.suppressions

    assert await suppressions.unseen_events(["a", "b", "a"]) == {"a", "b"}
    await suppressions.mark_events_seen(["a", "a"], NOON)
    await asyncio.gather(*(suppressions.mark_events_seen(["a", "c"], NOON) for _ in range(4)))

    assert await suppressions.unseen_events(["a", "b", "c"]) == {"b"}
    assert db.email_events.find_one({"_id": "a"}) == {"_id": "a", "at": NOON}


async def test_events_are_forgotten_by_the_server_after_thirty_days(ctx: Context, db: Any) -> None:
    (index,) = [
        index for name, index in db.email_events.index_information().items() if name != "_id_"
    ]
    assert (index["key"], index["expireAfterSeconds"]) == ([("at", 1)], 30 * 86_400)
