"""How evidence is read: what cannot be dated is named, and what is older is not looked at."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from tests.support.momentum.scenario import MomentumScenario
from tests.support.mongo.profiling import profile

ODD_INSTANTS: tuple[Any, ...] = (7, 1.5, {}, [], True, ObjectId(), "", "yesterday", None)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVIDENCE = {
    "games": "imported_at",
    "game_analyses": "created_at",
    "puzzle_attempts": "attempted_at",
    "reflection_results": "created_at",
}


async def test_evidence_without_a_readable_instant_is_counted_and_left(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1")
    for name, field in EVIDENCE.items():
        momentum.db[name].insert_many({"user_id": "u1", field: odd} for odd in ODD_INSTANTS)
    stored = {name: list(momentum.db[name].find()) for name in EVIDENCE}

    result = await momentum.check("2026-03-02T13:05:00Z")

    notes = result.record["notes"]
    assert {name: notes[f"unreadable_{name}"] for name in EVIDENCE} == dict.fromkeys(
        EVIDENCE, len(ODD_INSTANTS)
    )
    assert momentum.events("u1") == []
    assert {name: list(momentum.db[name].find()) for name in EVIDENCE} == stored


async def test_evidence_of_the_first_instant_is_booked_in_whatever_form(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-02T12:05:00Z")
    forms = ("12:05Z", "12:05", "12:05+00:00", "12:05:00", "12:05:00.000+00:00", "13:05+01:00")
    for form in forms:
        momentum.add_player(form)
        momentum.application.reflect(form, NOON, created_at=f"2026-03-02T{form}")

    await momentum.check("2026-03-02T12:05:30Z")

    assert [len(momentum.events(form)) for form in forms] == [1] * len(forms)


async def test_a_check_reads_no_evidence_of_earlier_days(momentum: MomentumScenario) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1")
    for name, field in EVIDENCE.items():
        momentum.db[name].insert_many(
            {"user_id": "u1", field: at if field == "created_at" else at.isoformat()}
            for at in (NOON - timedelta(days=2, minutes=n) for n in range(300))
        )
    momentum.application.reflect("u1", NOON)
    await momentum.check("2026-03-02T13:05:00Z")  # makes what a first booking makes

    with profile(momentum.db) as notes:
        await momentum.check("2026-03-02T14:05:00Z")

    reads = [note for note in notes if note["ns"].partition(".")[2] in EVIDENCE]
    assert reads
    assert max(read["docsExamined"] for read in reads) < 10


async def test_an_array_is_neither_the_date_nor_the_status_of_a_session(
    momentum: MomentumScenario,
) -> None:
    await momentum.begin("2026-03-01T00:00:00Z")
    momentum.add_player("u1")
    session = {"user_id": "u1", "local_date": "2026-03-04", "status": "completed"}
    odd: dict[str, Any]
    for odd in ({}, {"local_date": ["2026-03-04"], "status": "missed"}, {"user_id": ["u1"]}):
        momentum.db.training_sessions.insert_one(session | odd)
    momentum.add_player("u2")
    momentum.db.training_sessions.insert_one(session | {"user_id": "u2", "status": ["completed"]})

    await momentum.check("2026-03-09T06:05:00Z")

    for user_id, is_done in (("u1", True), ("u2", False)):
        period = momentum.period("2026-W10", user_id)
        assert period is not None
        assert (period["planned"], period["done"]) == (1, int(is_done))
        assert len(momentum.events(user_id, "session_completed")) == int(is_done)


async def test_sessions_are_booked_across_pages(momentum: MomentumScenario) -> None:
    momentum.change_settings(batch=10)
    await momentum.begin("2026-03-01T00:00:00Z")
    sessions = {"u0": 4, "u1": 5, "u2": 3, "u3": 12, "u4": 1}  # the first page ends within u2
    for user_id, count in sessions.items():
        momentum.add_player(user_id)
        momentum.db.training_sessions.insert_many(
            {"user_id": user_id, "local_date": "2026-03-02", "status": "completed"}
            for _ in range(count)
        )
    odd = {"local_date": ["2026-03-02"], "status": "completed"}
    momentum.db.training_sessions.insert_many({"user_id": "u0", **odd} for _ in range(10))

    await momentum.check("2026-03-02T13:05:00Z")

    booked = {user_id: len(momentum.events(user_id, "session_completed")) for user_id in sessions}
    assert booked == sessions
