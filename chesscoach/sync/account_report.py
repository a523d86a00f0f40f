"""The report on an account: its status, its progress and what comes next.

Scripts read the fields of `AccountReport`: they stay.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct, field

from chesscoach.errors import ConfigError
from chesscoach.players.store.users import UserNames
from chesscoach.sources.game import Platform
from chesscoach.sources.source import SOURCES
from chesscoach.sync import polling, usernames
from chesscoach.sync.account import Account, AccountStatus
from chesscoach.sync.context import SyncContext
from chesscoach.sync.fetching import archive_months
from chesscoach.sync.store.account_documents import AccountDocument
from chesscoach.sync.store.lanes import LaneStatus


class LinkedUser(Struct, frozen=True, kw_only=True):
    """A user who links the account, as they spell it; `joined`: their own backfill is complete."""

    user_id: str
    name: str
    joined: bool


class FollowedGame(Struct, frozen=True, kw_only=True):
    """A game that is followed until it ends."""

    id: str
    started_at: datetime


class ReportedError(Struct, frozen=True, kw_only=True):
    """Why a check failed, and when."""

    at: datetime
    error: str


class SourceStatus(Struct, frozen=True, kw_only=True):
    """Whether the account's source can be asked now; `held_by` is the run that is asking it."""

    paused_until: datetime | None = None
    closed_until: datetime | None = None
    held_by: dict[str, Any] | None = None
    contact_missing: bool = False


class AccountReport(Struct, frozen=True, kw_only=True):
    """One account. Instants are UTC, and None where there is none yet.

    `cursor` is the start of the newest Lichess game that is stored. `open_months` are the months
    of Chess.com that can still change. `sealed_months` are checked again from time to time.
    `gone_months` must never be requested again. `absent` counts consecutive checks in which the
    source did not know the name, `failures` consecutive checks that failed.
    """

    key: str
    platform: Platform
    name: str
    status: AccountStatus = field(name="standing")
    absent: int
    users: list[LinkedUser]
    cursor: datetime | None
    open_months: list[str]
    sealed_months: list[str]
    gone_months: list[str]
    unfinished_games: list[FollowedGame]
    tier: str
    active_at: datetime | None
    checked_at: datetime | None
    failures: int
    set_aside_until: datetime | None
    errors: list[ReportedError]
    due_at: datetime
    due: bool
    site: SourceStatus


async def account_reports(ctx: SyncContext, name: str) -> list[AccountReport]:
    """The accounts of a name on either source, of a user_id, or of a key such as `lichess:ann`.

    Raises:
        ConfigError: no account is found; the message says what to do.
    """
    name = name.strip()
    rows = await ctx.accounts.find_by_name(name)
    if not rows:
        site, _, rest = name.partition(":")
        bare = rest if site.lower() in SOURCES else name
        raise ConfigError(_not_found_message(name, await ctx.users.find_by_name(bare)))
    sites = {row.account.platform: SourceStatus() for row in rows}
    for platform in sites:
        sites[platform] = await source_status(ctx, platform)
    return [account_report(row, sites[row.account.platform], ctx.now()) for row in rows]


async def source_status(ctx: SyncContext, platform: Platform) -> SourceStatus:
    """Whether a source can be asked now."""
    lane = await ctx.lanes[platform].status()
    may_be_asked = bool(ctx.sources.contact) or not SOURCES[platform].requires_contact
    return _source_status(lane, may_be_asked)


def account_report(row: AccountDocument, site: SourceStatus, now: datetime) -> AccountReport:
    """The report on a stored account at an instant."""
    account = row.account
    return AccountReport(
        key=account.key,
        platform=account.platform,
        name=account.name,
        status=account.status,
        absent=account.not_found_checks,
        users=[
            LinkedUser(user_id=link.user_id, name=link.name, joined=link.backfilled)
            for link in account.links
        ],
        cursor=account.cursor,
        open_months=_open_months(account, now),
        sealed_months=sorted(account.sealed_months),
        gone_months=sorted(account.gone_months),
        unfinished_games=[
            FollowedGame(id=game.external_id, started_at=game.started_at)
            for game in account.unfinished_games
        ],
        tier=polling.polling_tier(account, now).name,
        active_at=account.active_at,
        checked_at=account.checked_at,
        failures=row.failures,
        set_aside_until=polling.backoff_until(row.failures, row.due_at, now),
        errors=[ReportedError(at=error.at, error=error.error) for error in row.errors],
        due_at=row.due_at,
        due=bool(account.links) and row.due_at <= now,
        site=site,
    )


def _open_months(account: Account, now: datetime) -> list[str]:
    if account.first_month is None:
        return []
    return [
        m
        for m in archive_months.month_range(account.first_month, archive_months.month_of(now))
        if m not in account.gone_months
    ]


def _source_status(lane: LaneStatus, may_be_asked: bool) -> SourceStatus:
    return SourceStatus(
        paused_until=lane.paused_until,
        closed_until=lane.closed_until,
        held_by=lane.holder,
        contact_missing=not may_be_asked,
    )


def _not_found_message(name: str, users: list[UserNames]) -> str:
    """Says that the user is unknown, or that no run has checked the account yet."""
    for user in users:
        for site, names in user.names.items():
            if any(usernames.normalize_username(site, linked) is not None for linked in names):
                return (
                    f"{user.user_id!r} has linked a name on {site}, but no run has checked it yet: "
                    f"run `python -m chesscoach.jobs.sync_games --user {user.user_id}`"
                )
    if users:
        return (
            f"{users[0].user_id!r} has linked no name that a source can have: "
            "see `chesscoach accounts list`"
        )
    return (
        f"account {name[:80]!r} does not exist: give a name on Lichess or Chess.com, a user_id, "
        "or a key such as lichess:ann; see `chesscoach accounts list`"
    )
