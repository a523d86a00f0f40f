import asyncio
from typing import Any

import bson
import pytest
from bson.code import Code
from bson.raw_bson import RawBSONDocument

from chesscoach.context import Context
from chesscoach.emails.store.recipients import Recipients
from chesscoach.emails.store.subscriptions import SubscriptionCounts, Subscriptions

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
async def test_a_setting_that_is_off_already_stays_as_it_is(
    ctx: Context, db: Any, off: object
) -> None:
    db.users.insert_one(insert_user(off))

    assert await ctx.emails.subscriptions.unsubscribe("ann", "weekly_summary") is False
    assert db.users.find_one({}, {"_id": 0}) == insert_user(off)


async def test_unsubscribing_a_deleted_user_adds_no_document(ctx: Context, db: Any) -> None:
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


FORMS: dict[str, tuple[object, str]] = {
    "bare": (True, "yes"),
    "dict": ({"weekly_summary": True, "game_analyzed": False}, "yes"),
    "off": (False, "no"),
    "dict_off": ({"weekly_summary": False, "game_analyzed": True}, "no"),
    "text": ("true", "no"),
    "dict_text": ({"weekly_summary": "false"}, "no"),
    "one": (1, "no"),
    "list": ([True], "no"),
    "dict_list": ({"weekly_summary": [True]}, "no"),
    "empty_list": ([], "no"),
    "missing": (MISSING, "default"),
    "null": (None, "default"),
    "dict_null": ({"weekly_summary": None}, "default"),
    "other_kinds": ({"game_analyzed": True}, "default"),
    "empty": ({}, "default"),
}
"""The forms of a setting, and whether such a user gets the email."""


@pytest.mark.parametrize("default_opt_in", [False, True])
async def test_the_default_decides_about_a_missing_preference_and_no_other(
    ctx: Context, db: Any, default_opt_in: bool
) -> None:
    db.users.insert_many(
        insert_user(value) | {"user_id": name, "email": f"{name}@example.org"}
        for name, (value, _) in FORMS.items()
    )
    database = ctx.mongo.database
    subscriptions = Subscriptions(database, default_opt_in=default_opt_in)
    recipients = Recipients(database, default_opt_in=default_opt_in)
    answers = ("yes", "default") if default_opt_in else ("yes",)
    expected = {name for name, (_, answer) in FORMS.items() if answer in answers}

    assert await subscriptions.subscribed(list(FORMS), "weekly_summary") == expected
    assert set(await recipients.find_subscribed("weekly_summary", list(FORMS))) == expected
    pages = [page async for page in recipients.subscribers("weekly_summary")]
    assert {recipient.user_id for page in pages for recipient in page} == expected
    assert await subscriptions.count("weekly_summary") == SubscriptionCounts(
        subscribed=len(expected), without_preference=5
    )


@pytest.mark.parametrize(
    ("opt_out", "gets"),
    [
        (True, False),
        (1, False),
        ("true", False),
        ([True], False),
        (False, True),
        (None, True),
        (0, True),
        ("", True),
    ],
)
async def test_an_opt_out_of_all_email_overrides_every_preference(
    ctx: Context, db: Any, opt_out: object, gets: bool
) -> None:
    settings = {"bare": True, "dict": {"weekly_summary": True}, "missing": MISSING}
    db.users.insert_many(
        insert_user(value) | {"user_id": name, "email": f"{name}@x.org", "email_opt_out": opt_out}
        for name, value in settings.items()
    )
    subscriptions = Subscriptions(ctx.mongo.database, default_opt_in=True)

    subscribed = await subscriptions.subscribed(list(settings), "weekly_summary")

    assert subscribed == (set(settings) if gets else set())
    assert await subscriptions.count("weekly_summary") == SubscriptionCounts(
        subscribed=3 * gets, without_preference=int(gets)
    )


async def test_a_user_id_that_is_not_a_text_does_not_end_a_page(ctx: Context, db: Any) -> None:
    odd: list[object] = [["ann", "zoe"], 7, None, {"user_id": "ann"}, Code("zed"), b"zed"]
    db.users.insert_many({"user_id": user_id, "email_notifications": True} for user_id in odd)
    db.users.insert_one({"user_id": "bob", "email_notifications": True})

    pages = [page async for page in ctx.emails.recipients.subscribers("weekly_summary")]

    assert [recipient.user_id for page in pages for recipient in page] == ["bob"]


async def test_broken_characters_in_the_last_user_id_end_the_walk(ctx: Context, db: Any) -> None:
    raw = bson.encode({"user_id": "zo@@", "email_notifications": True})
    db.users.insert_one(RawBSONDocument(raw.replace(b"@@", b"\xff\xfe")))

    async with asyncio.timeout(30):
        pages = [page async for page in ctx.emails.recipients.subscribers("weekly_summary")]

    assert {recipient.user_id for page in pages for recipient in page} == {"zo\ufffd\ufffd"}
