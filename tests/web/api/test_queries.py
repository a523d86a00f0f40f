"""What requests ask of the database: no collection is read as a whole."""

from datetime import UTC, datetime, timedelta
from typing import Any

from chesscoach.context import Context
from chesscoach.web.api.catalog import ENDPOINTS
from tests.support.mongo.profiling import profile
from tests.support.web.api_client import ApiClient

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


async def test_no_read_scans_a_collection(ctx: Context, db: Any, api: ApiClient) -> None:
    await fill(ctx)
    with profile(db) as notes:
        for path in READS:
            assert (await api("GET", path)).status in (200, 404), path
    reads = [note for note in notes if note["op"] in ("query", "command")]
    assert len(reads) > len(READS)
    scans = [
        (note["ns"], note["command"]) for note in reads if "COLLSCAN" in note.get("planSummary", "")
    ]
    assert not scans


def test_every_read_of_the_document_is_walked() -> None:
    """A new call has to be added above."""
    walked = {path.partition("?")[0].split("/")[1] for path in READS}
    exempt = {"jobs"}
    assert {e.path.split("/")[1] for e in ENDPOINTS if e.method == "GET"} - exempt <= walked
