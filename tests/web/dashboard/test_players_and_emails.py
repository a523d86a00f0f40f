"""Players and emails: what the collections say of them, in words, whatever others wrote there."""

from datetime import timedelta
from typing import Any

import pytest

from chesscoach.context import Context
from tests.conftest import NOON
from tests.web.conftest import HttpClient
from tests.web.dashboard.conftest import OpenDashboard, words_of

HOSTILE = "<script>alert(1)</script>\u202e'\"><img src=x onerror=alert(2)>"


def insert_user(db: Any, user_id: str, **fields: Any) -> None:
    """A player who wants the weekly email."""
    wanted = {"weekly_summary": True}
    db.users.insert_one(
        {
            "user_id": user_id,
            "email": f"{user_id}@example.org",
            "name": user_id.title(),
            "email_notifications": wanted,
            **fields,
        }
    )


def insert_email(db: Any, user_id: str, week: str, **fields: Any) -> str:
    """An email that was sent, unless a field says otherwise."""
    outbox_id = f"weekly_summary:{user_id}:{week}"
    db.email_outbox.insert_one(
        {
            "_id": outbox_id, "kind": "weekly_summary", "user_id": user_id, "week": week,
            "state": "sent", "attempts": 1, "created_at": NOON, **fields,
        }
    )  # fmt: skip
    return outbox_id


@pytest.fixture
async def ask(open_dashboard: OpenDashboard) -> HttpClient:
    return await open_dashboard()


async def test_a_player_is_found_by_the_beginning_of_the_id_an_address_and_an_account(
    ask: HttpClient, board: Context, db: Any
) -> None:
    insert_user(db, "anna")
    insert_user(db, "ben")
    db.users.create_index("email", unique=True)
    db.sync_accounts.insert_one(
        {
            "_id": "lichess:drnykterstein", "platform": "lichess", "name": "drnykterstein",
            "links": [{"user_id": "ben", "name": "DrNykterstein", "joined": True}], "number": 1,
            "created_at": NOON, "due_at": NOON, "fence": 0,
        }
    )  # fmt: skip
    for text, expected in (("an", "anna"), ("ben@example.org", "ben"), ("DrNykterstein", "ben")):
        page = (await ask("/players", params={"q": text})).text
        assert f'href="/players/{expected}"' in page, text
    assert "No player is found for zoe" in words_of(await ask("/players?q=zoe"))
    db.users.drop_index("email_1")


async def test_a_player_has_accounts_games_points_and_emails(
    ask: HttpClient, board: Context, db: Any
) -> None:
    insert_user(db, "anna", timezone="Europe/Berlin")
    db.sync_accounts.insert_one(
        {
            "_id": "lichess:anna", "platform": "lichess", "name": "anna", "number": 1,
            "links": [{"user_id": "anna", "name": "Anna", "joined": True}], "failures": 3,
            "errors": [{"error": "it did not answer", "at": NOON}], "checked_at": NOON,
            "created_at": NOON, "due_at": NOON + timedelta(hours=1), "fence": 0,
        }
    )  # fmt: skip
    db.games.insert_one({"game_id": "g1", "user_id": "anna", "platform": "lichess"})
    db.user_progress.insert_one({"user_id": "anna", "xp": 1200, "level": 6, "current_streak": 4})
    insert_email(db, "anna", "2026-W42", state="failed", reason="the address was refused")
    words = words_of(await ask("/players/anna"))
    for expected in (
        "anna@example.org", "Europe/Berlin", "1 on lichess", "3 in a row it did not answer",
        "2026-10-21 13:00:00 UTC Wed 15:00:00 Europe/Berlin", "Points 1,200",
        "6: Knight III", "4 days", "2026-W42 ✕ failed the address was refused",
    ):  # fmt: skip
        assert expected in words, expected


async def test_texts_of_others_are_shown_and_do_nothing(
    ask: HttpClient, board: Context, db: Any
) -> None:
    insert_user(db, HOSTILE, name=HOSTILE, email=HOSTILE)
    insert_email(db, HOSTILE, "2026-W42", state="unknown", reason=HOSTILE)
    db.email_suppressions.insert_one({"_id": HOSTILE, "reason": "bounce", "at": NOON})
    listed = await ask("/players")
    link = listed.text.partition('data-label="Player"><a href="')[2].partition('"')[0]
    for answer in (listed, await ask(link), await ask("/emails"), await ask("/players?q=<script>")):
        assert answer.status == 200
        assert "<script>alert" not in answer.text
        assert "<img" not in answer.text
        assert "\u202e" not in words_of(answer)


async def test_a_player_who_does_not_exist_is_a_404(ask: HttpClient) -> None:
    for path in ("/players/nobody", "/players/nobody/email", "/players/nobody/email.html"):
        assert (await ask(path)).status == 404, path


async def test_an_unknown_email_is_shown_with_what_to_do(ask: HttpClient, db: Any) -> None:
    insert_email(db, "anna", "2026-W42", state="unknown")
    insert_email(db, "ben", "2026-W42")
    insert_email(db, "cleo", "2026-W41", attempts="many")
    words = words_of(await ask("/emails"))
    assert "Unknown: it may or may not have arrived" in words
    assert "Look for the address in SendGrid's Activity" in words
    assert "2026-W42 0 0 1 0 0 1" in words
    assert "cleo" not in words


async def test_the_email_is_shown_in_a_frame_in_which_nothing_runs(
    ask: HttpClient, db: Any
) -> None:
    insert_user(db, "anna")
    page = await ask("/players/anna/email")
    assert "Subject" in words_of(page)
    assert "the player has no activity in this week" in words_of(page)
    assert "2026-W42" in words_of(page)
    framed = await ask("/players/anna/email.html")
    assert "sandbox" in framed.headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in framed.headers["Content-Security-Policy"]
    assert framed.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert (await ask("/players/anna/email?week=2026-W99")).status == 422


async def test_an_unknown_email_is_resent_once(ask: HttpClient, db: Any) -> None:
    outbox_id = insert_email(db, "anna", "2026-W42", state="unknown")
    form = {"id": outbox_id}
    answer = await ask("/emails/resend", method="POST", data=form)
    assert "The email is pending again" in words_of(answer)
    assert db.email_outbox.find_one({"_id": outbox_id})["state"] == "pending"
    again = await ask("/emails/resend", method="POST", data=form)
    assert again.status == 409
    assert "pending" in words_of(again)


async def test_a_suppressed_address_is_allowed_again(ask: HttpClient, db: Any) -> None:
    db.email_suppressions.insert_one({"_id": "a@example.org", "reason": "bounce", "at": NOON})
    form = {"address": "a@example.org"}
    answer = await ask("/emails/unsuppress", method="POST", data=form)
    assert "The address gets email again" in words_of(answer)
    assert db.email_suppressions.count_documents({}) == 0
    assert (await ask("/emails/unsuppress", method="POST", data=form)).status == 404


async def test_the_training_of_a_player_is_drawn(ask: HttpClient, db: Any) -> None:
    insert_user(db, "anna")
    for day, pace in ((18, 40.0), (19, 60.0), (20, 50.0)):
        db.performance_snapshots.insert_one(
            {
                "_id": f"anna|2026-10-{day}", "user_id": "anna", "local_date": f"2026-10-{day}",
                "tz": "UTC", "tz_source": "default", "pace_score": pace,
                "pace": "MEDIUM", "quiz_average": 0.0, "lessons_completed_count": 0,
                "time_spent_minutes_today": 0.0, "accuracy_avg": None, "blunders_per_game": None,
                "rating": {}, "xp": 10, "level": 1, "streak": 0, "final": True,
            }
        )  # fmt: skip
    page = (await ask("/players/anna")).text
    assert "Pace: 40 at first, 50 at last, between 40 and 60" in page
    assert "The player has no routine." in page
