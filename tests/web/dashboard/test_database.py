"""What pages ask of the database, and what they say while it does not answer."""

import signal
from typing import Any

from chesscoach.config import Settings
from chesscoach.context import Context
from tests.conftest import NOON
from tests.web.conftest import OpenWeb, OwnMongod, open_context_on
from tests.web.dashboard.conftest import (
    LOOPBACK,
    OpenDashboard,
    add_schedule,
    insert_run,
    words_of,
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
    db.command("profile", 2)
    try:
        for path in (*PAGES, f"/runs/{run_id}"):
            assert (await ask(path)).status == 200, path
    finally:
        db.command("profile", 0)
    scans = [
        (found["ns"].partition(".")[2], found.get("command"))
        for found in db.system.profile.find({"planSummary": {"$regex": "COLLSCAN"}})
    ]
    db.system.profile.drop()
    # Collections of the application that only it indexes: user_achievements by user_id.
    assert [scan for scan in scans if scan[0] != "user_achievements"] == []


async def test_pages_report_a_hung_database_and_recover(
    own_mongod: OwnMongod, own_settings: Settings, open_web_server: OpenWeb
) -> None:
    async with open_context_on(own_settings, own_mongod) as ctx:
        ask = await open_web_server(ctx, web=LOOPBACK, deadline_s=2.0)
        for path in ("/", "/runs"):
            while (await ask(path)).status != 200:  # a busy machine may take longer
                pass
        own_mongod.send(signal.SIGSTOP)
        ask_runs = await ask("/runs")
        assert ask_runs.status == 503
        assert "MongoDB does not answer" in words_of(ask_runs)
        assert ask_runs.took_s < 15, "one limit for all queries of a request"
        while (overview := await ask("/")).status == 200:  # it is a few seconds old at most
            pass
        assert overview.status == 503
        assert "MongoDB does not answer" in words_of(overview)
        assert "What is below was read at" in words_of(overview)
        own_mongod.send(signal.SIGCONT)
        for path in ("/", "/runs"):
            while (answer := await ask(path)).status != 200:
                assert answer.status == 503
            assert "MongoDB does not answer" not in words_of(answer)
