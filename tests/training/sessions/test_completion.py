"""What becomes of sessions: evidence of each kind, misses, and what is done by commands."""

from datetime import UTC, datetime
from typing import Any

from tests.support.mongo.profiling import profile
from tests.support.odd_documents import ODD_VALUES, any_date, insert_errors, with_value
from tests.support.training.sessions_scenario import SessionsScenario

DAY = "2026-03-02"
NOON = f"{DAY}T12:00:00+00:00"
MOVES = [{"move_number": n, "evaluation": "good"} for n in (1, 2, 3)]
ANALYSIS = {"stockfish_failed": False, "stockfish_analysis": {
    "accuracy": 71.5, "move_evaluations": MOVES}}  # fmt: skip
EVIDENCE: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "play": ("games", [
        {"game_id": "a", "imported_at": "2026-03-03T09:00:00+00:00",
         "pgn": '[Utcdate "2026.03.02"]\n[Utctime "23:10:00"]\n\n1. e4 *'},
        {"game_id": "b", "imported_at": NOON},
    ]),
    "puzzles": ("puzzle_attempts", [
        {"puzzle_index": 1, "attempted_at": NOON, "time_taken_seconds": 9},
        {"puzzle_index": 1, "created_at": NOON, "success": False},
    ]),
    "analysis": ("game_analyses", [
        {"game_id": "a", "created_at": datetime.fromisoformat(NOON), **ANALYSIS},
        {"game_id": "b", "created_at": "2026-03-02T14:00:00+02:00", **ANALYSIS},
    ]),
    "reflection": ("reflection_results", [
        {"game_id": "a", "created_at": NOON}, {"game_id": "a", "created_at": NOON},
    ]),
}  # fmt: skip
NOT_COUNTED: dict[str, list[dict[str, Any]]] = {
    "play": [
        {"game_id": "c", "imported_at": NOON, "platform": "coach"},
        {"game_id": "d", "imported_at": NOON, "ended_at": "2026-03-01T23:59:59+00:00"},
    ],
    "puzzles": [{"attempted_at": "2026-03-03T00:00:00+00:00"}, {"created_at": "soon"}],
    "analysis": [
        {"game_id": "b", "created_at": NOON, **ANALYSIS},
        {"game_id": "c", "created_at": NOON, **ANALYSIS, "stockfish_failed": True},
        {"game_id": "d", "created_at": NOON, "stockfish_analysis": {
            "accuracy": 0, "move_evaluations": MOVES}},
        {"game_id": "e", "created_at": NOON, "stockfish_analysis": {
            "accuracy": 50, "move_evaluations": MOVES[:2]}},
        {"game_id": "g", "created_at": NOON, "stockfish_analysis": {
            "accuracy": 50, "move_evaluations": [
                *MOVES[:2], {**MOVES[2], "is_opponent_move": True}]}},
        {"game_id": "f", "created_at": NOON, "stockfish_analysis": [1]},
    ],
    "reflection": [{"created_at": "2026-03-01T23:59:59.999+00:00"}, {"created_at": 7}],
}  # fmt: skip


def test_a_session_is_completed_by_as_much_evidence_as_it_asks_for(
    training: SessionsScenario,
) -> None:
    for kind, (collection, documents) in EVIDENCE.items():
        training.add(kind=kind, count="2", until=DAY, **{"from": DAY})
        other = documents[-1] | ({"game_id": "x"} if kind == "play" else {})
        others = [other | {"user_id": "u2"}, other | {"user_id": ["u1"], "game_id": "y"}]
        training.db[collection].insert_many(
            [documents[-1] | {"user_id": "u1"}, *others]
            + [document | {"user_id": "u1"} for document in NOT_COUNTED[kind]]
        )
    training.run("2026-03-03T05:59:59Z", "--completion")
    assert len(training.sessions(status="scheduled")) == len(EVIDENCE)
    training.run("2026-03-03T06:00:00Z", "--completion")
    assert len(training.sessions(status="missed")) == len(EVIDENCE)

    for collection, documents in EVIDENCE.values():
        training.db[collection].insert_one(documents[0] | {"user_id": "u1"})
    record = training.run("2026-03-03T10:00:00Z", "--completion")

    sessions = training.sessions(status="completed")
    assert {session["kind"] for session in sessions} == set(EVIDENCE)
    assert record["notes"] == {"completed": len(EVIDENCE)}
    assert {session["completed_at"].date().isoformat() for session in sessions} == {DAY}
    assert {session["actual_min"] for session in sessions} == {None}
    training.run("2026-03-20T05:00:00Z")
    assert training.sessions() == sessions


def test_one_item_is_enough_unless_a_routine_asks_for_more(training: SessionsScenario) -> None:
    training.add(kind="play", until=DAY, **{"from": DAY})
    training.db.games.insert_one({"user_id": "u1", "game_id": "a", "imported_at": NOON})

    training.run("2026-03-02T12:00:01Z", "--completion")

    assert training.sessions()[0]["completed_at"] == datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_a_session_is_missed_at_six_of_the_next_local_day(training: SessionsScenario) -> None:
    # In New York it is a day of 23 hours.
    for zone in ("America/New_York", "Pacific/Auckland"):
        training.add(timezone=zone, until="2026-03-08", **{"from": "2026-03-08"})
    missed = []
    for now in ("08T16:59:59Z", "08T17:00:00Z", "09T09:59:59Z", "09T10:00:00Z"):
        training.run(f"2026-03-{now}")
        missed.append([session["timezone"] for session in training.sessions(status="missed")])

    assert missed[:3] == [[], ["Pacific/Auckland"], ["Pacific/Auckland"]]
    assert set(missed[3]) == {"America/New_York", "Pacific/Auckland"}


def test_a_session_is_completed_by_a_command_while_its_week_is_open(
    training: SessionsScenario,
) -> None:
    routine = training.add(until="2026-03-03")["routine_id"]
    first, second, third = (f"{routine}|2026-03-0{day}" for day in (1, 2, 3))

    def listed(*flags: str) -> list[str]:
        return [s["session_id"] for s in training.cli_json("sessions", "list", *flags)]

    assert listed() == [first, second, third]
    assert listed("--limit", "2") == [first, second]
    training.run("2026-03-05T05:00:00Z")
    training.at("2026-03-05T05:00")
    assert "week closed" in training.cli("sessions", "complete", first, code=2).stderr

    session = training.cli_json("sessions", "complete", second, "--minutes", "20")
    assert (session["status"], session["actual_min"]) == ("completed", 20)
    assert session["completed_at"] == "2026-03-05T05:00:00Z"
    assert training.cli_json("sessions", "complete", second, "--minutes", "90") == session
    assert training.cli_json("sessions", "complete", third)["actual_min"] == 45

    for command, session_id in (("cancel", second), ("cancel", first), ("complete", "none")):
        training.cli("sessions", command, session_id, code=2)
    assert training.statuses() == {"03-01": "missed", "03-02": "completed", "03-03": "completed"}
    assert listed("--user", "u1", "--status", "completed") == [second, third]
    assert listed("--limit", "2") == [second, third]


def test_a_cancelled_session_is_neither_completed_nor_missed(training: SessionsScenario) -> None:
    routine = training.add(kind="play", until=DAY, **{"from": DAY})["routine_id"]
    training.db.games.insert_one({"user_id": "u1", "game_id": "a", "imported_at": NOON})
    training.cli("sessions", "cancel", f"{routine}|{DAY}")
    training.cli("sessions", "complete", f"{routine}|{DAY}", code=2)

    training.run("2026-03-20T05:00:00Z")

    assert training.statuses() == {"03-02": "cancelled"}


def test_a_session_without_fields_of_ours_is_missed_in_its_users_zone(
    training: SessionsScenario,
) -> None:
    training.add_user("u2", "Pacific/Honolulu")
    training.db.training_sessions.insert_one(
        {
            "_id": "r|2026-03-02", "user_id": "u2", "local_date": DAY, "duration_min": 30,
            "starts_at": datetime(2026, 3, 2, 20, tzinfo=UTC), "status": "scheduled", "revision": 1,
        }
    )  # fmt: skip
    training.run("2026-03-03T15:59:59Z")
    assert training.statuses() == {"03-02": "scheduled"}
    training.run("2026-03-03T16:00:00Z")
    assert training.statuses() == {"03-02": "missed"}


def test_odd_sessions_are_named_and_left_and_the_others_are_judged(
    training: SessionsScenario,
) -> None:
    training.add(kind="puzzles", until=DAY, **{"from": DAY})
    (good,) = training.sessions()
    fields = ("user_id", "starts_at", "duration_min", "timezone", "kind", "count", "revision")
    odd = [
        {**with_value(good, name, value), "_id": f"odd|{name}|{number}"}
        for name in (*fields, "local_date", "status")
        for number, value in enumerate(ODD_VALUES)
    ]
    any_date(training.db.training_sessions).insert_many(odd)

    record = training.run("2026-03-20T05:00:00Z", code=1)

    assert training.db.training_sessions.find_one({"_id": good["_id"]})["status"] == "missed"
    assert record["failed"] > 100
    assert {"session", "error"} <= set(record["errors"][0])
    kept = any_date(training.db.training_sessions).count_documents({})
    assert kept == len(odd) + 1


def test_documents_with_odd_ids_are_looked_for_in_indexes_alone(
    training: SessionsScenario,
) -> None:
    training.add()
    training.run("2026-03-01T08:00:00Z")

    with profile(training.db) as notes:
        training.run("2026-03-01T09:00:00Z")

    searches = [note for note in notes if list(note["command"].get("filter", ())) == ["$or"]]
    assert [note["ns"].partition(".")[2] for note in searches] == [
        "training_sessions",
        "training_routines",
    ]
    assert [note["docsExamined"] for note in searches] == [0, 0]


def test_odd_documents_of_the_application_affect_nothing_else(
    training: SessionsScenario,
) -> None:
    for kind, (collection, documents) in EVIDENCE.items():
        training.add(kind=kind, count="2", until=DAY, **{"from": DAY})
        for document in documents:
            training.db[collection].insert_one(document | {"user_id": "u1"})
            odd = [
                with_value(document | {"user_id": "u1"}, name, value)
                for name in (*document, "user_id", "stockfish_analysis.accuracy")
                for value in ODD_VALUES
                if name in document or "." not in name or "stockfish_analysis" in document
            ]
            for copy in odd:
                copy.pop("_id", None)
            assert insert_errors(training.db[collection], odd) <= {11000}

    training.run("2026-03-03T10:00:00Z", "--completion")

    assert training.statuses() == {"03-02": "completed"}
    assert training.db.training_sessions.count_documents({"status": "completed"}) == len(EVIDENCE)
