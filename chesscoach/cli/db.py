"""`chesscoach db`: the collections and indexes that we need, and how the database serves us."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import click
import msgspec
from msgspec import Struct

from chesscoach.cleanup import rules
from chesscoach.cli import invocation
from chesscoach.config import CleanupSettings
from chesscoach.context import Context
from chesscoach.mongo import index_check
from chesscoach.mongo.index_check import QueryRecorder
from chesscoach.mongo.store import Store, open_store
from chesscoach.schedules.iso_week import Week
from chesscoach.sync.store.account_documents import AccountQuery
from chesscoach.worker.job import ShutdownRequest

ReadQuery = Callable[[], Awaitable[object]]
_NONEXISTENT_USER = "chesscoach db check"
_MIN_USAGE_PERIOD = timedelta(days=7)
"""An index that has not served for so long is worth a thought: all jobs have run in that time."""

_SCAN_REASONS = {"schedules": "there are few", "job_leases": "there are few"}


@click.group(cls=invocation.OneLineErrorGroup)
def group() -> None:
    """Care of the database."""


@group.command(
    epilog="Exit codes: 0 all stands; 1 an index waits, or the database cannot be reached; 2 an "
    "index contradicts ours, or we may not make it."
)
@click.option(
    "--storm",
    is_flag=True,
    help="Make TTL indexes also where the server will at once delete a great many rows.",
)
@invocation.config_option
@invocation.json_option
def init(storm: bool, config: str | None, as_json: bool) -> None:
    """Make the collections and indexes that we need, beside the application's own.

    Safe to repeat. An index of the application's that serves is left as it is; one that
    contradicts ours is an error that names it, and nothing is dropped. A TTL index on a collection
    with many overdue rows is not made, and the way to delete these in batches is told.
    """

    async def body(ctx: Context, _: ShutdownRequest) -> int:
        report = await ctx.store.prepare(storm=storm)
        if as_json:
            invocation.print_json(msgspec.to_builtins(report))
        else:
            for name in report.made:
                click.echo(f"made     {name}")
            for name in report.present:
                click.echo(f"present  {name}")
            for name, overdue in report.waiting.items():
                click.echo(
                    f"waiting  {name}: the server would at once delete {overdue} overdue rows or "
                    "more; first run `python -m chesscoach.jobs.cleanup`, which does it in "
                    "batches, or say --storm"
                )
        return int(bool(report.waiting))

    invocation.run_with_context(config, body)


class CollectionScan(Struct, frozen=True, kw_only=True):
    """What a read of ours makes the server read whole."""

    read: str
    collection: str


class DatabaseReport(Struct, frozen=True, kw_only=True):
    """How the database serves us; `unused` is told only by a server that has counted for a week."""

    missing: list[str]
    drifting: list[str]
    scans: list[CollectionScan]
    unused: list[index_check.IndexUsage] | None


@group.command(
    epilog="Exit codes: 0 all is well; 1 something is missing, drifting or read whole, or the "
    "database cannot be reached; 2 wrong usage or configuration."
)
@invocation.config_option
@invocation.json_option
def check(config: str | None, as_json: bool) -> None:
    """Say what is missing, drifting or unused, and which of our queries scan a collection.

    The queries are those that the jobs make: they are made, and the server explains them. Nothing
    is changed.
    """

    async def body(ctx: Context, _: ShutdownRequest) -> int:
        found = await check_database(ctx)
        if as_json:
            invocation.print_json(msgspec.to_builtins(found))
        else:
            _print_report(found)
        return int(bool(found.missing or found.drifting or found.scans))

    invocation.run_with_context(config, body)


def _print_report(found: DatabaseReport) -> None:
    for name in found.missing:
        click.echo(f"missing   {name}: run `chesscoach db init`")
    for what in found.drifting:
        click.echo(f"drifting  {what}: drop it if nobody needs it so, then `chesscoach db init`")
    for scan in found.scans:
        click.echo(f"scan      {scan.read}: the server reads all of {scan.collection}")
    if found.unused is None:
        click.echo("unknown   which are unused: the user in MONGO_URL may not ask ($indexStats)")
    for use in found.unused or ():
        click.echo(
            f"unused    {use.name} since {use.since:%Y-%m-%d}, when the server began to count"
        )
    if not (found.missing or found.drifting or found.scans):
        click.echo("ok        all indexes stand, and none of our queries scans a collection")


async def check_database(ctx: Context) -> DatabaseReport:
    """Looks at everything."""
    database, heard = ctx.store.database, QueryRecorder()
    missing, drifting = await ctx.store.missing(), await index_check.drifting_indexes(database)
    uses = await index_check.index_usage(database)
    scans: list[CollectionScan] = []
    # By a client of its own, so that nothing else is overheard.
    async with open_store(ctx.config, ctx.process, ctx.metrics, [heard]) as store:
        for name, read in read_queries(store, ctx.now()).items():
            whole = await index_check.scanned_collections(store.database, heard, read)
            scans += [
                CollectionScan(read=name, collection=each)
                for each in sorted(whole)
                if each not in _SCAN_REASONS
            ]
    return DatabaseReport(
        missing=missing,
        drifting=drifting,
        scans=scans,
        unused=uses
        and [use for use in uses if not use.times and ctx.now() - use.since > _MIN_USAGE_PERIOD],
    )


def read_queries(store: Store, now: datetime) -> dict[str, ReadQuery]:
    """What the jobs ask of the database, by name, for people who do not exist."""
    nobody, utc, limits = [_NONEXISTENT_USER], ZoneInfo("UTC"), CleanupSettings()
    week = Week.containing(now.date()).before
    wanted = AccountQuery(platform="lichess", run_started_at=now, due_only=True)
    return {
        "users who have linked accounts": lambda: _first_page(store.users.linked_users()),
        "links of accounts": lambda: _first_page(store.accounts.links()),
        "a user's accounts": lambda: store.accounts.find_for_users(nobody, nobody),
        "accounts that are due": lambda: _first_page(store.accounts.due_accounts(wanted)),
        "a user's queue items of the day": lambda: store.analysis_queue.remaining_today(
            _NONEXISTENT_USER, now, 3
        ),
        "queue items by id": lambda: store.analysis_queue.find_queued(nobody),
        "games by user": lambda: store.games.count_by_user(nobody),
        "users who want the weekly mail": lambda: _first_page(
            store.recipients.subscribers("weekly_summary")
        ),
        "players' weeks": lambda: store.player_weeks.read(nobody, week, utc),
        "mails of a page": lambda: store.outbox.find_many(nobody),
        "mails that are owed": lambda: store.outbox.find_open(week, "", 1),
        "who still wants a mail": lambda: store.subscriptions.subscribed(nobody, "weekly_summary"),
        "suppressed addresses": lambda: store.suppressions.find_suppressed(nobody),
        "events of SendGrid": lambda: store.suppressions.unseen_events(nobody),
        "a schedule's newest slot": lambda: store.runs.newest(_NONEXISTENT_USER),
        "all schedules' newest slots": store.runs.newest_slots,
        "sessions that are over": lambda: store.deleter.page(rules.sessions(now), None, 1),
        "read notifications": lambda: store.deleter.page(rules.notifications(now, limits), None, 1),
        "stale queue items": lambda: store.deleter.page(rules.queue(now, limits), None, 1),
        "mails at their end": lambda: store.deleter.page(rules.outbox(now, limits), None, 1),
        "runs that are open": lambda: store.runs.find_open(nobody, 2),
        "newest runs": lambda: store.runs.recent(job=None, schedule=None, outcome=None, limit=1),
        "schedules": store.schedules.all,
    }


async def _first_page(pages: AsyncIterator[object]) -> None:
    async for _ in pages:
        return
