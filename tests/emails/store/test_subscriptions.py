import asyncio
from typing import Any

import pytest

from chesscoach.context import Context

OFF_ALONE = {"weekly_summary": False}
OFF = {"game_analyzed": True, "weakness_alert": True, "weekly_summary": False}
MISSING = object()


def insert_user(setting: object) -> dict[str, Any]:
    user: dict[str, Any] = {"user_id": "ann", "name": "Ann"}
    return user if setting is MISSING else user | {"email_notifications": setting}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            {"game_analyzed": False, "weekly_summary": True, "weakness_alert": True},
            {"game_analyzed": False, "weekly_summary": False, "weakness_alert": True},
        ),
        (
            {"game_analyzed": True, "theirs": "x"},
            {"game_analyzed": True, "theirs": "x"} | OFF_ALONE,
        ),
        ({"weekly_summary": "yes"}, OFF_ALONE),
        ({}, OFF_ALONE),
        (True, OFF),
        (MISSING, OFF),
        (None, OFF),
        ("yes", OFF_ALONE),
        (1, OFF_ALONE),
        ([True], OFF_ALONE),
    ],
)
async def test_a_kind_is_turned_off_and_the_others_stay_as_they_were_meant(
    ctx: Context, db: Any, before: object, after: object
) -> None:
    db.users.insert_many([insert_user(before), {"user_id": "bob", "email_notifications": True}])
    subscriptions = ctx.emails.subscriptions

    assert await subscriptions.unsubscribe("ann", "weekly_summary") is True
    assert await subscriptions.unsubscribe("ann", "weekly_summary") is False

    user = db.users.find_one({"user_id": "ann"}, {"_id": 0})
    assert user == {"user_id": "ann", "name": "Ann", "email_notifications": after}
    assert await subscriptions.subscribed(["ann", "bob"], "weekly_summary") == {"bob"}


@pytest.mark.parametrize("off", [False, {"weekly_summary": False, "game_analyzed": True}])
async def test_what_is_off_already_is_left_as_it_is(ctx: Context, db: Any, off: object) -> None:
    db.users.insert_one(insert_user(off))

    assert await ctx.emails.subscriptions.unsubscribe("ann", "weekly_summary") is False
    assert db.users.find_one({}, {"_id": 0}) == insert_user(off)


async def test_a_user_who_is_gone_is_not_made(ctx: Context, db: Any) -> None:
    assert await ctx.emails.subscriptions.unsubscribe("ann", "weekly_summary") is None
    assert db.users.count_documents({}) == 0


async def test_a_setting_that_the_application_changes_meanwhile_is_not_lost(
    ctx: Context, db: Any
) -> None:
    everything = {"game_analyzed": True, "weekly_summary": True, "weakness_alert": True}
    for _ in range(20):
        db.users.replace_one({"user_id": "ann"}, insert_user(everything), upsert=True)
        await asyncio.gather(
            ctx.emails.subscriptions.unsubscribe("ann", "weekly_summary"),
            ctx.mongo.database.users.update_one(
                {"user_id": "ann"}, {"$set": {"email_notifications.game_analyzed": False}}
            ),
        )
        assert db.users.find_one()["email_notifications"] == {
            "game_analyzed": False,
            "weekly_summary": False,
            "weakness_alert": True,
        }


async def test_only_what_is_exactly_true_is_wanted(ctx: Context, db: Any) -> None:
    settings: dict[str, object] = {
        "bare": True,
        "dict": {"weekly_summary": True},
        "off": False,
        "dict_off": {"weekly_summary": False, "game_analyzed": True},
        "other": {"game_analyzed": True},
        "missing": MISSING,
        "null": None,
        "text": "true",
        "one": 1,
        "dict_text": {"weekly_summary": "true"},
        "dict_one": {"weekly_summary": 1},
        "list": [True],
        "lists": [{"weekly_summary": True}],
        "dict_list": {"weekly_summary": [True]},
        "not_asked": True,
    }
    db.users.insert_many(insert_user(value) | {"user_id": name} for name, value in settings.items())
    asked = [*settings, "gone"]
    asked.remove("not_asked")

    assert await ctx.emails.subscriptions.subscribed(asked, "weekly_summary") == {"bare", "dict"}
    assert await ctx.emails.subscriptions.subscribed([], "weekly_summary") == set()
