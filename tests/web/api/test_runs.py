"""Runs over the API: run now, cancel, and pages of records."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from chesscoach.context import Context
from chesscoach.worker.store.run_documents import RunRecord
from tests.support.web.api_client import ApiClient, quoted

NOON = datetime(2026, 10, 21, 12, tzinfo=UTC)


async def insert_runs(ctx: Context, count: int, **fields: Any) -> list[str]:
    """Records of the newest last; four of them begin at the same instant."""
    documents = [
        {
            "_id": f"cleanup:{number:03}",
            **{"job": "cleanup", "schedule": "cleanup", "slot": NOON, "outcome": "succeeded"},
            **{"attempt": 1, "source": "daemon", "claim": "c", "owner": {"pid": 1}, "lease": "l"},
            "started_at": NOON + timedelta(minutes=number // 4),
            **fields,
        }
        for number in range(count)
    ]
    await ctx.mongo.database["job_runs"].insert_many(documents)
    return [str(document["_id"]) for document in documents]


async def test_pages_have_each_run_once_also_those_of_one_instant(
    ctx: Context, api: ApiClient
) -> None:
    ids = await insert_runs(ctx, 23)
    for wanted in ("", "&job=cleanup", "&schedule=cleanup", "&outcome=succeeded"):
        seen: list[str] = []
        cursor = ""
        while True:
            page = (await api("GET", f"/runs?limit=3{wanted}{cursor}")).body
            seen += [run["id"] for run in page["runs"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={quoted(page['next'])}"
        assert sorted(seen) == ids
        assert [key[:-1] for key in seen[:3]] == ["cleanup:02"] * 3, "the newest come first"
    assert (await api("GET", "/runs?outcome=failed")).body == {"runs": [], "next": None}
    for wrong in ("cursor=x", "cursor=2026-10-21T12:00:00Z_-1", "outcome=frog", "limit=0"):
        assert (await api("GET", f"/runs?{wrong}")).status == 422


async def test_a_run_is_shown_redacted_whatever_its_id(ctx: Context, api: ApiClient) -> None:
    errors = [{"user_id": "ann", "error": "for ann@example.org <b>"}]
    (key,) = await insert_runs(ctx, 1, errors=errors, shard="1/4", duration_s=float("nan"))
    shard = f"{key}#1/4"
    document = await ctx.mongo.database["job_runs"].find_one({"_id": key})
    assert document is not None
    await ctx.mongo.database["job_runs"].insert_one({**document, "_id": shard})
    for path in (quoted(shard), f"{key}%231/4"):
        shown = (await api("GET", f"/runs/{path}")).body
        assert (shown["id"], shown["errors"]) == (
            shard,
            [{"user_id": "ann", "error": "for *** <b>"}],
        )
        assert shown["duration_s"] is None
    assert (await api("GET", "/runs/nothing")).status == 404


async def test_run_now_names_the_run_and_a_second_one_its_holder(
    ctx: Context, api: ApiClient
) -> None:
    await ctx.leases.ensure("cleanup")
    holder = {"run_id": "cleanup:manual:other", "host": "there", "pid": 5}
    held = await ctx.leases.acquire("cleanup", holder)
    assert held is not None
    refused = await api("POST", "/schedules/cleanup/run")
    assert refused.status == 409
    assert "cleanup:manual:other on there, pid 5" in refused.body["detail"]

    await ctx.leases.release(held)
    started = await api("POST", "/schedules/cleanup/run")
    assert started.status == 202
    record = await ended_run(ctx, started.body["run_id"])
    assert (record.outcome, record.source, record.slot) == ("succeeded", "web", None)
    entries = await ctx.mongo.database["admin_log"].find().to_list(None)
    assert [(e["outcome"], e["counts"]) for e in entries] == [
        ("refused", {}),
        ("succeeded", {"run_id": record.id}),
    ]


async def ended_run(ctx: Context, run_id: str) -> RunRecord:
    async with asyncio.timeout(30):
        while True:
            record = await ctx.worker.runs.find(run_id)
            if record is not None and record.outcome != "running":
                return record
            await asyncio.sleep(0.02)


async def test_only_a_running_run_can_be_cancelled(ctx: Context, api: ApiClient) -> None:
    (key,) = await insert_runs(ctx, 1)
    refused = await api("POST", f"/runs/{quoted(key)}/cancel")
    assert (refused.status, "succeeded" in refused.body["detail"]) == (409, True)
    await ctx.mongo.database["job_runs"].update_one({"_id": key}, {"$set": {"outcome": "running"}})
    asked = await api("POST", f"/runs/{quoted(key)}/cancel")
    assert (asked.status, asked.body["cancel_requested_by"]) == (202, "admin (loopback)")
    assert (await api("POST", "/runs/nothing/cancel")).status == 404


async def test_jobs_have_the_schemas_of_their_arguments(api: ApiClient) -> None:
    jobs = {job["name"]: job for job in (await api("GET", "/jobs")).body["jobs"]}
    assert {"sync_games", "weekly_emails", "cleanup"} <= set(jobs)
    properties = jobs["sync_games"]["args"]["$defs"]["Args"]["properties"]
    assert properties["all"]["type"] == "boolean"
