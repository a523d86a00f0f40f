"""The commands of routines: their JSON, their help and what they refuse."""

import json

from tests.support.training.sessions_scenario import DEFAULTS, SessionsScenario


def test_the_json_of_a_routine_has_its_rule_and_the_options(training: SessionsScenario) -> None:
    routine = training.add(
        "u1", "--skip", "2026-03-12", "--skip", "2026-03-10", recurrence="fortnightly",
        on="Tue, thursday", until="2026-05-01", timezone="Europe/Berlin", kind="play", count="3",
    )  # fmt: skip

    shown = training.cli_json("routines", "show", routine["routine_id"])

    assert shown == {name: value for name, value in routine.items() if name != "sessions"}
    assert shown["rrule"] == "FREQ=WEEKLY;INTERVAL=2;WKST=MO;BYDAY=TU,TH;UNTIL=20260501T215959Z"
    assert shown["exdates"] == ["2026-03-10", "2026-03-12"]
    assert (shown["recurrence"], shown["on"], shown["count"]) == ("fortnightly", ["tu", "th"], 3)
    assert (shown["from"], shown["dtstart"]) == ("2026-03-01", "2026-03-10T18:00:00")
    assert (shown["revision"], shown["feed_url"]) == (1, None)
    assert training.cli_json("routines", "list", "--user", "u1") == [shown]
    assert training.cli_json("routines", "list", "--user", "u2") == []
    assert "Evening games" in training.cli("routines", "show", shown["routine_id"]).output


def test_a_routine_has_a_rule_of_its_own(training: SessionsScenario) -> None:
    rule = "FREQ=MONTHLY;BYDAY=1SU,2SU;COUNT=3"
    routine = training.add(recurrence=None, rrule=rule)
    assert (routine["rrule"], routine["recurrence"]) == (rule, None)
    assert training.days() == ["03-01", "03-08"]

    edit = ("routines", "edit", routine["routine_id"])
    assert training.cli_json(*edit, "--at", "19:00")["rrule"] == rule
    training.cli(*edit, "--on", "mon", code=2)
    training.cli(*edit, "--rrule", rule, "--until", "2026-04-01", code=2)
    weekly = training.cli_json(*edit, "--recurrence", "weekly")
    assert (weekly["rrule"], weekly["revision"]) == ("FREQ=WEEKLY;BYDAY=SU", 3)


def test_a_calendar_can_be_printed_and_has_an_address(training: SessionsScenario) -> None:
    training.environment |= {
        "CHESSCOACH_EMAILS__SIGNING_KEY": "secret-key-of-links",
        "CHESSCOACH_EMAILS__PUBLIC_URL": "https://mail.example.org",
    }
    routine = training.add()
    assert routine["feed_url"].startswith("https://mail.example.org/calendar/")
    assert routine["feed_url"].endswith(".ics")

    printed = training.cli("routines", "ics", routine["routine_id"]).output
    assert printed.startswith("BEGIN:VCALENDAR")
    as_json = training.cli_json("routines", "ics", routine["routine_id"])
    assert as_json["ics"].split() == printed.split()


BAD_INPUT: tuple[tuple[dict[str, str | None], str], ...] = (
    ({"title": " "}, "--title"), ({"title": "x" * 121}, "--title"),
    ({"title": "a\x1b[2J"}, "--title"),
    ({"title": None}, "--title"), ({"kind": "sleep"}, "--kind"), ({"count": "0"}, "--count"),
    ({"recurrence": "hourly"}, "--recurrence"), ({"recurrence": None}, "--rrule"),
    ({"on": "mo"}, "--on"), ({"on": ""}, "--on"),
    ({"recurrence": "monthly", "on": "mon"}, "--on"),
    ({"day-of-month": "3"}, "--day-of-month"),
    ({"recurrence": "monthly", "day-of-month": "32"}, "--day-of-month"),
    ({"from": "2026-02-30"}, "--from"), ({"from": "1999-01-01"}, "--from"),
    ({"from": "20260301"}, "--from"), ({"until": "2026-02-28"}, "--until"),
    ({"recurrence": "once", "until": "2026-03-05"}, "--until"), ({"at": "24:00"}, "--at"),
    ({"at": "9:00"}, "--at"), ({"minutes": "0"}, "--minutes"),
    ({"minutes": "1441"}, "--minutes"),
    ({"skip": "tomorrow"}, "--skip"), ({"recurrence": "once", "skip": "2026-03-01"}, "skipped"),
    ({"timezone": "Mars/Phobos"}, "--timezone"), ({"timezone": ""}, "--timezone"),
    ({"rrule": "FREQ=DAILY"}, "--rrule"),
    ({"recurrence": None, "rrule": "FREQ=HOURLY"}, "--rrule"),
    ({"recurrence": None, "rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "no day matches"),
    ({"recurrence": None, "rrule": "FREQ=DAILY;UNTIL=20260101"}, "no day matches"),
)  # fmt: skip


def test_bad_input_is_refused_with_its_option_and_changes_nothing(
    training: SessionsScenario,
) -> None:
    for options, named in BAD_INPUT:
        given = {**DEFAULTS, **options}
        args = [word for name, value in given.items() if value is not None
                for word in (f"--{name}", value)]  # fmt: skip

        result = training.cli("routines", "add", "u1", *args, code=2)

        assert named in result.stderr, options
        assert len(result.stderr.splitlines()) == 1, options
    assert training.db.training_routines.count_documents({}) == 0


def test_what_does_not_exist_is_named(training: SessionsScenario) -> None:
    args = [word for name, value in DEFAULTS.items() for word in (f"--{name}", value)]
    for command in (
        ("routines", "add", "nobody", *args),
        ("routines", "edit", "none", "--at", "07:00"),
        ("routines", "show", "none"),
        ("routines", "ics", "none"),
        ("routines", "remove", "none", "--yes"),
        ("sessions", "complete", "none|2026-03-01"),
        ("sessions", "cancel", "none|2026-03-01"),
    ):
        assert "does not exist" in training.cli(*command, code=2).stderr
    assert "nothing to change" in training.cli("routines", "edit", "none", code=2).stderr


def test_a_dry_run_reports_and_changes_nothing(training: SessionsScenario) -> None:
    training.add()
    training.db.training_sessions.delete_many({"local_date": {"$gt": "2026-03-10"}})
    before = training.sessions()

    record = training.run("2026-03-05T07:00:00Z", "--dry-run")

    assert record["notes"] == {"would_be_missed": 4, "would_be_added": 8}
    assert training.sessions() == before
    assert json.dumps(record)
