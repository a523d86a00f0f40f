"""Pages of expired documents, with changes by others before they are deleted."""

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
    assert {session["_id"] for session in db.user_sessions.find()} == set(range(0, 40, 4))


TAKEN: list[Document] = [
    {"status": "completed"},
    {"status": "failed"},
    {"status": "processing"},
    {"created_at": NOW.isoformat()},
    {"queued_at": NOW},
    {"last_heartbeat": NOW},
    {"last_reset_at": NOW.isoformat()},
]


@pytest.mark.parametrize("action", ["delete", "requeue"])
async def test_an_item_that_a_worker_takes_in_between_stays_with_that_worker(
    ctx: Context, db: Any, action: str
) -> None:
    item = {"status": "pending", "created_at": LONG_AGO, "started_at": None}
    db.analysis_queue.insert_many([{"_id": n, "queue_id": str(n), **item} for n in range(9)])
    rule, cleaning = rules.queue(NOW, STALE), ctx.cleanup.deleter
    page = await cleaning.page(rule, None, 100)
    for number, meanwhile in enumerate(TAKEN):
        db.analysis_queue.update_one({"_id": number}, {"$set": meanwhile})
    taken = list(db.analysis_queue.find({"_id": {"$lt": 7}}))

    changed = await (
        cleaning.delete(rule, page.expired)
        if action == "delete"
        else cleaning.requeue(rule, page.expired, NOW)
    )

    assert changed == 2
    assert list(db.analysis_queue.find({"_id": {"$lt": 7}})) == taken


async def test_an_item_that_is_started_in_between_no_longer_expires_by_its_creation(
    ctx: Context, db: Any
) -> None:
    """A page has items of both kinds: the value of one field says nothing about the other."""
    items = [
        {"_id": 1, "status": "processing", "created_at": LONG_AGO, "started_at": None},
        {"_id": 2, "status": "processing", "created_at": LONG_AGO, "started_at": LONG_AGO},
        {"_id": 3, "status": "processing", "created_at": LONG_AGO, "started_at": OLD},
        {"_id": 4, "status": "processing", "created_at": NOW.isoformat(), "started_at": OLD},
    ]
    db.analysis_queue.insert_many([{"queue_id": str(item["_id"]), **item} for item in items])
    rule = rules.queue(NOW, CleanupSettings())
    page = await ctx.cleanup.deleter.page(rule, None, 100)
    assert [document.id for document in page.expired] == [1, 2, 3]
    for number in (1, 2):
        db.analysis_queue.update_one({"_id": number}, {"$set": {"started_at": NOW.isoformat()}})
    assert await ctx.cleanup.deleter.delete(rule, page.expired) == 1
    assert {item["_id"] for item in db.analysis_queue.find()} == {1, 2, 4}


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


async def test_few_documents_among_many_are_found_by_an_index(ctx: Context, db: Any) -> None:
    recent = [(NOW - timedelta(seconds=n)).isoformat() for n in range(2000)]
    db.notifications.insert_many(
        [
            {"notification_id": n, "read": n % 2 == 0, "created_at": at}
            for n, at in enumerate([*recent, LONG_AGO, "soon", None])
        ]
    )
    db.email_outbox.insert_many(
        [{"_id": str(n), "state": "sent", "finished_at": NOW} for n in range(2000)]
    )
    for rule, most in (
        (rules.notifications(NOW, CleanupSettings()), 200),
        (rules.outbox(NOW, CleanupSettings()), 50),
    ):
        stages = [{"$match": rule.match}, {"$sort": {"_id": 1}}, {"$limit": 500}]
        command = {"aggregate": rule.collection, "pipeline": stages, "cursor": {}}
        plan = db.command("explain", command, verbosity="executionStats")
        stats = plan if "executionStats" in plan else plan["stages"][0]["$cursor"]
        assert stats["executionStats"]["totalDocsExamined"] <= most, rule.name


TIMESTAMP_FORMATS = st.sampled_from(
    ["date", "iso", "z", "naive", "space", "milliseconds", "basic offset"]
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    timestamps_written=st.lists(
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
def test_exactly_the_expired_sessions_are_found_in_any_zone_and_form(
    mongo: MongoClient[Document],
    database_name: str,
    timestamps_written: list[tuple[timedelta, int, str]],
) -> None:
    rule, sessions = rules.sessions(NOW), mongo[database_name].user_sessions
    sessions.drop()
    values = [
        format_timestamp(NOW + delta, minutes, form) for delta, minutes, form in timestamps_written
    ]
    sessions.insert_many([{"_id": n, "expires_at": value} for n, value in enumerate(values)])
    expected = {
        n for n, value in enumerate(values) if (at := timestamps.parse_instant(value)) and at <= NOW
    }

    selected = {session["_id"]: session["expires_at"] for session in sessions.find(rule.match)}
    expired = {
        n for n, value in selected.items() if (at := rule.parse(value)) and rule.is_expired(at)
    }

    assert expired == expected
    for (delta, _, form), n in zip(timestamps_written, range(len(values)), strict=True):
        if form not in ("date", "milliseconds"):
            assert (n in expired) == (delta <= timedelta()), values[n]


def format_timestamp(at: datetime, minutes: int, form: str) -> object:
    """An instant in a form, in a zone `minutes` east of UTC; dates hold milliseconds."""
    local = at.astimezone(timezone(timedelta(minutes=minutes)))
    if form == "date":
        return at.replace(microsecond=at.microsecond // 1000 * 1000)
    utc = at.replace(tzinfo=None).isoformat()
    return {
        "iso": local.isoformat(),
        "z": utc + "Z",
        "naive": utc,
        "space": utc.replace("T", " "),
        "milliseconds": local.isoformat(timespec="milliseconds"),
        "basic offset": local.strftime("%Y-%m-%dT%H:%M:%S.%f%z"),
    }[form]
