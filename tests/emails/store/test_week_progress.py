"""A player's profile, points, streak and level in a week."""

from datetime import UTC, datetime
from typing import Any

from bson.datetime_ms import DatetimeMS

from chesscoach.emails.store.player_weeks import PlayerWeeks
from chesscoach.mongo.client import Document
from tests.emails.store.conftest import TUESDAY, UTC_ZONE, WEEK

NOT_TIMES: tuple[object, ...] = (
    "2026-02-30", "yesterday", "", 5, None, [TUESDAY], {}, DatetimeMS(10**17),
)  # fmt: skip


async def test_the_first_weakness_and_strength_of_the_profile_are_read(
    store: PlayerWeeks, db: Any
) -> None:
    forms: list[tuple[Document, str | None, str | None]] = [
        ({"top_weaknesses": [{"subcategory": "forks"}], "strengths": ["calm"]}, "forks", "calm"),
        ({"top_weaknesses": ["pins", "forks"], "strengths": []}, "pins", None),
        ({"top_weaknesses": {"0": "forks"}, "strengths": "endings"}, None, None),
        ({"top_weaknesses": [{"category": "x"}], "strengths": [7]}, None, None),
        ({"top_weaknesses": [None, "forks"], "strengths": [" "]}, None, None),
        ({}, None, None),
    ]
    names = [f"p{number}" for number in range(len(forms))]
    db.player_profiles.insert_many(
        {"user_id": name, **form} for name, (form, *_) in zip(names, forms, strict=True)
    )
    read = await store.read(names, WEEK, UTC_ZONE)
    assert [(read[name].weakness, read[name].strength) for name in names] == [
        (weakness, strength) for _, weakness, strength in forms
    ]


async def test_points_are_those_of_that_week_only(store: PlayerWeeks, db: Any) -> None:
    later: Document = {"weekly_key": "2026-W48", "weekly_xp": 5}
    forms: dict[str, tuple[Document, int | None]] = {
        "ann": ({"weekly_key": "2026-W47", "weekly_xp": 120}, 120),
        "bob": (later | {"weekly_prev_key": "2026-W47", "weekly_prev_xp": 0}, 0),
        "cid": (later | {"weekly_prev_key": "2026-W46", "weekly_prev_xp": 7}, 0),
        "dan": ({"weekly_key": "2026-W47", "weekly_xp": "120"}, None),
        "eve": ({"weekly_xp": 120}, None),
    }
    db.user_progress.insert_many({"user_id": name, **form} for name, (form, _) in forms.items())
    read = await store.read(list(forms), WEEK, UTC_ZONE)
    assert {name: week.points for name, week in read.items()} == {
        name: points for name, (_, points) in forms.items()
    }


async def test_streaks_and_levels_are_whole_numbers_or_unknown(store: PlayerWeeks, db: Any) -> None:
    db.user_progress.insert_many(
        [
            {"user_id": "ann", "current_streak": 3, "longest_streak": 2**40, "level": 0},
            {"user_id": "bob", "current_streak": True, "longest_streak": "9", "level": -1},
            {"user_id": ["cid", "ann"], "current_streak": 9},
        ]
    )
    read = await store.read(["ann", "bob", "cid"], WEEK, UTC_ZONE)
    seen = {
        user_id: (player_week.streak, player_week.longest_streak, player_week.level)
        for user_id, player_week in read.items()
    }
    assert seen == {"ann": (3, 2**40, 0), "bob": (None, None, None), "cid": (None, None, None)}


async def test_the_last_activity_of_a_streak_is_read_in_every_form(
    store: PlayerWeeks, db: Any
) -> None:
    noon = datetime(2026, 11, 17, 12, tzinfo=UTC)
    forms: list[tuple[object, datetime | None]] = [
        (TUESDAY, TUESDAY),
        (TUESDAY.isoformat(), TUESDAY),
        (TUESDAY.replace(tzinfo=None).isoformat(), TUESDAY),
        ("2026-11-17", noon),
        (" 2026-11-17 ", noon),
        *((value, None) for value in NOT_TIMES),
    ]
    names = [f"p{number}" for number in range(len(forms))]
    db.user_progress.insert_many(
        {"user_id": name, "current_streak": 3, "last_activity_date": stored}
        for name, (stored, _) in zip(names, forms, strict=True)
    )
    read = await store.read(names, WEEK, UTC_ZONE)
    assert [read[name].last_activity for name in names] == [instant for _, instant in forms]
    assert {read[name].streak for name in names} == {3}
