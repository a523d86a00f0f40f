"""A page and what is done to it, with somebody else at the rows in between."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from chesscoach.cleanup import rules
from chesscoach.config import CleanupSettings
from chesscoach.context import Context
from chesscoach.mongo import timestamps
from chesscoach.mongo.client import Document

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
LONG_AGO, OLD = "2020-01-01T00:00:00Z", datetime(2020, 2, 2, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
STALE = CleanupSettings(requeue_stale=True)


async def test_a_session_refreshed_between_page_and_delete_stays(ctx: Context, db: Any) -> None:
    db.user_sessions.insert_many(
        [{"_id": n, "expires_at": LONG_AGO if n % 2 else OLD} for n in range(40)]
    )
    rule = rules.sessions(NOW)
    page = await ctx.cleanup.deleter.page(rule, None, 100)
    assert len(page.expired) == 40
    for number in range(0, 40, 4):
        value = LATER.isoformat() if number % 8 else LATER
        db.user_sessions.update_one({"_id": number}, {"$set": {"expires_at": value}})
    assert await ctx.cleanup.deleter.delete(rule, page.expired) == 30
    assert {row["_id"] for row in db.user_sessions.find()} == set(range(0, 40, 4))


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"status": "completed"},
        {"status": "failed"},
        {"status": "processing"},
        {"created_at": NOW.isoformat()},
    ],
)
@pytest.mark.parametrize("what", ["delete", "put_back"])
async def test_an_item_that_a_worker_takes_meanwhile_is_his(
    ctx: Context, db: Any, meanwhile: Document, what: str
) -> None:
    item = {"status": "pending", "created_at": LONG_AGO, "started_at": None}
    db.analysis_queue.insert_many([{"_id": n, "queue_id": str(n), **item} for n in range(3)])
    rule, cleaning = rules.queue(NOW, STALE), ctx.cleanup.deleter
    page = await cleaning.page(rule, None, 100)
    db.analysis_queue.update_one({"_id": 1}, {"$set": meanwhile})
    taken = db.analysis_queue.find_one({"_id": 1})

    done = await (
        cleaning.delete(rule, page.expired)
        if what == "delete"
        else cleaning.requeue(rule, page.expired, NOW)
    )

    assert done == 2
    assert db.analysis_queue.find_one({"_id": 1}) == taken


async def test_an_item_that_is_begun_meanwhile_is_no_longer_judged_by_when_it_was_made(
    ctx: Context, db: Any
) -> None:
    """Rows of both kinds in one page: a value of one field says nothing of the other."""
    rows = [
        {"_id": 1, "status": "processing", "created_at": LONG_AGO, "started_at": None},
        {"_id": 2, "status": "processing", "created_at": LONG_AGO, "started_at": LONG_AGO},
        {"_id": 3, "status": "processing", "created_at": NOW.isoformat(), "started_at": OLD},
    ]
    db.analysis_queue.insert_many([{"queue_id": str(row["_id"]), **row} for row in rows])
    rule = rules.queue(NOW, CleanupSettings())
    page = await ctx.cleanup.deleter.page(rule, None, 100)
    assert [row.id for row in page.expired] == [1, 2, 3]
    for number in (1, 2):
        db.analysis_queue.update_one({"_id": number}, {"$set": {"started_at": NOW.isoformat()}})
    assert await ctx.cleanup.deleter.delete(rule, page.expired) == 1
    assert {row["_id"] for row in db.analysis_queue.find()} == {1, 2}


async def test_a_notification_that_is_unread_again_and_a_text_that_has_changed_stay(
    ctx: Context, db: Any
) -> None:
    cleaning = ctx.cleanup.deleter
    db.notifications.insert_many(
        [{"_id": n, "notification_id": n, "read": True, "created_at": LONG_AGO} for n in range(2)]
    )
    rule = rules.notifications(NOW, CleanupSettings())
    page = await cleaning.page(rule, None, 100)
    db.notifications.update_one({"_id": 1}, {"$set": {"read": False}})
    assert await cleaning.delete(rule, page.expired) == 1

    db.user_sessions.insert_one({"_id": 1, "expires_at": LONG_AGO})
    texts = await cleaning.texts(rules.sessions(NOW), None, 100)
    db.user_sessions.update_one({"_id": 1}, {"$set": {"expires_at": LATER.isoformat()}})
    assert await cleaning.repair(rules.sessions(NOW), texts.expired) == 0
    assert db.user_sessions.find_one()["expires_at"] == LATER.isoformat()


async def test_few_rows_among_many_are_found_by_an_index(ctx: Context, db: Any) -> None:
    recent = [(NOW - timedelta(seconds=n)).isoformat() for n in range(5000)]
    db.notifications.insert_many(
        [
            {"notification_id": n, "read": n % 2 == 0, "created_at": at}
            for n, at in enumerate([*recent, LONG_AGO, "soon", None])
        ]
    )
    db.email_outbox.insert_many(
        [{"_id": str(n), "state": "sent", "finished_at": NOW} for n in range(5000)]
    )
    for rule, most in (
        (rules.notifications(NOW, CleanupSettings()), 200),
        (rules.outbox(NOW, CleanupSettings()), 50),
    ):
        stages = [{"$match": rule.match}, {"$sort": {"_id": 1}}, {"$limit": 500}]
        command = {"aggregate": rule.collection, "pipeline": stages, "cursor": {}}
        told = db.command("explain", command, verbosity="executionStats")
        stats = told if "executionStats" in told else told["stages"][0]["$cursor"]
        assert stats["executionStats"]["totalDocsExamined"] <= most, rule.name


TIMESTAMP_FORMATS = st.sampled_from(
    ["date", "iso", "z", "naive", "space", "milliseconds", "basic offset"]
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.one_of(
                st.timedeltas(timedelta(milliseconds=-3), timedelta(milliseconds=3)),
                st.timedeltas(timedelta(days=-3), timedelta(days=3)),
                st.timedeltas(timedelta(days=-20_000), timedelta(days=60_000)),
            ),
            st.integers(-23 * 60 - 59, 23 * 60 + 59),
            TIMESTAMP_FORMATS,
        ),
        min_size=1,
        max_size=30,
    )
)
def test_whatever_the_instant_the_zone_and_the_form_exactly_what_is_over_is_found(
    mongo: MongoClient[Document], database_name: str, rows: list[tuple[timedelta, int, str]]
) -> None:
    rule, found = rules.sessions(NOW), mongo[database_name].user_sessions
    found.drop()
    values = [format_timestamp(NOW + delta, minutes, form) for delta, minutes, form in rows]
    found.insert_many([{"_id": n, "expires_at": value} for n, value in enumerate(values)])
    expected = {
        n for n, value in enumerate(values) if (at := timestamps.parse_instant(value)) and at <= NOW
    }

    selected = {row["_id"]: row["expires_at"] for row in found.find(rule.match)}
    over = {
        n for n, value in selected.items() if (at := rule.instant(value)) and rule.is_expired(at)
    }

    assert over == expected
    for (delta, _, form), n in zip(rows, range(len(rows)), strict=True):
        if form not in ("date", "milliseconds"):
            assert (n in over) == (delta <= timedelta()), values[n]


def format_timestamp(at: datetime, minutes: int, form: str) -> object:
    """An instant in a form, in a zone so many minutes east; dates hold milliseconds."""
    there = at.astimezone(timezone(timedelta(minutes=minutes)))
    if form == "date":
        return at.replace(microsecond=at.microsecond // 1000 * 1000)
    utc = at.replace(tzinfo=None).isoformat()
    return {
        "iso": there.isoformat(),
        "z": utc + "Z",
        "naive": utc,
        "space": utc.replace("T", " "),
        "milliseconds": there.isoformat(timespec="milliseconds"),
        "basic offset": there.strftime("%Y-%m-%dT%H:%M:%S.%f%z"),
    }[form]
