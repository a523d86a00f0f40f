"""The weekly email shows the pace of two weeks, the best advice and the next sessions."""

from datetime import UTC, datetime
from typing import Any

from tests.support.emails.email_scenario import EmailScenario

MADE = datetime(2026, 11, 23, 6, tzinfo=UTC)


def add_pace(db: Any, user_id: str, day: str, score: Any) -> None:
    db.performance_snapshots.insert_one(
        {"_id": f"{user_id}|{day}", "user_id": user_id, "local_date": day, "pace_score": score}
    )


def recommend(db: Any, user_id: str, kind: str, priority: int, **fields: Any) -> None:
    recommendation = {
        "_id": f"{user_id}|{kind}|2026-W48",
        "user_id": user_id,
        "recommendation_type": kind,
        "refresh_key": "2026-W48",
        "priority": priority,
        "title": "Title",
        "message": "Message",
        "is_active": True,
        "created_at": MADE,
    }
    db.adaptive_recommendations.insert_one(recommendation | fields)


async def test_pace_and_advice_are_shown_where_there_are_some(emails: EmailScenario) -> None:
    for user_id in ("ann", "bob", "cid"):
        emails.add_user(user_id)
    add_pace(emails.db, "ann", "2026-11-22", 61.6)
    add_pace(emails.db, "ann", "2026-11-15", 55.2)
    add_pace(emails.db, "bob", "2026-11-22", 40)
    add_pace(emails.db, "cid", "2026-11-22", [40])
    opening = {"opening": "Grob <b>Attack</b>"}
    recommend(emails.db, "ann", "FIX_OPENING", 83, metadata=opening)
    recommend(emails.db, "bob", "REVIEW_GAME", 85, metadata=["odd"])
    recommend(emails.db, "cid", "NO_TYPE", 99)
    recommend(emails.db, "ann", "TAKE_BREAK", 95, is_active=False)
    recommend(emails.db, "ann", "PRACTICE_MORE", 75)

    await emails.run()

    texts, pages = {}, {}
    for email in emails.sendgrid.accepted:
        user_id = email.outbox_id.split(":")[1]
        texts[user_id], pages[user_id] = (part["value"] for part in email.payload["content"])
    assert "Training pace (last week: 55): 62" in texts["ann"]
    assert "Repair your opening: Grob <b>Attack</b>." in texts["ann"]
    assert "Grob &lt;b&gt;Attack&lt;/b&gt;." in pages["ann"]
    assert "Training pace: 40" in texts["bob"]
    assert "Review your least accurate games." in texts["bob"]
    assert "Training pace" not in texts["cid"]


async def test_the_sessions_of_the_next_week_are_shown_in_local_time(emails: EmailScenario) -> None:
    for user_id in ("ann", "bob"):
        emails.add_user(user_id)
    planned: list[tuple[str, int, dict[str, Any]]] = [
        ("ann", 23, {"title": "<b>Games</b>"}),
        ("ann", 29, {"title": ["odd"]}),
        ("ann", 29, {"title": "Puzzles"}),
        ("ann", 30, {"title": "Too late"}),
        ("ann", 24, {"title": "Cancelled", "status": "cancelled"}),
        *(("bob", 25, {"title": f"S{number}"}) for number in range(9)),
    ]
    for number, (user_id, day, fields) in enumerate(planned):
        session: dict[str, Any] = {
            "_id": f"r{number}|2026-11-{day}", "user_id": user_id, "local_date": f"2026-11-{day}",
            "starts_at": datetime(2026, 11, day, 17, number, tzinfo=UTC), "duration_min": 45,
            "timezone": "Europe/Berlin", "status": "scheduled", "revision": 1,
        }  # fmt: skip
        emails.db.training_sessions.insert_one(session | fields)

    await emails.run()

    texts, pages = {}, {}
    for email in emails.sendgrid.accepted:
        user_id = email.outbox_id.split(":")[1]
        texts[user_id], pages[user_id] = (part["value"] for part in email.payload["content"])
    ann = " ".join(texts["ann"].split())
    assert "Your sessions: Monday 18:00 <b>Games</b>, Sunday 18:02 Puzzles." in ann
    assert "&lt;b&gt;Games&lt;/b&gt;" in pages["ann"]
    assert "and 2 more." in " ".join(texts["bob"].split())
