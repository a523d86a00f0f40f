"""What pages ask of the database: no collection is read as a whole."""

from typing import Any

from chesscoach.context import Context
from tests.conftest import NOON
from tests.support.mongo.profiling import profile
from tests.web.dashboard.conftest import (
    OpenDashboard,
    add_schedule,
    insert_run,
)

PAGES = (
    "/",
    "/schedules",
    "/schedules/mine",
    "/runs",
    "/runs?job=cleanup",
    "/runs?schedule=mine",
    "/runs?outcome=failed",
    "/sources",
    "/emails",
    "/emails?state=unknown",
    "/players",
    "/players?q=anna",
    "/players?q=anna@example.org",
    "/players?board=week",
    "/players/anna",
    "/players/anna/email",
)


async def test_no_page_scans_a_collection(
    board: Context, open_dashboard: OpenDashboard, db: Any
) -> None:
    await add_schedule(board, "mine")
    run_id = insert_run(db, "mine", NOON, outcome="failed")
    db.users.insert_one({"user_id": "anna", "email": "anna@example.org"})
    for collection in ("email_outbox", "email_suppressions", "sync_accounts", "games"):
        db[collection].insert_one({"user_id": "b", "week": "2026-W42", "game_id": "g"})
    ask = await open_dashboard()
    with profile(db) as notes:
        for path in (*PAGES, f"/runs/{run_id}"):
            assert (await ask(path)).status == 200, path
    scans = [
        (note["ns"].partition(".")[2], note.get("command"))
        for note in notes
        if "COLLSCAN" in note.get("planSummary", "")
    ]
    # Collections of the application that only it indexes: user_achievements by user_id.
    assert [scan for scan in scans if scan[0] != "user_achievements"] == []
