import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import chesscoach
from chesscoach.context import Context
from chesscoach.emails.store.outbox import Outbox
from chesscoach.emails.store.outbox_values import (
    AttemptResult,
    EmailClaim,
    NewEmail,
    OutboxEntry,
    State,
    outbox_id,
)
from chesscoach.emails.transports.transport import Message
from chesscoach.schedules.iso_week import Week
from tests.conftest import scaled_rounds
from tests.support.mongo.profiling import profile
from tests.support.processes import start, wait_for_end

WEEK = Week(2026, 47)
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def new_email(user_id: str, week: Week = WEEK) -> NewEmail:
    return NewEmail(kind="weekly_summary", user_id=user_id, week=week)


def make_message(key: str, text: str = "Hello") -> Message:
    return Message(
        outbox_id=key, to="ann@example.org", subject="Your week", text=text, html=f"<p>{text}</p>"
    )


def make_claim(entry: OutboxEntry, text: str = "Hello", fence: int = 1) -> EmailClaim:
    return EmailClaim(
        entry=entry,
        token=uuid4().hex,
        lease="weekly_emails",
        fence=fence,
        at=NOW,
        until=NOW + timedelta(minutes=1),
        message=make_message(entry.id, text),
    )


def make_result(of: EmailClaim, state: State, reason: str | None = None) -> AttemptResult:
    return AttemptResult(id=of.entry.id, token=of.token, state=state, at=NOW, reason=reason)


@pytest.fixture
def outbox(ctx: Context) -> Outbox:
    return ctx.emails.outbox


async def enqueue_one(outbox: Outbox, user_id: str = "ann") -> OutboxEntry:
    """An email that has just been put in."""
    await outbox.enqueue([new_email(user_id)], NOW)
    return await find_again(outbox, user_id)


async def find_again(outbox: Outbox, user_id: str = "ann") -> OutboxEntry:
    key = new_email(user_id).id
    return (await outbox.find_many([key]))[key]


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_eight_processes_that_enqueue_the_same_users_three_times_add_each_once(
    environment: dict[str, str], ctx: Context, db: Any
) -> None:
    users = scaled_rounds(10_000, 1000)
    home = {**environment, "PYTHONPATH": str(Path(chesscoach.__file__).parent.parent)}
    worker = ("tests.emails.store.outbox_worker", str(users), "3")
    workers = [await start(home, *worker) for _ in range(8)]
    ends = await asyncio.gather(*(wait_for_end(process, 500) for process in workers))
    assert [end.code for end in ends] == [0] * 8, ends[0].err
    assert db.email_outbox.count_documents({}) == users
    assert db.email_outbox.count_documents({"state": "pending", "week": "2026-W47"}) == users
    assert len(db.email_outbox.distinct("user_id")) == users


async def test_a_document_has_the_fields_that_others_rely_on(outbox: Outbox, db: Any) -> None:
    await enqueue_one(outbox)
    entry = db.email_outbox.find_one()
    assert entry["_id"] == "weekly_summary:ann:2026-W47" == outbox_id("weekly_summary", "ann", WEEK)
    assert {name: entry[name] for name in ("state", "user_id", "kind", "week")} == {
        "state": "pending",
        "user_id": "ann",
        "kind": "weekly_summary",
        "week": "2026-W47",
    }


async def test_existing_emails_stay_and_only_new_ones_are_counted(
    outbox: Outbox,
) -> None:
    assert await outbox.enqueue([new_email("ann"), new_email("bob")], NOW) == []
    first = make_claim(await find_again(outbox))
    assert await outbox.claim([first]) == {first.entry.id}
    assert await outbox.enqueue([new_email("ann"), new_email("bob"), new_email("cyd")], NOW) == []
    assert (await find_again(outbox)).state == "sending"
    assert await outbox.enqueue([], NOW) == []


async def test_claims_are_reported_apart_where_some_are_lost(outbox: Outbox) -> None:
    entries = [await enqueue_one(outbox, name) for name in ("ann", "bob", "cyd")]
    won = await asyncio.gather(*(outbox.claim([make_claim(entries[1])]) for _ in range(2)))
    assert sorted(len(ids) for ids in won) == [0, 1]
    assert (await find_again(outbox, "bob")).attempts == 1
    assert await outbox.claim([make_claim(entry) for entry in entries]) == {
        entries[0].id,
        entries[2].id,
    }


async def test_an_email_is_frozen_at_its_first_claim(outbox: Outbox) -> None:
    first = make_claim(await enqueue_one(outbox), "first")
    await outbox.claim([first])
    await outbox.record([make_result(first, "pending", "throttled")])
    entry = await find_again(outbox)
    assert (entry.state, entry.frozen) == ("pending", True)
    await outbox.claim([make_claim(entry, "second")])
    assert await outbox.frozen_message(entry.id) == make_message(entry.id, "first")


@pytest.mark.parametrize("state", ["sent", "failed", "skipped"])
async def test_an_email_loses_its_message_only_in_a_final_state(
    outbox: Outbox, db: Any, state: State
) -> None:
    attempt = make_claim(await enqueue_one(outbox))
    await outbox.claim([attempt])
    await outbox.record([make_result(attempt, "unknown", "no response")])
    assert await outbox.frozen_message(attempt.entry.id) == attempt.message
    attempt = make_claim(await find_again(outbox))
    await outbox.claim([attempt])
    await outbox.record([make_result(attempt, state, "why")])
    entry = db.email_outbox.find_one()
    assert (entry["state"], entry["reason"], entry["finished_at"]) == (state, "why", NOW)
    assert "letter" not in entry
    assert await outbox.frozen_message(entry["_id"]) is None


async def test_only_the_attempt_that_owns_an_email_writes_its_result(outbox: Outbox) -> None:
    attempt = make_claim(await enqueue_one(outbox))
    await outbox.claim([attempt])
    await outbox.record([make_result(make_claim(attempt.entry), "failed")])
    assert (await find_again(outbox)).state == "sending"


async def test_a_late_success_counts_and_a_late_failure_does_not(outbox: Outbox) -> None:
    """A process that was taken for dead knows the result of its attempt."""
    attempt = make_claim(await enqueue_one(outbox))
    await outbox.claim([attempt])
    await outbox.mark_unknown([await find_again(outbox)], "unknown", "it died")
    await outbox.record([make_result(attempt, "pending", "throttled")])
    assert (await find_again(outbox)).state == "unknown"
    await outbox.record([make_result(attempt, "sent")])
    assert (await find_again(outbox)).state == "sent"


async def test_an_event_settles_what_is_unknown_or_on_its_way_and_nothing_else(
    outbox: Outbox,
) -> None:
    claims = {
        name: make_claim(await enqueue_one(outbox, name))
        for name in ("lost", "busy", "done", "idle")
    }
    await outbox.claim([claims[name] for name in ("lost", "busy", "done")])
    await outbox.record(
        [make_result(claims["lost"], "unknown"), make_result(claims["done"], "failed")]
    )
    heard = {new_email(name).id: NOW for name in (*claims, "stranger")}
    assert await outbox.confirm_accepted(heard) == 2
    states = [(await find_again(outbox, name)).state for name in claims]
    assert states == ["sent", "sent", "failed", "pending"]
    assert await outbox.confirm_accepted({}) == 0


async def test_a_late_event_spares_an_email_that_is_to_be_sent_again(outbox: Outbox) -> None:
    attempt = make_claim(await enqueue_one(outbox))
    await outbox.claim([attempt])
    await outbox.record([make_result(attempt, "unknown")])
    assert await outbox.requeue(attempt.entry.id)
    assert await outbox.confirm_accepted({attempt.entry.id: NOW}) == 1
    await outbox.record([make_result(attempt, "unknown", "no response")])
    assert (await find_again(outbox)).state == "sent", "settled by an event"


async def test_a_resend_that_died_with_its_process_may_be_made_again(outbox: Outbox) -> None:
    attempt = make_claim(await enqueue_one(outbox))
    await outbox.claim([attempt])
    await outbox.mark_unknown([await find_again(outbox)], "unknown", "it died")
    assert (await find_again(outbox)).resends == 0
    await outbox.claim([make_claim(await find_again(outbox))])
    assert (await find_again(outbox)).resends == 1
    await outbox.mark_unknown([await find_again(outbox)], "unknown", "it died")
    entry = await find_again(outbox)
    assert (entry.state, entry.resends, entry.attempts) == ("unknown", 0, 2)


async def test_a_pending_email_is_skipped_for_a_reason_and_one_on_its_way_is_not(
    outbox: Outbox,
) -> None:
    await enqueue_one(outbox, "ann")
    busy = make_claim(await enqueue_one(outbox, "bob"))
    await outbox.claim([busy])
    await outbox.skip({new_email("ann").id: "suppressed", busy.entry.id: "suppressed"}, NOW)
    entry = await find_again(outbox, "ann")
    assert (entry.state, entry.reason) == ("skipped", "suppressed")
    assert (await find_again(outbox, "bob")).state == "sending"
    await outbox.skip({}, NOW)


async def test_the_unsent_emails_of_a_week_come_in_pages(outbox: Outbox) -> None:
    names = ["ann", "bob", "cyd", "dan"]
    for name in names:
        await enqueue_one(outbox, name)
    await outbox.enqueue([new_email("eve", WEEK.before)], NOW)
    done = make_claim(await find_again(outbox, "bob"))
    await outbox.claim([done])
    await outbox.record([make_result(done, "sent")])
    first = await outbox.find_open(WEEK, "", 2)
    assert [entry.user_id for entry in first.values()] == ["ann", "cyd"]
    assert [entry.user_id for entry in (await outbox.find_open(WEEK, max(first), 2)).values()] == [
        "dan"
    ]


async def test_an_operator_makes_an_email_pending_that_is_at_its_end_without_being_sent(
    outbox: Outbox,
) -> None:
    attempt = make_claim(await enqueue_one(outbox))
    assert not await outbox.requeue(attempt.entry.id)
    await outbox.claim([attempt])
    await outbox.record([make_result(attempt, "failed", "a bad address")])
    assert await outbox.requeue(attempt.entry.id)
    assert (await find_again(outbox)).state == "pending"
    assert not await outbox.requeue("weekly_summary:nobody:2026-W47")


async def test_emails_are_listed_and_counted_by_state(outbox: Outbox) -> None:
    for name in ("ann", "bob"):
        await enqueue_one(outbox, name)
    await outbox.enqueue([new_email("ann", WEEK.before)], NOW)
    await outbox.skip({new_email("bob").id: "no_games"}, NOW)
    assert await outbox.count_by_state() == {"pending": 2, "skipped": 1}
    assert await outbox.count_by_state(WEEK) == {"pending": 1, "skipped": 1}
    assert await outbox.count_by_state(user_id="ann") == {"pending": 2}
    assert await outbox.count_by_state(WEEK.before, "bob") == {}
    recent = await outbox.recent(state=None, week=None, user_id="ann", limit=10)
    assert [entry.week for entry in recent] == ["2026-W47", "2026-W46"]
    recent = await outbox.recent(state="skipped", week="2026-W47", user_id=None, limit=10)
    assert [entry.id for entry in recent] == [new_email("bob").id]


async def test_the_oldest_pending_email_is_one_of_the_weeks_asked_about(outbox: Outbox) -> None:
    assert await outbox.oldest_pending(WEEK) is None
    await outbox.enqueue([new_email("ann", WEEK.before)], NOW - timedelta(days=7))
    await outbox.enqueue([new_email("ann"), new_email("bob")], NOW)
    await outbox.enqueue([new_email("cem")], NOW + timedelta(hours=1))

    assert await outbox.oldest_pending(WEEK) == NOW
    await outbox.skip({new_email("ann").id: "no_games", new_email("bob").id: "no_games"}, NOW)
    assert await outbox.oldest_pending(WEEK) == NOW + timedelta(hours=1)
    assert await outbox.oldest_pending(WEEK.before) == NOW - timedelta(days=7)


async def test_counting_by_state_reads_the_index_alone(outbox: Outbox, db: Any) -> None:
    """The documents hold whole messages, and there is one for each player and week."""
    for name in ("ann", "bob"):
        await enqueue_one(outbox, name)
    with profile(db) as notes:
        await outbox.count_by_state()
        await outbox.count_by_state(WEEK)

    assert [(note["planSummary"], note["docsExamined"]) for note in notes] == [
        ("IXSCAN { week: 1, state: 1, _id: 1 }", 0)
    ] * 2
