"""`momentum board` and `show`."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import RunCli
from tests.support.momentum.admin_data import (
    insert_event,
    insert_momentum,
    insert_player,
)

RunCliJson = Callable[..., Any]


def test_the_board_of_an_open_week_counts_the_ledger_alone(
    run_cli: RunCli, run_cli_json: RunCliJson, db: Any
) -> None:
    for user_id, points in (("ann", 40), ("bob", 60), ("eve", 60), ("zoe", 10)):
        insert_player(db, user_id, xp=1000 + points)
        insert_event(db, user_id, "p1", points)
    insert_event(db, "deleted", "p1", 500)
    insert_event(db, "ann", "p0", 90, week_key="2026-W42")

    board = run_cli_json("momentum", "board", "--top", "3")

    assert (board["period"], board["key"], board["counts"], board["final"]) == (
        "week", "2026-W43", "ledger", False,
    )  # fmt: skip
    assert [(row["rank"], row["user_id"], row["points"]) for row in board["players"]] == [
        (1, "bob", 60), (1, "eve", 60), (3, "ann", 40),
    ]  # fmt: skip
    lines = run_cli("momentum", "board", "--week", "2026-W42").stdout.splitlines()
    assert lines[0] == "week 2026-W42, still open: points of the ledger alone."
    assert lines[2].split() == ["1", "ann", "ann", "90"]
    month = run_cli_json("momentum", "board", "--month", "2026-10")
    assert month["players"][0] == {
        "rank": 1, "user_id": "ann", "name": "ann", "points": 130, "level": None,
    }  # fmt: skip


def test_the_board_of_a_final_week_has_its_ranks(run_cli_json: RunCliJson, db: Any) -> None:
    insert_player(db, "cid")
    for user_id in ("bob", "cid"):
        result = {"kind": "week", "key": "2026-W42", "points": 90, "rank": 1}
        db.momentum_periods.insert_one({"user_id": user_id, **result})
    insert_momentum(db)
    insert_event(db, "ann", "later", 500, week_key="2026-W42")
    db.users.update_one({"user_id": "cid"}, {"$set": {"is_active": False}})

    board = run_cli_json("momentum", "board", "--week", "2026-W42", "--top", "1")

    assert board["final"] is True
    assert [(row["user_id"], row["rank"], row["points"]) for row in board["players"]] == [
        ("ann", 1, 40)
    ]


def test_the_board_of_all_time_counts_the_oldest_document_of_a_user(
    run_cli: RunCli, run_cli_json: RunCliJson, db: Any
) -> None:
    insert_player(db, "ann", xp=500, level=4)
    insert_player(db, "bob", xp="many")
    db.user_progress.insert_one({"user_id": "ann", "xp": 9000})

    board = run_cli_json("momentum", "board", "--all-time")

    assert (board["key"], board["counts"]) == (None, "xp")
    assert [(row["user_id"], row["points"], row["level"]) for row in board["players"]] == [
        ("ann", 500, 4)
    ]
    title = "All time: xp, with what the application paid itself."
    assert run_cli("momentum", "board", "--all-time").stdout.splitlines()[0] == title


def test_wrong_periods_are_refused(run_cli: RunCli) -> None:
    for arguments, error in (
        (("--week", "2026-W54"), "'2026-W54' is not the key of a week, such as 2026-W10"),
        (("--month", "2026-13"), "'2026-13' is not the key of a month, such as 2026-03"),
        (("--week", "2026-W10", "--all-time"), "give only one of --week, --month and --all-time"),
        (("--top", "101"), "101 is not in the range"),
    ):
        assert error in run_cli("momentum", "board", *arguments, code=2).stderr
    assert run_cli("momentum", "board").stdout.splitlines()[1] == "no player has points"


def test_a_player_is_shown_with_what_the_next_check_will_do(
    run_cli: RunCli, run_cli_json: RunCliJson, db: Any
) -> None:
    insert_momentum(db)
    db.users.update_one({"user_id": "ann"}, {"$set": {"timezone": "Pacific/Auckland"}})
    db.user_progress.update_one({}, {"$set": {"weekly_prev_key": "2026-W42", "weekly_prev_xp": 40}})
    db.training_sessions.insert_many(
        [
            {"_id": f"s{n}", "user_id": "ann", "local_date": "2026-10-20", "status": status}
            for n, status in enumerate(("completed", "scheduled", "cancelled"))
        ]
    )

    player = run_cli_json("momentum", "show", "ann")
    text = run_cli("momentum", "show", "ann").stdout

    week = player["periods"][0]
    assert (week["key"], week["points"], week["previous_rank"]) == ("2026-W43", 50, 1)
    assert (week["planned"], week["done"], week["previous_perfect"]) == (2, 1, True)
    assert week["closes_at"] == "2026-10-25T17:00:00Z"
    assert (player["xp"], player["level"], player["timezone"]) == (300, 3, "Pacific/Auckland")
    assert [event["action"] for event in player["events"]] == ["puzzle_solved"]
    assert player["next_check"] == [
        "It is the first check: it records the instant, and books nothing older.",
        "The week 2026-W43 closes at 2026-10-25T17:00:00Z; 1 of 2 sessions are completed.",
        "The month 2026-10 closes at 2026-10-31T17:00:00Z; 1 of 2 sessions are completed.",
        "The streak of 4 days ends at 2026-10-22T11:00:00Z without activity.",
    ]
    assert "week    2026-W43  50      2026-W42  40      rank 1, perfect" in text
    assert "level         3 Pawn III, 20.0 %; Knight at 500" in text


def test_what_is_due_for_a_player_is_named(run_cli_json: RunCliJson, db: Any) -> None:
    insert_momentum(db)

    lines = run_cli_json("momentum", "show", "ann", "--now", "2026-11-02T07:00:00Z")["next_check"]

    assert "It begins the week 2026-W45: 50 points of 2026-W43 become the last ones." in lines
    assert "It begins the month 2026-11: 70 points of 2026-10 become the last ones." in lines
    assert "It ends the streak of 4 days: the last active day was 2026-10-21." in lines


@pytest.mark.parametrize("progress", [{}, {"xp": "x", "weekly_key": 5, "weekly_prev_key": []}])
def test_a_player_of_odd_or_missing_values_is_shown(
    run_cli_json: RunCliJson, db: Any, progress: dict[str, Any]
) -> None:
    db.users.insert_one({"user_id": "ann", "email": "a", "timezone": "Mars/Phobos"})
    if progress:
        db.user_progress.insert_one({"user_id": "ann", **progress})
        db.user_progress.insert_one({"user_id": "ann"})

    player = run_cli_json("momentum", "show", "ann")

    assert (player["xp"], player["level"]) == (0, 1)
    assert (player["timezone"], player["timezone_source"]) == ("UTC", "invalid")
    assert player["surplus_documents"] == (1 if progress else 0)


def test_a_user_who_does_not_exist_is_not_shown(run_cli: RunCli) -> None:
    assert "User ID eve not found" in run_cli("momentum", "show", "eve", code=1).stderr


@pytest.mark.parametrize("user_id", [7, True, ["eve"], {"id": "eve"}])
def test_a_board_leaves_out_users_whose_id_is_not_a_text(
    run_cli: RunCli, db: Any, user_id: object
) -> None:
    insert_momentum(db, "ann")
    db.users.insert_one({"user_id": user_id, "email": "odd"})
    db.user_progress.insert_one({"user_id": user_id, "xp": 9000})
    for name in ("momentum_periods", "momentum_events"):
        stored = db[name].find_one({"user_id": "ann"})
        db[name].insert_one(stored | {"_id": f"odd {user_id}", "user_id": user_id, "points": 900})

    for flags in (["--all-time"], ["--week", "2026-W42"], ["--week", "2026-W43"]):
        assert "900" not in run_cli("momentum", "board", *flags).stdout
