"""Schedules over the API: what can be done to them, and by whom at the same time."""

import asyncio
from typing import Any

from chesscoach.context import Context
from chesscoach.worker.store.schedules import StoredSchedule
from tests.support.web.api_client import ApiClient

CLEANUP = "/schedules/cleanup"


async def revision_of(api: ApiClient, path: str = CLEANUP) -> int:
    reply = await api("GET", path)
    assert reply.headers["ETag"] == f'"{reply.body["revision"]}"'
    return int(reply.body["revision"])


async def test_the_list_has_states_slots_and_zones(api: ApiClient) -> None:
    schedules = {s["id"]: s for s in (await api("GET", "/schedules")).body["schedules"]}
    assert schedules["sync_active"]["state"] == "disabled"
    assert schedules["sync_active"]["next"] is None
    weekly = schedules["weekly_emails"]
    assert (weekly["words"], weekly["timezone"]) == ("At 09:00 on Monday, UTC time", "UTC")
    assert weekly["next"].endswith("T09:00:00Z")
    assert weekly["last"] is None


async def test_a_schedule_is_created_edited_paused_resumed_and_deleted(
    ctx: Context, api: ApiClient
) -> None:
    new = {"id": "mine", "job": "cleanup", "cron": "30  2 * * *", "timezone": "Europe/Berlin"}
    made = await api("POST", "/schedules", json=new)
    assert (made.status, made.body["spec"]["cron"]) == (201, "30 2 * * *")
    assert made.body["next_local"].endswith(("+01:00", "+02:00"))

    path = "/schedules/mine"
    edited = await api("PATCH", path, json={"interval": {"hours": 6}}, revision=1)
    assert edited.body["trigger"] == "every 6h"
    assert edited.body["spec"]["timezone"] == "Europe/Berlin"
    dated = {"job": "cleanup", "date": "2031-05-01T10:00:00+02:00", "max_instances": 2}
    replaced = await api("PUT", path, json=dated, revision=2)
    assert replaced.body["trigger"] == "once at 2031-05-01T08:00:00Z"
    assert replaced.body["spec"]["timezone"] == "UTC"
    reset = await api("PATCH", path, json={"max_instances": None}, revision=3)
    assert reset.body["spec"]["max_instances"] == 1

    reason = {"reason": "moving <b>the</b>\ndatabase"}
    paused = await api("POST", f"{path}/pause", json=reason, revision=4)
    assert (paused.body["state"], paused.body["reason"]) == (
        "paused",
        "moving <b>the</b> database",
    )
    assert paused.body["history"][-1]["by"] == "admin (loopback)"
    resumed = await api("POST", f"{path}/resume", revision=5)
    assert (resumed.body["state"], resumed.body["reason"]) == ("active", None)
    assert (await api("DELETE", path, revision=6)).status == 204
    assert (await api("GET", path)).status == 404

    done = [entry["command"] async for entry in ctx.mongo.database["admin_log"].find()]
    assert done == [
        *("schedules add", "schedules edit", "schedules edit", "schedules edit"),
        *("schedules pause", "schedules resume", "schedules remove"),
    ]


async def test_two_operators_do_not_overwrite_each_other(api: ApiClient) -> None:
    seen = await revision_of(api)
    assert (await api("POST", f"{CLEANUP}/pause", json={"reason": "mine"}, revision=seen)).body
    for method, path, body in (
        ("PATCH", CLEANUP, {"cron": "0 5 * * *"}),
        ("PUT", CLEANUP, {"job": "cleanup", "cron": "0 5 * * *"}),
        ("POST", f"{CLEANUP}/resume", None),
        ("DELETE", CLEANUP, None),
    ):
        refused = await api(method, path, json=body, revision=seen)
        assert (refused.status, refused.body["current"]) == (412, seen + 1)
        (change,) = refused.body["changes"]
        assert (change["what"], change["reason"]) == ("paused", "mine")
        assert (await api(method, path, json=body)).status == 428
        for header in ("*", '"x"', '"1", "2"'):
            assert (await api(method, path, json=body, headers={"If-Match": header})).status == 400
    assert (await api("GET", CLEANUP)).body["state"] == "paused"


async def test_the_second_edit_of_a_revision_is_refused_with_the_change(api: ApiClient) -> None:
    seen = await revision_of(api)
    edits = [
        api("PATCH", CLEANUP, json={"cron": f"{minute} 5 * * *"}, revision=seen)
        for minute in range(4)
    ]
    replies = await asyncio.gather(*edits)
    assert sorted(reply.status for reply in replies) == [200, 412, 412, 412]
    for refused in (reply.body for reply in replies if reply.status == 412):
        assert refused["type"] == "about:blank"
        assert (refused["current"], refused["changes"][0]["what"]) == (seen + 1, "edited")


async def test_a_paused_schedule_gets_another_reason(api: ApiClient) -> None:
    seen = await revision_of(api)
    await api("POST", f"{CLEANUP}/pause", json={"reason": "first"}, revision=seen)
    path, later = f"{CLEANUP}/pause", {"reason": "second"}
    changed = (await api("POST", path, json=later, revision=seen + 1)).body
    assert (changed["reason"], changed["revision"]) == ("second", seen + 2)
    same = (await api("POST", path, json=later, revision=seen + 2)).body
    assert (same["reason"], same["revision"]) == ("second", seen + 2)
    none = (await api("POST", path, revision=seen + 2)).body
    assert (none["reason"], none["revision"]) == ("second", seen + 2)


async def test_an_automatic_change_moves_the_revision_too(ctx: Context, api: ApiClient) -> None:
    seen = await revision_of(api)
    stored = await ctx.worker.schedules.get("cleanup")
    assert isinstance(stored, StoredSchedule)
    note = stored.change_entry("quarantined", ctx.now(), quarantined="it is broken")
    await ctx.worker.schedules.change("cleanup", seen, note, quarantined="it is broken")
    refused = await api("PATCH", CLEANUP, json={"jitter_s": 5}, revision=seen)
    assert [change["what"] for change in refused.body["changes"]] == ["quarantined"]


async def test_an_existing_one_is_replaced_only_on_request(api: ApiClient) -> None:
    new = {"id": "cleanup", "job": "cleanup", "cron": "15 4 * * *"}
    refused = await api("POST", "/schedules", json=new)
    assert (refused.status, refused.body["current"]) == (409, await revision_of(api))
    replaced = await api("POST", "/schedules", json={**new, "replace_existing": True})
    assert (replaced.status, replaced.body["edited"]) == (200, True)
    stale = await api("POST", "/schedules", json={**new, "replace_existing": True}, revision=1)
    assert stale.status == 412
    assert (await api("DELETE", CLEANUP, revision=await revision_of(api))).status == 409


UNUSABLE: list[tuple[dict[str, Any], str]] = [
    ({"cron": "0 99 * * *"}, "cron"),
    ({"cron": "*/90 * * * *"}, "cron"),
    ({"cron": 5}, "cron"),
    ({"timezone": "Mars/Olympus", "cron": "0 5 * * *"}, "timezone"),
    ({"interval": {"hours": -1}}, "every.hours"),
    ({"every": {}}, "every"),
    ({"every": {"weeks": 315_999_999}}, "every"),
    ({"date": "2031-05-01T10:00:00"}, "date"),
    ({"at": "1931-05-01T10:00:00Z"}, "at"),
    ({"date": "1931-05-01T10:00:00Z"}, "date"),
    ({"at": "2026-01-01T10:00:00Z"}, "at"),
    ({"date": "2026-01-01T10:00:00Z"}, "date"),
    ({"interval": {"hours": 0}}, "interval"),
    ({}, "cron"),
    ({"cron": "0 5 * * *", "at": "2031-05-01T10:00:00Z"}, "cron"),
    ({"cron": "0 5 * * *", "job": "nothing"}, "job"),
    ({"cron": "0 5 * * *", "job": "sync_games", "args": {"all": 1}}, "args.all"),
    ({"cron": "0 5 * * *", "args": {"frog": 1}}, "args.frog"),
    ({"cron": "0 5 * * *", "max_instances": 0}, "max_instances"),
    ({"cron": "0 5 * * *", "frog": 0}, "frog"),
    ({"cron": "0 5 * * *", "id": "Not An Id"}, "id"),
    ({"cron": "0 5 * * *", "misfire_grace_s": "1"}, "misfire_grace_s"),
]


async def test_what_cannot_be_used_is_named_by_its_field(api: ApiClient) -> None:
    for fields, field in UNUSABLE:
        refused = await api("POST", "/schedules", json={"id": "mine", "job": "cleanup", **fields})
        assert refused.status == 422, (fields, refused)
        named = refused.body["errors"][0]["field"]
        assert named == field or (field, named) == ("every.hours", "interval.hours"), fields
        assert (await api("GET", "/schedules/mine")).status == 404, fields


async def test_the_next_slots_have_both_times_and_mark_a_change_of_clocks(api: ApiClient) -> None:
    new = {"id": "mine", "job": "cleanup", "cron": "30 2 * * *", "timezone": "Europe/Berlin"}
    await api("POST", "/schedules", json=new)
    slots = (await api("GET", "/schedules/mine/slots?count=366")).body["slots"]
    assert len(slots) == 366
    assert slots[0]["local"][:16] == f"{slots[0]['local'][:10]}T02:30"
    assert {slot["clocks"] for slot in slots} == {None, "forward", "back"}
    moved = [slot["clocks"] for slot in slots if slot["moved"]]
    assert set(moved) == {"forward"}
    for wrong in ("count=0", "count=1001", "count=x", "frog=1"):
        assert (await api("GET", f"/schedules/mine/slots?{wrong}")).status == 422


async def test_a_slot_is_explained(api: ApiClient) -> None:
    explained = await api("GET", f"{CLEANUP}/slots/2031-05-01T03:00:00Z/explain")
    assert explained.body["verdict"] == "not_due_yet"
    explained = await api("GET", f"{CLEANUP}/slots/2031-05-01T03:00:01Z/explain")
    assert explained.body["before"] == "2031-05-01T03:00:00Z"
    assert (await api("GET", f"{CLEANUP}/slots/yesterday/explain")).status == 422
    assert (await api("GET", "/schedules/no/slots/2031-05-01T03:00:00Z/explain")).status == 404


async def test_an_unreadable_schedule_is_shown_as_such(ctx: Context, api: ApiClient) -> None:
    schedules = ctx.mongo.database["schedules"]
    await schedules.insert_one({"_id": "odd", "spec": {"job": 5}, "revision": 7})
    shown = (await api("GET", "/schedules/odd")).body
    assert (shown["state"], shown["words"]) == ("quarantined", "It cannot be read")
    assert shown["reason"].startswith("it cannot be read")
    listed = (await api("GET", "/schedules")).body["schedules"]
    assert "odd" in [schedule["id"] for schedule in listed]
    assert (await api("POST", "/schedules/odd/run")).status == 409
    fixed = {"job": "cleanup", "cron": "0 5 * * *"}
    assert (await api("PUT", "/schedules/odd", json=fixed, revision=7)).body["state"] == "active"


async def test_of_concurrent_creations_one_is_new_and_the_others_replace_it(
    api: ApiClient,
) -> None:
    new = {"id": "mine", "job": "cleanup", "cron": "0 5 * * *"}
    replies = await asyncio.gather(*(api("POST", "/schedules", json=new) for _ in range(4)))
    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409]
    others = [
        {**new, "id": "other", "cron": f"{minute} 5 * * *", "replace_existing": True}
        for minute in range(4)
    ]
    replies = await asyncio.gather(*(api("POST", "/schedules", json=body) for body in others))
    assert sorted(reply.status for reply in replies) == [200, 200, 200, 201]
    assert await revision_of(api, "/schedules/other") == 4
