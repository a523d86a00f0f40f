"""What an operator changes, and what the command answers."""

from collections.abc import Callable
from typing import Any

from tests.cli.conftest import RunCli
from tests.conftest import Clock

RunCliJson = Callable[..., Any]
SIX_HOURLY = ("six", "--job", "sync_games", "--cron", "0 */6 * * *")


def test_an_edit_says_which_slots_it_drops_and_adds(
    run_cli: RunCli, run_cli_json: RunCliJson, clock: Clock
) -> None:
    run_cli("schedules", "add", *SIX_HOURLY)

    done = run_cli("schedules", "edit", "six", "--cron", "0 */8 * * *")
    assert done.stdout.splitlines() == [
        "edited six, revision 2: At minute 0 past every eighth hour, UTC time",
        "dropped until 2026-10-22T12:00:00Z: 2026-10-21T18:00:00Z, 2026-10-22T06:00:00Z,"
        " 2026-10-22T12:00:00Z",
        "added until 2026-10-22T12:00:00Z: 2026-10-21T16:00:00Z, 2026-10-22T08:00:00Z",
    ]
    change = run_cli_json("schedules", "edit", "six", "--every", "1w")["change"]
    assert change["until"] == "2026-10-22T12:00:00Z"
    assert len(change["dropped"]) == 3
    assert change["added"] == []
    run_cli("schedules", "edit", "six", "--cron", "* * * * *")
    done = run_cli("schedules", "edit", "six", "--disabled")
    assert "and 990 more" in done.stdout
    assert "added until 2026-10-22T04:40:00Z: no slot" in done.stdout
    assert "six is disabled: these slots do not run" in done.stdout


def test_what_is_due_at_an_edit_stays_due(
    run_cli: RunCli, run_cli_json: RunCliJson, clock: Clock
) -> None:
    run_cli("schedules", "add", *SIX_HOURLY)
    clock.move(hours=7)

    done = run_cli("schedules", "edit", "six", "--cron", "30 3 * * *")

    assert "still due: 2026-10-21T18:00:00Z\n" in done.stdout
    assert run_cli_json("schedules", "show", "six")["due"] == "2026-10-21T18:00:00Z"


def test_a_trigger_takes_the_place_of_the_one_before(
    run_cli: RunCli, run_cli_json: RunCliJson
) -> None:
    run_cli("schedules", "add", *SIX_HOURLY, "--timezone", "Europe/Berlin")

    found = run_cli_json(
        "schedules", "edit", "six", "--every", "6h", "--anchor", "2026-01-01T00:00:00Z"
    )
    assert found["schedule"]["cron"] is None
    assert found["schedule"]["timezone"] == "Europe/Berlin"
    found = run_cli_json("schedules", "edit", "six", "--every", "7h")
    assert found["schedule"]["anchor"] == "2026-01-01T00:00:00Z"
    found = run_cli_json("schedules", "edit", "six", "--at", "2026-12-24T18:00:00Z")
    assert (found["schedule"]["every"], found["trigger"]) == (None, "once at 2026-12-24T18:00:00Z")
    assert found["schedule"]["anchor"] == "2001-01-01T00:00:00Z"
    assert run_cli_json("schedules", "edit", "six", "--cron", "0 3 * * *")["schedule"]["at"] is None


def test_fields_go_back_to_their_defaults_and_arguments_are_set_one_by_one(
    run_cli: RunCli, run_cli_json: RunCliJson
) -> None:
    run_cli("schedules", "add", *SIX_HOURLY, "--lock", "nightly", "--misfire-grace-s", "60",
        "--arg", "user=ann")  # fmt: skip

    found = run_cli_json("schedules", "edit", "six", "--arg", "all=true", "--unset", "lock")
    assert found["schedule"]["args"] == {"user": "ann", "all": True}
    assert (found["schedule"]["lock"], found["schedule"]["misfire_grace_s"]) == (None, 60.0)
    found = run_cli_json("schedules", "edit", "six", "--unset", "args", "--arg", "all=false")
    assert found["schedule"]["args"] == {"all": False}


def test_an_edit_without_a_difference_changes_nothing(
    run_cli: RunCli, run_cli_json: RunCliJson
) -> None:
    run_cli("schedules", "add", *SIX_HOURLY)

    assert (
        run_cli("schedules", "edit", "six", "--cron", "0 */6 * * *").stdout == "six is so already\n"
    )
    assert run_cli_json("schedules", "show", "six")["revision"] == 1


def test_a_schedule_is_paused_and_resumed(
    run_cli: RunCli, run_cli_json: RunCliJson, clock: Clock
) -> None:
    assert run_cli("schedules", "pause", "sync_games").stdout == (
        "sync_games is paused (state: paused)\n"
    )
    assert "already" in run_cli("schedules", "pause", "sync_games").stdout
    clock.move(hours=20)
    found = run_cli_json("schedules", "resume", "sync_games")
    assert (found["state"], found["since"]) == ("active", "2026-10-22T08:00:00Z")
    assert "already" in run_cli("schedules", "resume", "sync_games").stdout
    assert run_cli_json("schedules", "show", "sync_games")["due"] is None


def test_the_second_edit_of_a_revision_is_refused_and_changes_nothing(
    run_cli: RunCli, run_cli_json: RunCliJson
) -> None:
    run_cli("schedules", "add", *SIX_HOURLY)
    seen = str(run_cli_json("schedules", "show", "six")["revision"])
    run_cli("schedules", "edit", "six", "--cron", "0 3 * * *", "--revision", seen)

    for args in (("edit", "six", "--cron", "0 4 * * *"), ("pause", "six"), ("remove", "six")):
        error = run_cli("schedules", *args, "--revision", seen, code=2).stderr
        assert "six has changed since, to revision 2: see `chesscoach schedules show six`" in error

    found = run_cli_json("schedules", "show", "six")
    assert (found["revision"], found["schedule"]["cron"]) == (2, "0 3 * * *")


def test_an_unreadable_schedule_is_shown_replaced_or_removed(
    run_cli: RunCli, run_cli_json: RunCliJson, db: Any
) -> None:
    odd = {"spec": {"job": "sync_games", "cron": "99 * * * *"}, "revision": 3}
    db.schedules.insert_many([{"_id": "odd", **odd}, {"_id": "odder", **odd}])

    shown = run_cli_json("schedules", "show", "odd")
    assert (shown["state"], shown["revision"]) == ("quarantined", 3)
    assert "cannot be read" in shown["quarantined"]
    assert "cannot be read" in run_cli("schedules", "run-now", "odd", code=2).stderr
    assert (
        "--job: none given"
        in run_cli("schedules", "edit", "odd", "--cron", "0 3 * * *", code=2).stderr
    )
    whole = ("--job", "sync_games", "--cron", "0 3 * * *")
    assert run_cli_json("schedules", "edit", "odd", *whole)["state"] == "active"
    run_cli("schedules", "remove", "odder")
    assert {row["id"] for row in run_cli_json("schedules", "list")} == {"odd", "sync_games"}
