"""The worked examples of momentum.md, section 8, each through the real commands."""

from tests.support.training.sessions_scenario import SessionsScenario


def test_35_a_daily_routine_on_weekdays_has_ten_sessions_in_fourteen_days(
    training: SessionsScenario,
) -> None:
    training.add(on="mon,tue,wed,thu,fri")

    assert training.days() == [f"03-{day:02}" for day in (2, 3, 4, 5, 6, 9, 10, 11, 12, 13)]


def test_36_a_fortnightly_routine_skips_every_second_week(training: SessionsScenario) -> None:
    training.add(recurrence="fortnightly", **{"from": "2026-03-04"})
    assert training.days() == ["03-04"]

    training.run("2026-03-05T05:00:00Z")
    assert training.days() == ["03-04", "03-18"]


def test_37_a_monthly_routine_of_the_31st_is_on_the_last_day_of_shorter_months(
    training: SessionsScenario,
) -> None:
    training.at("2026-01-31")
    training.add(recurrence="monthly", **{"from": "2026-01-31"})
    for now in ("2026-02-20", "2026-03-25", "2026-04-25"):
        training.run(now)

    assert training.days() == ["01-31", "02-28", "03-31", "04-30"]


def test_38_local_times_are_kept_when_sydney_sets_its_clocks_back(
    training: SessionsScenario,
) -> None:
    training.at("2026-03-24")
    sydney = {"from": "2026-03-24", "timezone": "Australia/Sydney"}
    training.add(recurrence="weekly", on="tue,sun", **sydney)

    assert training.starts() == ["03-24T07:00Z", "03-29T07:00Z", "03-31T07:00Z", "04-05T08:00Z"]


def test_39_a_skipped_time_moves_forward_and_a_repeated_one_is_the_second(
    training: SessionsScenario,
) -> None:
    for at, now, starts in (
        ("02:30", "2026-03-08T06:00", ["03-08T07:30Z", "03-09T06:30Z"]),
        ("01:30", "2026-11-01T05:00", ["11-01T06:30Z", "11-02T06:30Z"]),
    ):
        training.at(now)
        routine = training.add(at=at, timezone="America/New_York")

        assert training.starts(routine_id=routine["routine_id"])[:2] == starts


def test_40_a_cancelled_session_does_not_come_back(training: SessionsScenario) -> None:
    routine = training.add(on="mon,tue,wed,thu,fri")
    training.cli("sessions", "cancel", f"{routine['routine_id']}|2026-03-02")
    before = training.sessions()

    training.run("2026-03-01T05:00:00Z")

    assert training.sessions() == before
    assert training.statuses()["03-02"] == "cancelled"


def test_40_a_routine_ends_and_skips_days(training: SessionsScenario) -> None:
    training.add("u1", "--skip", "2026-03-02", until="2026-03-03")

    assert training.days() == ["03-01", "03-03"]


def test_40_the_session_of_a_single_day_is_made_at_once_and_not_again(
    training: SessionsScenario,
) -> None:
    training.add(recurrence="once", **{"from": "2026-05-09"})
    assert training.days() == ["05-09"]

    record = training.run("2026-05-01T05:00:00Z")
    assert training.days() == ["05-09"]
    assert "added" not in record


def test_15_a_game_of_sunday_counts_if_it_is_imported_before_the_week_closes(
    training: SessionsScenario,
) -> None:
    training.add_user("u2")
    for user_id, imported_at in (("u1", "05:30:00"), ("u2", "06:30:00")):
        training.add(user_id, kind="play", until="2026-03-08", **{"from": "2026-03-08"})
        training.db.games.insert_one(
            {
                "game_id": user_id,
                "user_id": user_id,
                "imported_at": f"2026-03-09T{imported_at}+00:00",
                "pgn": '[UTCDate "2026.03.08"]\n[UTCTime "20:00:00"]\n\n1. e4 *',
            }
        )
    before = training.sessions()
    for now in ("2026-03-09T06:02:00Z", "2026-03-20T05:00:00Z"):
        training.db.training_sessions.delete_many({})
        training.db.training_sessions.insert_many(before)
        training.run(now, "--completion")

        assert training.statuses(user_id="u1") == {"03-08": "completed"}
        assert training.statuses(user_id="u2") == {"03-08": "missed"}
