"""Routines, sessions, snapshots and recommendations over the API."""

import asyncio
from typing import Any

import pytest

from chesscoach.context import Context
from tests.support.web.api_client import ApiClient, quoted

ROUTINE = {
    "user_id": "ann",
    "title": "Puzzles",
    "kind": "puzzles",
    "recurrence": "weekly",
    "on": ["mo", "th"],
    "from": "2026-01-05",
    "at": "18:30",
    "minutes": 20,
    "timezone": "Europe/Berlin",
}


@pytest.fixture
async def routine(ctx: Context, api: ApiClient) -> dict[str, Any]:
    await ctx.mongo.database["users"].insert_one({"user_id": "ann", "name": "Ann"})
    added = await api("POST", "/routines", json=ROUTINE)
    assert added.status == 201, added
    body: dict[str, Any] = added.body
    return body


async def test_a_routine_is_added_edited_listed_and_deleted(
    ctx: Context, api: ApiClient, routine: dict[str, Any]
) -> None:
    assert (routine["on"], routine["at"], routine["rrule"]) == (
        ["mo", "th"],
        "18:30",
        "FREQ=WEEKLY;BYDAY=MO,TH",
    )
    path = f"/routines/{routine['id']}"
    assert (await api("PATCH", path, json={"at": "19:00"})).status == 428
    edited = (await api("PATCH", path, json={"at": "19:00", "timezone": None}, revision=1)).body
    assert (edited["at"], edited["revision"], edited["timezone"]) == ("19:00", 2, "UTC")
    stale = await api("PATCH", path, json={"at": "20:00"}, revision=1)
    assert (stale.status, stale.body["current"]) == (412, 2)
    await ctx.mongo.database["training_routines"].insert_one({"_id": "odd", "user_id": "ann"})
    listed = (await api("GET", "/routines?user_id=ann")).body
    assert [(r["id"], r["revision"]) for r in listed["routines"]] == [(routine["id"], 2)]
    assert (await api("GET", "/routines?limit=1&cursor=zzz")).body["routines"] == []
    assert (await api("DELETE", path)).status == 428
    stale = await api("DELETE", path, revision=1)
    assert (stale.status, stale.body["current"]) == (412, 2)
    assert (await api("DELETE", path, revision=2)).status == 204
    assert (await api("GET", path)).status == 404
    assert (await api("GET", "/routines/odd")).status == 422
    assert (await api("DELETE", "/routines/odd")).status == 204
    done = [entry["command"] async for entry in ctx.mongo.database["admin_log"].find()]
    assert done == ["routines add", "routines edit", "routines remove", "routines remove"]


async def test_the_second_edit_of_a_routines_revision_is_refused(
    api: ApiClient, routine: dict[str, Any]
) -> None:
    path = f"/routines/{routine['id']}"
    edits = [api("PATCH", path, json={"minutes": n}, revision=1) for n in range(21, 25)]
    replies = await asyncio.gather(*edits)
    assert sorted(reply.status for reply in replies) == [200, 412, 412, 412]
    (saved,) = (reply.body for reply in replies if reply.status == 200)
    assert (await api("GET", path)).body["minutes"] == saved["minutes"]


async def test_fields_that_a_new_routine_lacks_are_named(
    api: ApiClient, routine: dict[str, Any]
) -> None:
    refused = await api("POST", "/routines", json={"user_id": "ann", "title": "Puzzles"})
    lacking = [error["field"] for error in refused.body["errors"]]
    assert (refused.status, lacking) == (422, ["kind", "from", "at", "minutes", "recurrence"])


UNUSABLE: list[tuple[dict[str, Any], str]] = [
    ({"on": ["xx"]}, "on[0]"),
    ({"from": "0001-01-01"}, "from"),
    ({"at": "25:00"}, "at"),
    ({"title": "\u202e"}, "title"),
    ({"timezone": "Mars/Olympus"}, "timezone"),
    ({"recurrence": "monthly"}, "on"),
    ({"until": "2025-01-01"}, "until"),
    ({"rrule": "FREQ=DAILY"}, "rrule"),
    ({"minutes": 0}, "minutes"),
    ({"frog": 0}, "frog"),
]


async def test_an_option_that_cannot_be_used_is_named(ctx: Context, api: ApiClient) -> None:
    await ctx.mongo.database["users"].insert_one({"user_id": "ann"})
    for fields, field in UNUSABLE:
        refused = await api("POST", "/routines", json={**ROUTINE, **fields})
        assert (refused.status, refused.body["errors"][0]["field"]) == (422, field), fields
        unknown_player = await api("POST", "/routines", json={**ROUTINE, "user_id": "nobody"})
        assert unknown_player.status == 404


async def test_a_session_is_completed_and_another_cancelled(
    api: ApiClient, routine: dict[str, Any]
) -> None:
    assert (await api("GET", "/sessions")).status == 422
    listed = (await api("GET", f"/sessions?routine_id={routine['id']}")).body["sessions"]
    first, second = (quoted(session["id"]) for session in listed[:2])
    for call in ("complete", "cancel"):
        stale = await api("POST", f"/sessions/{first}/{call}", revision=9)
        assert (stale.status, stale.body["current"]) == (412, 1), call
    completed = (await api("POST", f"/sessions/{first}/complete", json={"minutes": 7})).body
    assert (completed["status"], completed["actual_min"]) == ("completed", 7)
    assert (await api("POST", f"/sessions/{first}/cancel")).status == 409
    assert (await api("POST", f"/sessions/{second}/cancel")).body["status"] == "cancelled"
    assert (await api("POST", f"/sessions/{second}/complete")).status == 409
    assert (await api("GET", f"/sessions/{second}")).body["status"] == "cancelled"
    only = (await api("GET", "/sessions?user_id=ann&status=completed")).body["sessions"]
    assert [session["id"] for session in only] == [completed["id"]]
    for call in ("complete", "cancel"):
        assert (await api("POST", f"/sessions/nothing/{call}")).status == 404


async def test_a_player_has_snapshots_and_recommendations(
    ctx: Context, api: ApiClient, routine: dict[str, Any]
) -> None:
    for what in ("snapshots", "recommendations"):
        assert (await api("GET", f"/players/ann/{what}")).body == {"user_id": "ann", what: []}
        assert (await api("GET", f"/players/nobody/{what}")).status == 404
    advice = {"recommendation_type": "REVIEW", "refresh_key": "2026-W40", "priority": 5}
    advice |= {"title": "<b>Review</b>", "message": "m", "metadata": {"n": 1}, "user_id": "ann"}
    await ctx.mongo.database["adaptive_recommendations"].insert_many(
        [{"_id": "a", **advice, "is_active": True}, {"_id": "b", **advice, "is_active": False}]
    )
    found = (await api("GET", "/players/ann/recommendations")).body["recommendations"]
    assert [(item["id"], item["title"]) for item in found] == [("a", "<b>Review</b>")]
    found = (await api("GET", "/players/ann/recommendations?all=true")).body["recommendations"]
    assert len(found) == 2
