"""Kills of sending processes: no email is sent twice, and none is lost unnoticed."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import chesscoach
from chesscoach.context import Context
from chesscoach.schedules import week_bounds
from chesscoach.schedules.iso_week import Week
from tests.conftest import scaled_rounds
from tests.support.emails.email_scenario import KEY
from tests.support.fake_sendgrid import FakeSendGrid
from tests.support.processes import kill, line_with, run, start, wait_for_end

JOB = "chesscoach.jobs.weekly_emails"
USERS = scaled_rounds(12_000, 60)
KILLS = scaled_rounds(300, 2)
_DELAY_S = 0.05


@pytest.fixture
async def sendgrid() -> AsyncIterator[FakeSendGrid]:
    fake = FakeSendGrid(key=KEY, delay_s=_DELAY_S)
    async with fake.serve():
        yield fake


@pytest.fixture
def sendgrid_environment(environment: dict[str, str], sendgrid: FakeSendGrid) -> dict[str, str]:
    """The settings of a process that sends to the fake; its lease expires soon after a kill."""
    return {
        **environment,
        "CHESSCOACH_RUNNER__LEASE_S": "1",
        "SENDGRID_API_KEY": KEY,
        "SENDER_EMAIL": "coach@example.org",
        "CHESSCOACH_EMAILS__PUBLIC_URL": "https://chess.example.org",
        "CHESSCOACH_EMAILS__SIGNING_KEY": "k" * 32,
        "CHESSCOACH_EMAILS__SENDGRID__BASE_URL": sendgrid.url,
        "CHESSCOACH_EMAILS__SENDGRID__RESEND_AFTER_S": "1",
    }


def relaxed(environment: dict[str, str]) -> dict[str, str]:
    """The same for a process that is not killed: a longer lease, and so a longer deadline."""
    return {**environment, "CHESSCOACH_RUNNER__LEASE_S": "15"}


def insert_players(db: Any, count: int) -> list[str]:
    """Insert subscribers with a game in the week; return the ids of their emails."""
    week = last_week()
    ended_at = week.start_in(ZoneInfo("UTC")) + timedelta(days=3)
    ids = [f"u{number:05}" for number in range(count)]
    db.users.insert_many(
        [
            {
                "user_id": user_id,
                "email": f"{user_id}@example.org",
                "email_notifications": {"weekly_summary": True},
            }
            for user_id in ids
        ]
    )
    db.games.insert_many(
        [
            {
                "game_id": f"g-{user_id}", "user_id": user_id, "platform": "lichess",
                "time_control": "blitz", "user_color": "white", "result": "1-0",
                "ended_at": ended_at.isoformat(), "imported_at": ended_at.isoformat(),
            }
            for user_id in ids
        ]
    )  # fmt: skip
    return [f"weekly_summary:{user_id}:{week.key}" for user_id in ids]


def last_week() -> Week:
    return week_bounds.last_closed_week(datetime.now(UTC), ZoneInfo("UTC"))


async def kill_repeatedly(
    sendgrid: FakeSendGrid, environment: dict[str, str], users: int, kills: int
) -> None:
    """Kill that many runs, most of them while they send, spread over all emails."""
    chance = random.Random()
    share = max(users // kills, 1)
    for number in range(kills):
        process = await start(environment, JOB)
        if number % 5 == 4:  # also before and between
            await asyncio.sleep(chance.uniform(0, 2.5))
        else:
            before, wanted = sendgrid.requests, chance.randrange(1, share + 1)
            while sendgrid.requests < before + wanted and process.returncode is None:
                await asyncio.sleep(0.002)
        await kill(process)


def accepted_ids(sendgrid: FakeSendGrid) -> Counter[str]:
    return Counter(email.outbox_id for email in sendgrid.accepted)


def email_states(db: Any, names: Iterable[str]) -> Counter[str]:
    entries = db.email_outbox.find({"_id": {"$in": list(names)}}, {"state": 1})
    return Counter(entry["state"] for entry in entries)


@pytest.mark.soak
@pytest.mark.timeout(2400)
async def test_kills_double_no_email_and_a_lost_one_is_unknown_or_with_events_sent(
    sendgrid_environment: dict[str, str], ctx: Context, db: Any, sendgrid: FakeSendGrid
) -> None:
    owed = insert_players(db, USERS)
    await kill_repeatedly(sendgrid, sendgrid_environment, len(owed), KILLS)
    last = await run(relaxed(sendgrid_environment), JOB, "--json")
    assert last.code in (0, 1), last

    # Without events: no email twice, and each missing one is unknown.
    accepted = accepted_ids(sendgrid)
    assert set(accepted.values()) == {1}
    missing = set(owed) - set(accepted)
    unknown = {entry["_id"] for entry in db.email_outbox.find({"state": "unknown"})}
    assert missing <= unknown
    assert email_states(db, owed) == {"sent": len(owed) - len(unknown), "unknown": len(unknown)}
    assert unknown, "no kill hit an attempt, so the test shows nothing"

    # With events that are late, doubled and in disorder: no email is missing or doubled.
    events = [sendgrid.processed_event(email) for email in sendgrid.accepted]
    reported = events + events[::3]
    random.shuffle(reported)
    with_events = {
        **sendgrid_environment,
        "CHESSCOACH_EMAILS__SENDGRID__EVENTS_KEY": sendgrid.events_key,
        "CHESSCOACH_WEB__PUBLIC": "127.0.0.1:0",
        "CHESSCOACH_WEB__ADMIN": "",
    }
    web = await start(with_events, "chesscoach.cli", "web")
    url = (await line_with(web, "web_listening"))["urls"][0]
    for at in range(0, len(reported), 500):
        assert await sendgrid.report(f"{url}/events/sendgrid", reported[at : at + 500]) == 204
    assert (await kill(web, 15)).code == 0
    assert {entry["_id"] for entry in db.email_outbox.find({"state": "unknown"})} == missing
    last = await run(relaxed(with_events), JOB, "--json")
    assert last.code == 0, last
    assert accepted_ids(sendgrid) == Counter(owed)
    assert email_states(db, owed) == {"sent": len(owed)}


@pytest.mark.long
@pytest.mark.timeout(2400)
async def test_kills_with_events_on_all_along_double_and_lose_nothing(
    sendgrid_environment: dict[str, str], ctx: Context, db: Any, sendgrid: FakeSendGrid
) -> None:
    owed = insert_players(db, USERS // 3)
    with_events = {
        **sendgrid_environment,
        "CHESSCOACH_EMAILS__SENDGRID__EVENTS_KEY": sendgrid.events_key,
        "CHESSCOACH_EMAILS__SENDGRID__RESEND_AFTER_S": "15",
        "CHESSCOACH_WEB__PUBLIC": "127.0.0.1:0",
        "CHESSCOACH_WEB__ADMIN": "",
    }
    web = await start(with_events, "chesscoach.cli", "web")
    url = (await line_with(web, "web_listening"))["urls"][0]
    over = asyncio.Event()

    async def report() -> None:
        """Report events some time after the emails, some of them twice."""
        reported = 0
        while not over.is_set() or reported < len(sendgrid.accepted):
            await asyncio.sleep(0.3)
            batch = sendgrid.accepted[max(reported - 5, 0) :]
            reported = len(sendgrid.accepted)
            events = [sendgrid.processed_event(email) for email in batch]
            if events:
                assert await sendgrid.report(f"{url}/events/sendgrid", events) == 204

    reporting = asyncio.create_task(report())
    await kill_repeatedly(sendgrid, with_events, len(owed), max(KILLS // 3, 3))
    async with asyncio.timeout(300):
        while email_states(db, owed) != {"sent": len(owed)}:
            ending = await run(relaxed(with_events), JOB, "--json")
            assert ending.code in (0, 1), ending
            await asyncio.sleep(1)
    over.set()
    await reporting
    assert (await kill(web, 15)).code == 0
    assert accepted_ids(sendgrid) == Counter(owed)


@pytest.mark.long
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("order", ["mark", "send"])
async def test_either_naive_order_loses_or_doubles_under_the_same_kills(
    environment: dict[str, str], db: Any, sendgrid: FakeSendGrid, order: str
) -> None:
    """The control: the same kills break a naive order."""
    users, kills = USERS, KILLS
    names = [f"u{number:05}" for number in range(users)]
    db.naive.insert_many([{"_id": name, "sent": False} for name in names])
    home = {**environment, "PYTHONPATH": str(Path(chesscoach.__file__).parent.parent)}
    chance = random.Random()
    args = ("tests.emails.sending.unsafe_mailers", order, sendgrid.url, "naive")
    for _ in range(kills):
        process = await start(home, *args)
        before, wanted = sendgrid.requests, chance.randrange(1, max(2 * users // kills, 2))
        while sendgrid.requests < before + wanted and process.returncode is None:
            await asyncio.sleep(0.002)
        await kill(process)
    assert (await wait_for_end(await start(home, *args), 120)).code == 0
    accepted = accepted_ids(sendgrid)
    lost = users - len(accepted)
    doubled = sum(accepted.values()) - len(accepted)
    # Twenty emails are in flight at a kill. The fake accepts what has reached it, so that marking
    # first loses few emails; in few kills very few.
    if order == "mark":
        assert (lost > 0, doubled) == (True, 0), (lost, doubled)
    else:
        assert (lost, doubled > kills) == (0, True), (lost, doubled)
