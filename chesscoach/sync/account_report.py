"""What an operator is shown of an account: how it stands, how far it is, what comes next.

The fields of `Portrait` are what scripts read: they stay.
"""

from datetime import datetime
from typing import Any, get_args

from msgspec import Struct
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.players.store.users import UserRow
from chesscoach.sources.game import Platform
from chesscoach.sync import archive_months, polling, usernames
from chesscoach.sync.account import Account, Standing
from chesscoach.sync.store.account_documents import Row
from chesscoach.sync.store.lanes import Outlook


class UserShown(Struct, frozen=True, kw_only=True):
    """A user who links the account, as he spells it; `joined`: his own back-fill is complete."""

    user_id: str
    name: str
    joined: bool


class GameShown(Struct, frozen=True, kw_only=True):
    """A game that is followed until it ends."""

    id: str
    started_at: datetime


class ErrorShown(Struct, frozen=True, kw_only=True):
    """Why a check failed, and when."""

    at: datetime
    error: str


class SiteShown(Struct, frozen=True, kw_only=True):
    """How the account's site may be asked now; `held_by` is whoever is asking it."""

    paused_until: datetime | None = None
    closed_until: datetime | None = None
    held_by: dict[str, Any] | None = None
    contact_missing: bool = False


class Portrait(Struct, frozen=True, kw_only=True):
    """One account. Instants are UTC, and None where there is none yet.

    `cursor` is the start of the newest Lichess game that is stored. `open_months` are Chess.com's
    that may still change, `sealed_months` those that are looked at again now and then,
    `gone_months` those that the site wants never to be asked for again. `absent` counts checks in
    a row in which the site did not know the name, `failures` those that failed.
    """

    key: str
    platform: Platform
    name: str
    standing: Standing
    absent: int
    users: list[UserShown]
    cursor: datetime | None
    open_months: list[str]
    sealed_months: list[str]
    gone_months: list[str]
    unfinished_games: list[GameShown]
    tier: str
    active_at: datetime | None
    checked_at: datetime | None
    failures: int
    set_aside_until: datetime | None
    errors: list[ErrorShown]
    due_at: datetime
    due: bool
    site: SiteShown


async def paint(ctx: Context, name: str) -> list[Portrait]:
    """The accounts of a name on either site, of a user_id, or of a key such as `lichess:ann`.

    Raises:
        ConfigError: there is none; the message says what was looked for and what to do.
    """
    name = name.strip()
    rows = await ctx.store.accounts.named(name)
    if not rows:
        site, _, rest = name.partition(":")
        bare = rest if site.lower() in get_args(Platform) else name
        raise ConfigError(_nobody(name, await ctx.store.users.called(bare)))
    sites = {row.account.platform: SiteShown() for row in rows}
    for platform in sites:
        outlook = await ctx.store.lane(platform).look()
        sites[platform] = _site(outlook, platform == "lichess" or bool(ctx.config.sources.contact))
    return [portrait(row, sites[row.account.platform], ctx.now()) for row in rows]


def portrait(row: Row, site: SiteShown, now: datetime) -> Portrait:
    """What a row says at an instant."""
    account = row.account
    return Portrait(
        key=account.key,
        platform=account.platform,
        name=account.name,
        standing=account.standing,
        absent=account.absent,
        users=[
            UserShown(user_id=link.user_id, name=link.name, joined=link.joined)
            for link in account.links
        ],
        cursor=account.cursor,
        open_months=_open_months(account, now),
        sealed_months=sorted(account.sealed),
        gone_months=sorted(account.gone),
        unfinished_games=[
            GameShown(id=game.external_id, started_at=game.started_at) for game in account.pending
        ],
        tier=polling.tier(account, now).name,
        active_at=account.active_at,
        checked_at=account.checked_at,
        failures=row.failures,
        set_aside_until=polling.aside_until(row.failures, row.due_at, now),
        errors=[ErrorShown(at=each.at, error=each.error) for each in row.errors],
        due_at=row.due_at,
        due=bool(account.links) and row.due_at <= now,
        site=site,
    )


def _open_months(account: Account, now: datetime) -> list[str]:
    if account.first_month is None:
        return []
    return [
        m
        for m in archive_months.span(account.first_month, archive_months.of(now))
        if m not in account.gone
    ]


def _site(outlook: Outlook, may_be_asked: bool) -> SiteShown:
    return SiteShown(
        paused_until=outlook.paused_until,
        closed_until=outlook.closed_until,
        held_by=outlook.holder,
        contact_missing=not may_be_asked,
    )


def _nobody(name: str, users: list[UserRow]) -> str:
    """Why there is nothing to show: the user is unknown, or no run has met his account yet."""
    for user in users:
        for site, names in user.names.items():
            if any(usernames.normal(site, each) is not None for each in names):
                return (
                    f"{user.user_id!r} has linked a name on {site}, but no run has met it yet: "
                    f"`python -m chesscoach.jobs.sync_games --user {user.user_id}`"
                )
    if users:
        return (
            f"{users[0].user_id!r} has linked nothing that could be a name on a site: "
            "`chesscoach account list` shows it"
        )
    return (
        f"no account {name[:80]!r}: looked for a name on Lichess or Chess.com, a user_id, and a "
        "key such as lichess:ann; `chesscoach account list` shows who has linked what"
    )


def panel(shown: Portrait) -> Panel:
    """An account for people: a line for each thing worth knowing."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in _lines(shown):
        grid.add_row(label, Text(value))
    return Panel(grid, title=Text(shown.key), title_align="left", expand=False)


def _lines(shown: Portrait) -> list[tuple[str, str]]:
    lines = [("site", shown.platform), ("name", shown.name), ("standing", _standing(shown))]
    lines += [("linked by", _user(user)) for user in shown.users] or [("linked by", "nobody")]
    if shown.platform == "lichess":
        lines.append(("newest game", f"began {_at(shown.cursor)}" if shown.cursor else "none yet"))
        lines += [
            ("unfinished", f"{game.id}, since {_at(game.started_at)}")
            for game in shown.unfinished_games
        ] or [("unfinished", "no game is followed")]
    else:
        lines.append(("open months", ", ".join(shown.open_months) or "none yet: a first sync"))
        lines.append(("sealed months", ", ".join(shown.sealed_months) or "none"))
        lines += [("gone months", ", ".join(shown.gone_months))] if shown.gone_months else []
    lines.append(("checked", f"{shown.tier}; last active {_at(shown.active_at, 'unknown')}"))
    lines.append(("last check", _at(shown.checked_at, "never")))
    lines.append(("failures", _failures(shown)))
    lines += [("error", f"{_at(each.at)}: {each.error}") for each in reversed(shown.errors)]
    lines.append(("next due", _due(shown)))
    lines += [("site now", said) for said in _site_now(shown.site)]
    return lines


def _standing(shown: Portrait) -> str:
    absent = f"; not known at the last {shown.absent} checks" if shown.absent else ""
    return shown.standing + absent


def _user(user: UserShown) -> str:
    return (
        f"{user.user_id} as {user.name}, {'joined' if user.joined else 'waits for his back-fill'}"
    )


def _failures(shown: Portrait) -> str:
    aside = f"; set aside until {_at(shown.set_aside_until)}" if shown.set_aside_until else ""
    return f"{shown.failures} in a row{aside}" if shown.failures else "none"


def _due(shown: Portrait) -> str:
    if not shown.users:
        return "never: nobody links it"
    return f"now (since {_at(shown.due_at)})" if shown.due else _at(shown.due_at)


def _site_now(site: SiteShown) -> list[str]:
    said = []
    if site.contact_missing:
        said.append("not asked: it wants [sources] contact to be set")
    if site.closed_until:
        said.append(f"closed: left alone until {_at(site.closed_until)}")
    if site.paused_until:
        said.append(f"paused until {_at(site.paused_until)}")
    if site.held_by is not None:
        said.append(f"being asked by {site.held_by.get('run_id', 'a run')}")
    return said


def _at(instant: datetime | None, otherwise: str = "") -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC" if instant else otherwise
