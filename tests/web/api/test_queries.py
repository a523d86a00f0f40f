"""What requests ask of the database: no collection is read as a whole, and no query hangs."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.config import Settings
from chesscoach.context import Context
from chesscoach.web.api.catalog import ENDPOINTS
from tests.support.web.admin_client import API, AdminClient
from tests.support.web.api_client import ApiClient
from tests.web.conftest import OpenAdmin, OwnMongod, open_context_on

NOON = datetime(2026, 10, 21, 12, tzinfo=UTC)
READS = (
    "/schedules",
    "/schedules/cleanup",
    "/schedules/cleanup/slots",
    "/schedules/cleanup/slots/2026-10-21T03:00:00Z/explain",
    *("/runs", "/runs?job=cleanup", "/runs?schedule=cleanup", "/runs?outcome=failed"),
    "/runs?cursor=2026-10-21T12:00:00Z_2",
    "/runs/cleanup:0",
    *("/accounts", "/accounts?platform=lichess", "/accounts/lichess:ann", "/sources"),
    *("/emails", "/emails?state=sent", "/emails?week=2026-W40", "/emails?user_id=u7"),
    "/emails?state=sent&week=2026-W40&cursor=2026-W40%20x",
    "/emails/weekly_summary:u7:2026-W40",
    *("/suppressions", "/suppressions/ann@example.org"),
    *("/players?q=u1", "/players/u7", "/players/u7/momentum"),
    *("/players/u7/snapshots", "/players/u7/recommendations"),
    *("/routines", "/routines?user_id=u7", "/routines/none"),
    *("/sessions?user_id=u7", "/sessions?routine_id=none&status=missed", "/sessions/none"),
    *("/momentum/board", "/momentum/board?period=all"),
)


async def fill(ctx: Context) -> None:
    """Some documents of everything: an empty collection would be read as a whole for nothing."""
    db = ctx.mongo.database
    run = {"job": "cleanup", "schedule": "cleanup", "outcome": "failed", "attempt": 1}
    run |= {"source": "daemon", "claim": "c", "owner": {}, "lease": "l"}
    days = [NOON - timedelta(days=number) for number in range(60)]
    await db["job_runs"].insert_many(
        [{"_id": f"cleanup:{n}", **run, "slot": at, "started_at": at} for n, at in enumerate(days)]
    )
    await db["users"].insert_many([{"user_id": f"u{n}", "name": "Ann"} for n in range(60)])
    email = {"kind": "weekly_summary", "week": "2026-W40", "state": "sent"}
    await db["email_outbox"].insert_many(
        [{"_id": f"weekly_summary:u{n}:2026-W40", "user_id": f"u{n}", **email} for n in range(60)]
    )
    await db["user_progress"].insert_many([{"user_id": f"u{n}", "xp": n} for n in range(60)])


async def test_no_read_scans_a_collection(ctx: Context, api: ApiClient) -> None:
    db: Any = ctx.mongo.database
    await fill(ctx)
    await db.command("profile", 2)
    try:
        for path in READS:
            assert (await api("GET", path)).status in (200, 404), path
    finally:
        await db.command("profile", 0)
    profiled = await db["system.profile"].find({"op": {"$in": ["query", "command"]}}).to_list(None)
    await db.drop_collection("system.profile")
    assert len(profiled) > len(READS)
    scans = [(p["ns"], p["command"]) for p in profiled if "COLLSCAN" in p.get("planSummary", "")]
    assert not scans


async def answers(ask: AdminClient) -> list[tuple[int, float]]:
    """The status of several reads at once, and how long each took, in seconds."""
    loop = asyncio.get_running_loop()

    async def one(path: str) -> tuple[int, float]:
        began_at = loop.time()
        reply = await ask("GET", API + path)
        assert reply.status == 200 or "database does not answer" in reply.body["detail"], reply
        return reply.status, loop.time() - began_at

    return await asyncio.gather(
        *map(one, ("/schedules", "/runs", "/momentum/board", "/accounts") * 2)
    )


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
async def test_a_request_has_one_deadline_also_while_mongodb_hangs(
    own_settings: Settings, own_mongod: OwnMongod, open_admin: OpenAdmin, number: int
) -> None:
    config = own_settings.config
    if number == signal.SIGKILL:  # Motor waits for the dead server when it is closed
        config = replace(config, database=replace(config.database, timeout_s=1.0))
    async with open_context_on(replace(own_settings, config=config), own_mongod) as ctx:
        ask = await open_admin(ctx, deadline_s=2.0)
        assert {status for status, _ in await answers(ask)} <= {200, 503}
        own_mongod.send(number)
        async with asyncio.timeout(60):  # one or the other may be answered before the signal comes
            hung = await answers(ask)
            while {status for status, _ in hung} != {503}:
                hung = await answers(ask)
        assert max(took_s for _, took_s in hung) < 15, "one limit for all queries of a request"
        assert (await ask("GET", "/healthz")).status == 200
        assert (await ask("GET", f"{API}/jobs")).status == 200, "it needs no database"
        if number == signal.SIGSTOP:
            own_mongod.send(signal.SIGCONT)
            async with asyncio.timeout(60):
                while {status for status, _ in await answers(ask)} != {200}:
                    await asyncio.sleep(0.1)


def test_every_read_of_the_document_is_walked() -> None:
    """A new call has to be added above."""
    walked = {path.partition("?")[0].split("/")[1] for path in READS}
    exempt = {"jobs"}
    assert {e.path.split("/")[1] for e in ENDPOINTS if e.method == "GET"} - exempt <= walked
