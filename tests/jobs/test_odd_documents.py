"""Documents with values of the wrong type in any field: no run ends by them, all are counted."""

from copy import deepcopy
from typing import Any

from chesscoach.context import Context
from tests.conftest import FakeSites
from tests.support.odd_documents import (
    add_good_documents,
    add_odd_copies,
    any_date,
    insert_errors,
    odd_copies,
)
from tests.support.processes import run
from tests.support.sync.sync_members import add_member, before_now, run_sync

OF_ANOTHER_PROCESS = 7
"""A greater fence than the run's: such an account belongs to a newer run."""


def results(record: dict[str, Any]) -> int:
    return int(record["done"] + record["failed"] + record["skipped"])


def odd_accounts(good: dict[str, Any]) -> list[dict[str, Any]]:
    """Odd copies of an account, each with a name and a user of its own."""
    copies = []
    for number, copy in enumerate(odd_copies(good)):
        account, name = deepcopy(copy), f"p{number:04}"
        if str(account.get("_id")).startswith(good["_id"]):
            account["_id"] = f"lichess:{name}"
        if account.get("name") == good["name"]:
            account["name"] = name
        if good["links"][0]["user_id"] in repr(account.get("links")):
            account["links"][0]["user_id"] = name
        if account.get("fence") != OF_ANOTHER_PROCESS:
            copies.append(account)
    return copies


async def test_a_sync_checks_all_accounts_but_those_that_cannot_be_read(
    ctx: Context, db: Any, sites: FakeSites, environment: dict[str, str]
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", synced=before_now(days=1))
    await run_sync(ctx)
    accounts = any_date(db.sync_accounts)
    odd = odd_accounts(accounts.find_one())
    for number in range(len(odd) + 50):
        name = f"p{number:04}"
        sites.world.add_player("lichess", name, before_now(days=3))
        db.users.insert_one({"user_id": name, "email": name, "lichess_username": name})
    assert insert_errors(db.sync_accounts, odd) <= {11000}
    before = {repr(account["_id"]): repr(account) for account in accounts.find()}

    done = await run(environment, "chesscoach.jobs.sync_games", "--all", "--json")
    assert done.code == 0, done.out
    record = done.record

    after = {repr(account["_id"]): account for account in accounts.find()}
    unchanged = [key for key, text in before.items() if repr(after[key]) == text]
    unlinked = [key for key in before if after[key].get("links") == [] and key not in unchanged]
    assert record["skipped"] == record["notes"]["unreadable_accounts"] == len(unchanged) > 500
    assert record["done"] + record["failed"] == len(after) - len(unchanged) - len(unlinked)
    assert results(record) == record["candidates"]
    assert repr("lichess:ann") not in unchanged
    checked = {user["user_id"] for user in db.users.find({"last_game_sync": {"$exists": True}})}
    assert len(checked) == record["done"]


async def test_every_job_does_the_rest_beside_wrong_types(
    ctx: Context, db: Any, sites: FakeSites, environment: dict[str, str]
) -> None:
    await add_good_documents(ctx, db, sites, environment)
    db.users.update_one(
        {"user_id": "ann"},
        {
            "$set": {
                "email_notifications": {"weekly_summary": True},
                "email_opt_out": False,
                "email": "ann@example.net",
                "timezone": "UTC",
            }
        },
    )
    add_odd_copies(db)
    await add_member(ctx, db, sites, "Zoe", "lichess", "chess.com")
    zoe = {"email": "zoe@example.net", "email_notifications": True}
    db.users.update_one({"user_id": "zoe"}, {"$set": zoe})
    sites.world.add_game("lichess", "Zoe", before_now(days=7))
    jobs = [("sync_games", "--all"), ("sync_games", ""), ("weekly_emails", ""), ("cleanup", "")]
    for job, flag in jobs:
        for extra in ("--dry-run", "--json"):
            args = [arg for arg in (flag, extra, "--json") if arg]
            done = await run(environment, f"chesscoach.jobs.{job}", *dict.fromkeys(args))
            assert "Traceback" not in done.err, done.err[-2000:]
            record = done.record
            assert record["outcome"] in ("succeeded", "partial", "dry_run"), record
            if record["outcome"] != "dry_run":
                assert results(record) == record["candidates"], record
            if job != "cleanup":
                assert record["notes"]["invalid_user_ids"] > 20

    assert db.games.count_documents({"user_id": "zoe"}) == 1
    assert {entry["state"] for entry in db.email_outbox.find({"user_id": "zoe"})} == {"sent"}
