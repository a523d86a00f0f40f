"""What is kept and what is to come, as people and scripts are shown it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import RunCli
from tests.conftest import Clock

RunCliJson = Callable[..., Any]
NIGHTLY = ("nightly", "--job", "sync_games", "--cron", "30 2 * * *", "--timezone", "Europe/Berlin")


@pytest.fixture
def one_configured() -> None:
    """The configuration has `sync_games` alone, every six hours."""
    text = "[schedules.sync_games]\njob = 'sync_games'\ncron = '0 */6 * * *'"
    Path("config.toml").write_text(text)


def test_schedules_that_are_only_configured_are_listed_and_not_stored(
    run_cli_json: RunCliJson, db: Any
) -> None:
    listed = {row["id"]: row for row in run_cli_json("schedules", "list")}

    assert list(listed) == ["sync_games"]
    assert listed["sync_games"] == {
        "id": "sync_games", "job": "sync_games", "trigger": "0 */6 * * * (UTC)", "state": "active",
        "stored": False, "origin": "config", "edited": False, "last": None,
        "next": "2026-10-21T18:00:00Z",
    }  # fmt: skip
    assert db.schedules.count_documents({}) == 0


def test_a_schedule_is_added_listed_shown_and_removed(
    run_cli: RunCli, run_cli_json: RunCliJson, clock: Clock
) -> None:
    added = run_cli("schedules", "add", *NIGHTLY, "--arg", "all=true", "--arg", "user=ann")
    assert added.stdout == "added nightly: At 02:30 every day, Europe/Berlin time\n"

    shown = run_cli_json("schedules", "show", "nightly")
    assert shown["schedule"]["args"] == {"all": True, "user": "ann"}
    assert shown["schedule"]["cron"] == "30 2 * * *"
    assert (shown["origin"], shown["state"], shown["revision"]) == ("user", "active", 1)
    assert (shown["since"], shown["stored"]) == ("2026-10-21T12:00:00Z", True)
    assert shown["words"] == "At 02:30 every day, Europe/Berlin time"
    assert [each["slot"] for each in shown["next"]][:2] == [
        "2026-10-22T00:30:00Z",
        "2026-10-23T00:30:00Z",
    ]
    assert [change["what"] for change in shown["history"]] == ["added"]

    table = run_cli("schedules", "list").stdout.splitlines()
    assert table[0].split() == ["id", "job", "when", "state", "last", "slot", "next", "slot"]
    assert table[1].split() == [
        *("nightly", "sync_games", "30", "2", "*", "*", "*", "(Europe/Berlin)", "active", "none"),
        "2026-10-22T00:30:00Z",
    ]
    assert run_cli("schedules", "remove", "nightly").stdout == "removed nightly\n"
    run_cli("schedules", "show", "nightly", code=2)


def test_every_field_can_be_given(run_cli_json: RunCliJson) -> None:
    shown = run_cli_json(
        "schedules", "add", "all_of_it", "--job", "sync_games", "--cron", " 0  3 * * * ",
        "--timezone", "America/New_York", "--lock", "nightly",
        "--max-instances", "2", "--overlap", "queue_one", "--no-coalesce", "--disabled",
        "--misfire-grace-s", "3600", "--jitter-s", "60.5", "--arg", "user=ann",
    )  # fmt: skip

    assert shown["schedule"] == {
        "job": "sync_games", "cron": "0 3 * * *", "timezone": "America/New_York", "every": None,
        "anchor": "2001-01-01T00:00:00Z", "at": None, "enabled": False, "lock": "nightly",
        "max_instances": 2, "overlap": "queue_one", "coalesce": False, "misfire_grace_s": 3600.0,
        "jitter_s": 60.5, "args": {"user": "ann"},
    }  # fmt: skip
    assert shown["state"] == "disabled"


def test_intervals_and_dates_are_given_in_short(run_cli_json: RunCliJson) -> None:
    job = ("--job", "sync_games")
    shown = run_cli_json(
        *("schedules", "add", "a", *job, "--every", "1w 2d"), "--anchor", "2026-01-01T01:00+01:00"
    )
    assert shown["schedule"]["every"] == {
        "weeks": 1, "days": 2, "hours": 0, "minutes": 0, "seconds": 0,
    }  # fmt: skip
    assert (shown["schedule"]["anchor"], shown["trigger"]) == (
        "2026-01-01T00:00:00Z",
        "every 1w 2d",
    )
    shown = run_cli_json("schedules", "add", "b", *job, "--at", "2026-12-24T19:00:00+01:00")
    assert shown["schedule"]["at"] == "2026-12-24T18:00:00Z"
    assert shown["words"] == "Once, at 2026-12-24T18:00:00Z"


@pytest.mark.usefixtures("one_configured")
def test_the_next_slots_of_all_are_merged_in_order_of_time(
    run_cli: RunCli, run_cli_json: RunCliJson
) -> None:
    run_cli("schedules", "add", *NIGHTLY)
    run_cli("schedules", "add", "off", "--job", "sync_games", "--cron", "* * * * *", "--disabled")

    found = run_cli_json("schedules", "next", "--count", "4")

    assert [(each["schedule"], each["slot"]) for each in found] == [
        ("sync_games", "2026-10-21T18:00:00Z"),
        ("sync_games", "2026-10-22T00:00:00Z"),
        ("nightly", "2026-10-22T00:30:00Z"),
        ("sync_games", "2026-10-22T06:00:00Z"),
    ]
    assert len(run_cli_json("schedules", "next")) == 5
    assert len(run_cli_json("schedules", "next", "--count", "1000")) == 1000


def test_days_on_which_clocks_change_are_marked(
    run_cli: RunCli, run_cli_json: RunCliJson, clock: Clock
) -> None:
    """Berlin's go back on 25 October 2026, and forward on 28 March 2027."""
    run_cli("schedules", "add", *NIGHTLY)
    autumn = run_cli("schedules", "next", "nightly").stdout.splitlines()
    assert autumn[0].split() == ["schedule", "UTC", "in", "its", "zone"]
    assert autumn[3].split() == ["nightly", "2026-10-24T00:30:00Z", "Sat", "2026-10-24", "02:30:00",
        "+0200", "Europe/Berlin"]  # fmt: skip
    assert autumn[4].endswith("the local time comes twice; runs the first time")

    run_cli("schedules", "edit", "nightly", "--cron", "0 30 2 * * *")
    both = run_cli_json("schedules", "next", "nightly")[3:]
    assert [(each["local"], each["twice"]) for each in both] == [
        ("2026-10-25T02:30:00+02:00", "first"),
        ("2026-10-25T02:30:00+01:00", "second"),
    ]
    table = run_cli("schedules", "next", "nightly").stdout
    assert "clocks go back that day; the local time comes twice; this is the second" in table

    clock.move(days=157)  # the noon of 27 March
    (spring,) = run_cli_json("schedules", "next", "nightly", "--count", "1")
    assert (spring["slot"], spring["left_out"]) == ("2027-03-29T00:30:00Z", ["2027-03-28T02:30:00"])
    table = run_cli("schedules", "next", "nightly").stdout
    assert "the clocks skip 2027-03-28 02:30 before it" in table
    run_cli("schedules", "edit", "nightly", "--cron", "30 2 * * *")
    table = run_cli("schedules", "next", "nightly").stdout
    assert "clocks go forward that day; runs in place of 2027-03-28 02:30" in table


def test_a_slot_that_waits_for_its_jitter_is_still_to_come(
    run_cli: RunCli, run_cli_json: RunCliJson, clock: Clock
) -> None:
    hourly = ("--job", "sync_games", "--cron", "0 * * * *", "--jitter-s", "3000")
    run_cli("schedules", "add", "jittery", *hourly)
    first = run_cli_json("schedules", "next", "jittery", "--count", "1")[0]
    assert first["slot"] == "2026-10-21T13:00:00Z"
    assert 1 < first["delay_s"] < 3000
    assert (
        f"begins {first['delay_s']:.0f} s later" in run_cli("schedules", "next", "jittery").stdout
    )

    clock.move(hours=1, seconds=1)

    assert run_cli_json("schedules", "next", "jittery")[0] == first
    assert run_cli_json("schedules", "show", "jittery")["due"] == "2026-10-21T13:00:00Z"


@pytest.mark.usefixtures("one_configured")
def test_slots_of_a_paused_schedule_are_shown_as_not_running(
    run_cli: RunCli, run_cli_json: RunCliJson
) -> None:
    run_cli("schedules", "pause", "sync_games")

    upcoming = run_cli_json("schedules", "next", "sync_games")
    assert [slot["worked"] for slot in upcoming] == [False] * 5
    shown = run_cli("schedules", "next", "sync_games").stdout
    assert "sync_games is paused: these slots do not run" in shown
    assert run_cli("schedules", "next").stdout.endswith("there is no next slot\n")


def test_show_tells_an_operators_edit_from_the_configuration(
    run_cli: RunCli, run_cli_json: RunCliJson, clock: Clock
) -> None:
    run_cli("schedules", "edit", "sync_games", "--cron", "0 */4 * * *")
    clock.move(hours=5)

    lines = [
        line.split(maxsplit=1)
        for line in run_cli("schedules", "show", "sync_games").stdout.splitlines()
    ]
    assert ["origin", "the configuration"] in lines
    assert ["edited", "yes"] in lines
    assert ["configured", "the configuration says otherwise:"] in lines
    assert [value for name, value in lines if name == "cron"] == ["0 */4 * * *", "0 */6 * * *"]
    assert ["due", "2026-10-21T16:00:00Z, not begun yet"] in lines
    shown = run_cli_json("schedules", "show", "sync_games")
    assert (shown["edited"], shown["due"]) == (True, "2026-10-21T16:00:00Z")
    assert shown["configured"]["cron"] == "0 */6 * * *"
    assert shown["schedule"]["cron"] == "0 */4 * * *"
