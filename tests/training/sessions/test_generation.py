"""Sessions ahead: edits, zones that change, several processes, and documents that are invalid."""

import threading
from typing import Any

from tests.support.training.sessions_scenario import SessionsScenario


def test_a_second_run_changes_nothing_and_a_later_one_adds_the_days_since(
    training: SessionsScenario,
) -> None:
    training.add()
    before = training.sessions()
    assert training.run("2026-03-01T12:00:00Z")["notes"] == {}
    assert training.sessions() == before

    training.run("2026-03-03T05:00:00Z")
    assert training.days() == [f"03-{day:02}" for day in range(1, 17)]


def test_a_run_as_of_before_the_routine_was_added_leaves_the_sessions_of_its_window(
    training: SessionsScenario,
) -> None:
    training.at("2026-04-27T17:00")
    routine = training.add()["routine_id"]
    training.cli("sessions", "cancel", f"{routine}|2026-05-01")
    assert training.days()[0] == "04-27"

    training.run("2026-03-01T00:00:00Z")
    assert training.days() == [*(f"03-{day:02}" for day in range(1, 15)), "05-01"]
    training.run("2026-03-03T05:00:00Z")
    training.run("2026-03-01T00:00:00Z")

    assert training.days() == [*(f"03-{day:02}" for day in range(1, 17)), "05-01"]
    training.run("2026-04-27T18:00:00Z")
    assert len(training.sessions(status="scheduled")) == 13


def test_an_edit_moves_and_deletes_what_is_to_come_and_nothing_else(
    training: SessionsScenario,
) -> None:
    routine = training.add()["routine_id"]
    training.cli("sessions", "cancel", f"{routine}|2026-03-06")
    training.cli("sessions", "complete", f"{routine}|2026-03-07")
    training.at("2026-03-03T18:30")

    edited = training.cli_json("routines", "edit", routine, "--at", "17:00", "--on", "sat,sun")

    assert edited["revision"] == 2
    assert edited["rrule"] == "FREQ=DAILY;BYDAY=SA,SU"
    assert [(s[5:10], s[11:]) for s in training.starts_and_revisions()] == [
        *((f"03-0{day}", "18:00 1") for day in (1, 2, 3, 6, 7)),
        *((f"03-{day:02}", "17:00 2") for day in (8, 14, 15)),
    ]


def test_an_edit_without_a_difference_keeps_the_revision(training: SessionsScenario) -> None:
    routine = training.add("u1", "--skip", "2026-03-05", until="2026-06-01")
    edit = ("routines", "edit", routine["routine_id"])
    same = training.cli_json(
        *edit, "--at", "18:00", "--until", "2026-06-01", "--skip", "2026-03-05"
    )
    assert {**same, "sessions": 0} == {**routine, "sessions": 0}

    reset = training.cli_json(*edit, "--unset", "skip", "--unset", "until")
    assert (reset["exdates"], reset["rrule"], reset["revision"]) == ([], "FREQ=DAILY", 2)
    assert "03-05" in training.days()


def test_an_edit_that_was_killed_before_its_sessions_is_finished_by_the_next_run(
    training: SessionsScenario,
) -> None:
    training.add()
    training.db.training_routines.update_one(
        {}, {"$set": {"dtstart": "2026-03-01T09:00:00", "revision": 2}}
    )
    training.run("2026-03-01T05:00:00Z")

    assert set(training.starts_and_revisions()) == {
        f"2026-03-{day:02} 09:00 2" for day in range(1, 15)
    }


def test_removing_a_routine_deletes_what_is_to_come(training: SessionsScenario) -> None:
    routine = training.add()["routine_id"]
    training.at("2026-03-02T19:00")
    training.cli("sessions", "complete", f"{routine}|2026-03-10")

    training.cli("routines", "remove", routine, code=1)
    training.cli("routines", "remove", routine, code=1, stdin="n\n")
    assert len(training.sessions()) == 14
    removed = training.cli_json("routines", "remove", routine, "--yes")

    assert (removed["routine_id"], removed["rrule"]) == (routine, "FREQ=DAILY")
    assert removed["sessions_deleted"] == 11
    assert training.days() == ["03-01", "03-02", "03-10"]
    assert "does not exist" in training.cli("routines", "remove", routine, "--yes", code=2).stderr


def test_sessions_whose_routine_is_gone_are_deleted_by_the_next_run(
    training: SessionsScenario,
) -> None:
    training.add()
    training.db.training_routines.delete_many({})

    training.run("2026-03-02T05:00:00Z")

    assert training.days() == ["03-01"]


def test_a_routine_follows_its_user_into_another_zone_unless_it_has_its_own(
    training: SessionsScenario,
) -> None:
    training.add_user("u2", "Europe/Berlin")
    training.add("u2", until="2026-03-02")
    training.add("u2", until="2026-03-02", timezone="Europe/Berlin", title="Own zone")
    training.db.users.update_one({"user_id": "u2"}, {"$set": {"timezone": "Asia/Tokyo"}})

    training.run("2026-03-01T05:00:00Z")
    training.run("2026-03-01T06:00:00Z")

    assert training.starts(title="Own zone") == ["03-01T17:00Z", "03-02T17:00Z"]
    assert training.starts(title="Evening games") == ["03-01T09:00Z", "03-02T09:00Z"]
    (moved,) = training.db.training_routines.find({"title": "Evening games"})
    assert (moved["timezone"], moved["revision"]) == ("Asia/Tokyo", 2)
    assert moved["rrule"] == "FREQ=DAILY;UNTIL=20260302T145959Z"


def test_users_without_a_valid_zone_have_the_default_one(training: SessionsScenario) -> None:
    zones: list[Any] = ["Mars/Phobos", "", None, 7, ["UTC"], "../etc/passwd"]
    for number, zone in enumerate(zones):
        training.add_user(f"no{number}", zone)
        training.add(f"no{number}", until="2026-03-02")

    record = training.run("2026-03-01T05:00:00Z")

    assert training.starts() == ["03-01T18:00Z", "03-02T18:00Z"] * len(zones)
    assert record["notes"]["invalid_timezones"] == 4


INVALID: dict[str, list[Any]] = {
    "user_id": [None, 7, ""],
    "title": [None, 7],
    "kind": [None, "sleep"],
    "count": [0, -1, "2", float("nan"), 2**62],
    "duration_min": [0, "45", 2**40],
    "rrule": [
        None,
        "",
        "FREQ=NEVER",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    ],
    "exdates": [None, "2026-03-02", ["soon"], [7]],
    "dtstart": [None, "", "now", "0001-01-01T00:00:00", "9999-12-31T18:00:00", 7],
    "timezone_source": ["moon"],
    "from_date": [None, "today"],
    "revision": [None, 0, "1"],
    "created_at": [None, "yesterday"],
}


def test_invalid_routines_are_named_and_left_and_the_others_are_served(
    training: SessionsScenario,
) -> None:
    training.add()
    (good,) = training.db.training_routines.find({})
    training.db.training_sessions.delete_many({})
    bad = [
        {**good, "_id": f"bad-{name}-{number}", name: value}
        for name, values in INVALID.items()
        for number, value in enumerate(values)
    ]
    bad += [
        {**good, "_id": 7},
        {"_id": "empty"},
        {**good, "_id": "zone", "timezone": "Mars/Phobos"},
    ]
    training.db.training_routines.insert_many(bad)
    before = list(training.db.training_routines.find({}))

    record = training.run("2026-03-01T05:00:00Z", code=1)

    assert record["done"] == 2
    assert record["failed"] == len(bad) - 1
    assert record["notes"] == {"added": 28, "invalid_timezones": 1}
    assert len(record["errors"]) == 20
    assert all(error["routine"] and error["error"] for error in record["errors"])
    assert {s["routine_id"] for s in training.sessions()} == {good["_id"], "zone"}
    assert repr(list(training.db.training_routines.find({}))) == repr(before)
    assert training.cli_json("routines", "list")[0]["routine_id"] == good["_id"]
    assert "invalid" in training.cli("routines", "show", "bad-rrule-2", code=2).stderr
    training.cli("routines", "remove", "bad-rrule-2", "--yes")


def test_processes_at_the_same_time_leave_what_the_last_revision_says(
    training: SessionsScenario,
) -> None:
    routine = training.add()["routine_id"]
    errors: list[BaseException] = []

    def work(*steps: tuple[str, ...]) -> None:
        try:
            for step in steps:
                training.process(*step)
        except BaseException as error:  # noqa: BLE001  # raised below
            errors.append(error)

    job = ("chesscoach.jobs.training_sessions", "--now", "2026-03-01T00:00:00Z")
    edit = ("chesscoach.cli", "routines", "edit", routine)
    threads = [
        threading.Thread(target=work, args=steps)
        for steps in (
            ((*edit, "--at", "07:00"),), ((*edit, "--minutes", "30"),),
            ((*edit, "--title", "Mornings"),), (job, job),
        )
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not errors
    (stored,) = training.db.training_routines.find({})
    assert (stored["revision"], stored["duration_min"], stored["title"]) == (4, 30, "Mornings")
    training.run("2026-03-01T00:00:00Z")
    assert {start[11:] for start in training.starts_and_revisions()} == {"07:00 4"}
    assert set(training.days()) > {f"03-{day:02}" for day in range(1, 15)}
