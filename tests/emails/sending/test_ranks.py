"""The weekly email shows the player's rank in the week."""

from typing import Any

import pytest

from tests.support.emails.email_scenario import EmailScenario


def add_result(db: Any, user_id: str, points: int, rank: int | None = None) -> None:
    db.momentum_periods.insert_one(
        {
            "_id": f"{user_id}|week|2026-W47",
            "user_id": user_id,
            "kind": "week",
            "key": "2026-W47",
            "points": points,
            "rank": rank,
        }
    )


def shown_ranks(emails: EmailScenario) -> dict[str, str | None]:
    """The line of each accepted email that shows a rank, by user."""
    found = {}
    for email in emails.sendgrid.accepted:
        text = email.payload["content"][0]["value"]
        lines = [line for line in text.splitlines() if line.startswith("Rank this week")]
        found[email.outbox_id.split(":")[1]] = lines[0] if lines else None
    return found


@pytest.mark.parametrize("ranked", [False, True])
async def test_the_rank_is_that_of_the_board_or_of_the_points_so_far(
    emails: EmailScenario, ranked: bool
) -> None:
    for user_id in ("ann", "bob", "cid", "dan", "eve"):
        emails.add_user(user_id)
    add_result(emails.db, "ann", 120, 2 if ranked else None)
    add_result(emails.db, "bob", 120, 2 if ranked else None)
    add_result(emails.db, "cid", 300, 1 if ranked else None)
    add_result(emails.db, "dan", 0)

    await emails.run()

    assert shown_ranks(emails) == {
        "ann": "Rank this week: 2",
        "bob": "Rank this week: 2",
        "cid": "Rank this week: 1",
        "dan": None,
        "eve": None,
    }
