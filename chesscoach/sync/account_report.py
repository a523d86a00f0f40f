"""What an operator is shown of an account: how it stands, how far it is, what comes next.

The fields of `Portrait` are what scripts read: they stay.
"""

from datetime import datetime
from typing import Any, get_args

from msgspec import Struct
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from chesscoach.errors import ConfigError
from chesscoach.players.store.users import UserNames
from chesscoach.sources.game import Platform
from chesscoach.sync import archive_months, polling, usernames
from chesscoach.sync.account import Account, AccountStatus
from chesscoach.sync.context import SyncContext
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
    """How the account's site may be asked now; `held_by` is whoever is asking it."""

    paused_until: datetime | None = None
    closed_until: datetime | None = None
    held_by: dict[str, Any] | None = None
    contact_missing: bool = False


class AccountReport(Struct, frozen=True, kw_only=True):
    """One account. Instants are UTC, and None where there is none yet.

    `cursor` is the start of the newest Lichess game that is stored. `open_months` are Chess.com's
    that may still change, `sealed_months` those that are looked at again now and then,
    `gone_months` those that the site wants never to be asked for again. `absent` counts checks in
    a row in which the site did not know the name, `failures` those that failed.
    """

    key: str
    platform: Platform
    name: str
    standing: AccountStatus
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
    """The accounts of a name on either site, of a user_id, or of a key such as `lichess:ann`.

    Raises:
        ConfigError: there is none; the message says what was looked for and what to do.
    """
    name = name.strip()
    rows = await ctx.accounts.find_by_name(name)
    if not rows:
        site, _, rest = name.partition(":")
        bare = rest if site.lower() in get_args(Platform) else name
        raise ConfigError(_not_found_message(name, await ctx.users.find_by_name(bare)))
    sites = {row.account.platform: SourceStatus() for row in rows}
    for platform in sites:
        outlook = await ctx.lanes[platform].status()
        sites[platform] = _source_status(
            outlook, platform == "lichess" or bool(ctx.sources.contact)
        )
    return [account_report(row, sites[row.account.platform], ctx.now()) for row in rows]


def account_report(row: AccountDocument, site: SourceStatus, now: datetime) -> AccountReport:
    """What a row says at an instant."""
    account = row.account
    return AccountReport(
        key=account.key,
        platform=account.platform,
        name=account.name,
        standing=account.standing,
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
        errors=[ReportedError(at=each.at, error=each.error) for each in row.errors],
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


def _source_status(outlook: LaneStatus, may_be_asked: bool) -> SourceStatus:
    return SourceStatus(
        paused_until=outlook.paused_until,
        closed_until=outlook.closed_until,
        held_by=outlook.holder,
        contact_missing=not may_be_asked,
    )


def _not_found_message(name: str, users: list[UserNames]) -> str:
    """Why there is nothing to show: the user is unknown, or no run has met his account yet."""
    for user in users:
        for site, names in user.names.items():
            if any(usernames.normalize_username(site, each) is not None for each in names):
                return (
                    f"{user.user_id!r} has linked a name on {site}, but no run has met it yet: "
                    f"`python -m chesscoach.jobs.sync_games --user {user.user_id}`"
                )
    if users:
        return (
            f"{users[0].user_id!r} has linked nothing that could be a name on a site: "
            "`chesscoach accounts list` shows it"
        )
    return (
        f"no account {name[:80]!r}: looked for a name on Lichess or Chess.com, a user_id, and a "
        "key such as lichess:ann; `chesscoach accounts list` shows who has linked what"
    )


def to_panel(shown: AccountReport) -> Panel:
    """An account for people: a line for each thing worth knowing."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in _lines(shown):
        grid.add_row(label, Text(value))
    return Panel(grid, title=Text(shown.key), title_align="left", expand=False)


def _lines(shown: AccountReport) -> list[tuple[str, str]]:
    lines = [("site", shown.platform), ("name", shown.name), ("standing", _status_text(shown))]
    lines += [("linked by", _user_text(user)) for user in shown.users] or [("linked by", "nobody")]
    if shown.platform == "lichess":
        lines.append(
            (
                "newest game",
                f"began {_format_instant(shown.cursor)}" if shown.cursor else "none yet",
            )
        )
        lines += [
            ("unfinished", f"{game.id}, since {_format_instant(game.started_at)}")
            for game in shown.unfinished_games
        ] or [("unfinished", "no game is followed")]
    else:
        lines.append(("open months", ", ".join(shown.open_months) or "none yet: a first sync"))
        lines.append(("sealed months", ", ".join(shown.sealed_months) or "none"))
        lines += [("gone months", ", ".join(shown.gone_months))] if shown.gone_months else []
    lines.append(
        ("checked", f"{shown.tier}; last active {_format_instant(shown.active_at, 'unknown')}")
    )
    lines.append(("last check", _format_instant(shown.checked_at, "never")))
    lines.append(("failures", _failures_text(shown)))
    lines += [
        ("error", f"{_format_instant(each.at)}: {each.error}") for each in reversed(shown.errors)
    ]
    lines.append(("next due", _due_text(shown)))
    lines += [("site now", said) for said in _source_lines(shown.site)]
    return lines


def _status_text(shown: AccountReport) -> str:
    absent = f"; not known at the last {shown.absent} checks" if shown.absent else ""
    return shown.standing + absent


def _user_text(user: LinkedUser) -> str:
    return (
        f"{user.user_id} as {user.name}, {'joined' if user.joined else 'waits for his back-fill'}"
    )


def _failures_text(shown: AccountReport) -> str:
    aside = (
        f"; set aside until {_format_instant(shown.set_aside_until)}"
        if shown.set_aside_until
        else ""
    )
    return f"{shown.failures} in a row{aside}" if shown.failures else "none"


def _due_text(shown: AccountReport) -> str:
    if not shown.users:
        return "never: nobody links it"
    return (
        f"now (since {_format_instant(shown.due_at)})"
        if shown.due
        else _format_instant(shown.due_at)
    )


def _source_lines(site: SourceStatus) -> list[str]:
    said = []
    if site.contact_missing:
        said.append("not asked: it wants [sources] contact to be set")
    if site.closed_until:
        said.append(f"closed: left alone until {_format_instant(site.closed_until)}")
    if site.paused_until:
        said.append(f"paused until {_format_instant(site.paused_until)}")
    if site.held_by is not None:
        said.append(f"being asked by {site.held_by.get('run_id', 'a run')}")
    return said


def _format_instant(instant: datetime | None, otherwise: str = "") -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC" if instant else otherwise
