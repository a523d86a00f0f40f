"""The signed address of a routine's calendar, on the public listener."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import icalendar
import pytest
import recurring_ical_events
from msgspec.structs import replace

from chesscoach.config import EmailSettings
from chesscoach.context import Context
from chesscoach.emails.unsubscribe_links import UnsubscribeLinks
from chesscoach.training.sessions import administration
from chesscoach.training.sessions.feed_links import FeedLinks
from chesscoach.training.sessions.friendly_options import Frequency
from chesscoach.training.sessions.options import RoutineOptions
from tests.conftest import Clock
from tests.web.conftest import HttpClient, OpenWeb

EMAILS = EmailSettings(public_url="https://mail.example.org", signing_key="newest,older")
NOW = datetime.fromisoformat("2026-10-30T00:00:00+00:00")


def path_of(routine_id: str, key: str = "older") -> str:
    """The path of a routine's feed, as it was signed ten years ago."""
    links = FeedLinks(EMAILS.public_url, [key], Clock(NOW - timedelta(days=3650)))
    return urlsplit(links.url(routine_id)).path


@pytest.fixture
async def signed(ctx: Context, db: Any) -> Context:
    """A context with a signing key, and one user."""
    db.users.insert_one({"user_id": "ann", "timezone": "America/New_York"})
    return replace(ctx, config=replace(ctx.config, emails=EMAILS), now=Clock(NOW))


async def add_routine(ctx: Context, frequency: Frequency = "daily") -> str:
    """Adds a routine at 01:30, which comes twice on the first of November."""
    options = RoutineOptions(
        title="Night games", kind="play", recurrence=frequency, from_date=NOW.date(),
        at=datetime.fromisoformat("2026-10-30T01:30").time(), minutes=30,
    )  # fmt: skip
    routine, _ = await administration.add_routine(ctx.training, "ann", options, None)
    return routine.id


async def test_the_address_shows_the_current_sessions(
    signed: Context, db: Any, open_web_server: OpenWeb
) -> None:
    ask: HttpClient = await open_web_server(signed)
    routine_id = await add_routine(signed)
    await administration.cancel_session(signed.training, f"{routine_id}|2026-11-01")

    answer = await ask(path_of(routine_id), "public")

    assert (answer.status, answer.headers["Content-Type"]) == (
        200,
        "text/calendar; charset=utf-8",
    )
    found = recurring_ical_events.of(icalendar.Calendar.from_ical(answer.text)).between(
        NOW, NOW + timedelta(days=60)
    )
    sessions = list(db.training_sessions.find({"starts_at": {"$gt": NOW}}))
    assert len(sessions) == 13
    assert {(event.start, event.get("STATUS") == "CANCELLED") for event in found} == {
        (session["starts_at"], session["status"] == "cancelled") for session in sessions
    }

    await administration.remove_routine(signed.training, routine_id)
    assert (await ask(path_of(routine_id), "public")).status == 404


async def test_other_addresses_are_refused(signed: Context, open_web_server: OpenWeb) -> None:
    ask: HttpClient = await open_web_server(signed)
    path = path_of(await add_routine(signed))
    unsubscribe = UnsubscribeLinks(EMAILS.public_url, ["newest"], 366, Clock(NOW))
    token = urlsplit(unsubscribe.url("ann", "weekly_summary")).path.rpartition("/")[2]

    for refused, status in (
        (path_of("routine_none"), 404),
        ("/calendar/x.ics", 404),
        (path.removesuffix(".ics"), 404),
        (path_of("routine_1", key="forged"), 403),
        (f"/calendar/{token}.ics", 403),
    ):
        assert (await ask(refused, "public")).status == status, refused
    assert (await ask(path, "admin")).status == 404
    for method in ("POST", "PUT", "DELETE"):
        assert (await ask(path, "public", method)).status == 405
    assert (await ask(path, "public", "HEAD")).status == 200
