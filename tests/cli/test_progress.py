"""`progress` and `recommendations`."""

import builtins
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import RunCli

RunCliJson = Callable[..., Any]
DAY = datetime(2026, 10, 20, tzinfo=UTC)


def add_snapshots(db: Any, user_id: str, days: int) -> None:
    """A snapshot for each of some days up to the 20th; the last one is not closed."""
    db.users.insert_one({"user_id": user_id})
    for number in range(days):
        day = f"{DAY - timedelta(days=number):%Y-%m-%d}"
        db.performance_snapshots.insert_one(
            {
                "_id": f"{user_id}|{day}",
                "user_id": user_id,
                "local_date": day,
                "tz": "UTC",
                "tz_source": "user",
                "pace_score": 80.5 - 10 * number,
                "pace": "FAST",
                "quiz_average": 70.0,
                "lessons_completed_count": number,
                "time_spent_minutes_today": 12.5,
                "accuracy_avg": None if number else 81.25,
                "blunders_per_game": None,
                "rating": {"lichess": {"blitz": 1500 + number}},
                "xp": 900,
                "level": 4,
                "streak": 3,
                "final": number > 0,
            }
        )


def add_recommendation(db: Any, kind: str, priority: int, **fields: Any) -> None:
    """An active recommendation of the 43rd week."""
    recommendation = {
        "_id": f"ann|{kind}|2026-W43",
        "user_id": "ann",
        "recommendation_type": kind,
        "refresh_key": "2026-W43",
        "priority": priority,
        "title": f"Title of {kind}",
        "message": "Do it.",
        "metadata": {"game_ids": ["g1"]},
        "is_active": True,
        "dismissed_at": None,
    }
    db.adaptive_recommendations.insert_one(recommendation | fields)


def test_progress_shows_sparklines_and_days(
    run_cli: RunCli, run_cli_json: RunCliJson, db: Any
) -> None:
    add_snapshots(db, "ann", 4)

    lines = run_cli("progress", "ann").stdout.splitlines()
    data = run_cli_json("progress", "ann", "--days", "2")

    assert "2026-10-17 to 2026-10-20" in lines[0]
    assert lines[1].split() == ["Pace", "▅▅▆▇", "50.5", "80.5"]
    assert any(line.split()[:3] == ["lichess", "blitz", "█▆▃▁"] for line in lines)
    assert any(line.startswith("2026-10-20 (so far)") and "81.25" in line for line in lines)
    assert [day["local_date"] for day in data["days"]] == ["2026-10-19", "2026-10-20"]
    assert (data["user_id"], data["days"][1]["final"]) == ("ann", False)


def test_progress_of_a_player_without_snapshots_and_of_an_unknown_one(
    run_cli: RunCli, db: Any
) -> None:
    db.users.insert_one({"user_id": "ann"})

    assert "no snapshot" in run_cli("progress", "ann").stdout
    assert "player 'bob' does not exist" in run_cli("progress", "bob", code=1).stderr
    assert "--days" in run_cli("progress", "ann", "--days", "0", code=2).stderr


def test_progress_is_drawn_as_a_picture(run_cli: RunCli, db: Any) -> None:
    add_snapshots(db, "$x$ \x1b[1m", 3)

    run_cli("progress", "$x$ \x1b[1m", "--png", "out.png")

    assert Path("out.png").read_bytes().startswith(b"\x89PNG")
    refused = run_cli("progress", "$x$ \x1b[1m", "--png", "none/out.png", code=2)
    assert "none/out.png cannot be written" in refused.stderr


def test_without_matplotlib_the_error_names_the_extra(
    run_cli: RunCli, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_snapshots(db, "ann", 2)
    imported = builtins.__import__

    def refuse(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return imported(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)

    assert "chesscoach[plots]" in run_cli("progress", "ann", "--png", "x.png", code=2).stderr
    assert not Path("x.png").exists()


def test_recommendations_are_listed_and_dismissed(
    run_cli: RunCli, run_cli_json: RunCliJson, db: Any
) -> None:
    db.users.insert_one({"user_id": "ann"})
    add_recommendation(db, "PRACTICE_MORE", 75)
    add_recommendation(db, "REVIEW_GAME", 85)
    add_recommendation(db, "TAKE_BREAK", 95, is_active=False, retired_at=DAY)

    listed = run_cli_json("recommendations", "list", "ann")
    text = run_cli("recommendations", "list", "ann", "--all").stdout
    dismissed = run_cli_json("recommendations", "dismiss", "ann|REVIEW_GAME|2026-W43")
    again = run_cli_json("recommendations", "dismiss", "ann", "review_game")

    assert [item["recommendation_type"] for item in listed] == ["REVIEW_GAME", "PRACTICE_MORE"]
    assert listed[0]["metadata"] == {"game_ids": ["g1"]}
    assert [line.split()[0] for line in text.splitlines()[1:]] == ["95", "85", "75"]
    assert dismissed["is_active"] is False
    assert dismissed["dismissed_at"] == "2026-10-21T12:00:00Z"
    assert again == dismissed
    assert [item["priority"] for item in run_cli_json("recommendations", "list", "ann")] == [75]


def test_what_is_not_there_is_refused(run_cli: RunCli, db: Any) -> None:
    db.users.insert_one({"user_id": "ann"})
    add_recommendation(db, "TAKE_BREAK", 95, is_active=False, retired_at=DAY)

    assert "There is no recommendation." in run_cli("recommendations", "list", "ann").stdout
    assert "does not exist" in run_cli("recommendations", "list", "bob", code=1).stderr
    for args in (("x",), ("ann", "REVIEW_GAME"), ("ann", "TAKE_BREAK")):
        refused = run_cli("recommendations", "dismiss", *args, code=2)
        assert "does not exist: see `chesscoach recommendations list`" in refused.stderr
