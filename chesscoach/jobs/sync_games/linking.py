"""Whom we sync: the names that users have linked, as accounts of ours.

The application only writes names into its users. Here each becomes an account with its links; a
name taken out or changed leaves its account; a name that no site could have is refused.
"""

from datetime import datetime, timedelta

from msgspec import Struct

from chesscoach import log
from chesscoach.context import Context
from chesscoach.models import Account, Link, Platform
from chesscoach.rules import cadence, months, usernames
from chesscoach.runner.job import Run
from chesscoach.store.users import UserRow

_FIRST_YEAR = 2007
"""Chess.com's first; Lichess is younger."""

_AHEAD = timedelta(minutes=5)
"""What another machine's clock may differ; a time further ahead is no time of a sync."""

SITES: tuple[Platform, ...] = ("lichess", "chess.com")


class Changes(Struct, kw_only=True):
    """What a page of users asks of the accounts."""

    new: dict[str, Account] = {}
    joining: list[tuple[str, Link]] = []
    leaving: list[tuple[str, str]] = []


async def link_accounts(ctx: Context, run: Run, user_id: str | None) -> dict[Platform, int]:
    """Brings the accounts in line with the users; returns how many were made, by site.

    Refused names are counted as candidates that were skipped.
    """
    made = dict.fromkeys(SITES, 0)
    async for page in ctx.store.users.linked(user_id):
        wanted = {user.user_id: _accounts_of(run, user) for user in page}
        changes = await _compare(ctx, page, wanted)
        for account in changes.new.values():
            made[account.platform] += 1
        if not run.dry_run:
            await ctx.store.accounts.ensure(changes.new.values(), changes.joining, changes.leaving)
    if not run.dry_run:
        await _let_go(ctx, user_id)
    return made


async def _let_go(ctx: Context, user_id: str | None) -> None:
    """Takes users off the accounts who are gone, or name nothing any more; games stay."""
    async for page in ctx.store.accounts.links(user_id):
        named = await ctx.store.users.naming({user for _, user in page})
        await ctx.store.accounts.ensure(
            [], [], [(key, user) for key, user in page if user not in named]
        )


def _accounts_of(run: Run, user: UserRow) -> dict[str, tuple[Platform, str, str]]:
    """The accounts that a user names: by key, the site, the name and his spelling of it."""
    found: dict[str, tuple[Platform, str, str]] = {}
    for site, given in user.names.items():
        name, spelling = next(
            ((name, text) for text in given if (name := usernames.normal(site, text))), ("", "")
        )
        if not name:
            run.counts.candidates += 1
            run.counts.skipped += 1
            run.counts.note("refused_names")
            log.get_logger().warning("name_refused", user_id=user.user_id, platform=site)
        else:
            found[f"{site}:{name}"] = (site, name, spelling.strip())
    return found


async def _compare(
    ctx: Context, page: list[UserRow], wanted: dict[str, dict[str, tuple[Platform, str, str]]]
) -> Changes:
    keys = list({key for accounts in wanted.values() for key in accounts})
    rows = {
        account.key: account for account in await ctx.store.accounts.of_users(keys, list(wanted))
    }
    ours = {link.user_id for row in rows.values() if row.checked_at for link in row.links}
    changes = Changes(new={}, joining=[], leaving=[])
    for user in page:
        # What the application fetched before counts only until we have synced him ourselves.
        since = None if user.user_id in ours else _believable(ctx, user.last_sync)
        for key, (site, name, spelling) in wanted[user.user_id].items():
            link = Link(user_id=user.user_id, name=spelling, since=since)
            _join(ctx, changes, rows.get(key), key, site, name, link)
    for row in rows.values():
        for link in row.links:
            if link.user_id in wanted and row.key not in wanted[link.user_id]:
                changes.leaving.append((row.key, link.user_id))
    return changes


def _believable(ctx: Context, last_sync: datetime | None) -> datetime | None:
    """When the application last synced a user: not before the sites were, and not in the future."""
    if last_sync is None or last_sync.year < _FIRST_YEAR or last_sync > ctx.now() + _AHEAD:
        return None
    return last_sync


def _join(  # the row is there, is made on this page, or is to be made
    ctx: Context,
    changes: Changes,
    row: Account | None,
    key: str,
    site: Platform,
    name: str,
    link: Link,
) -> None:
    if row is not None:
        if all(there.user_id != link.user_id for there in row.links):
            changes.joining.append((key, link))
        return
    made = changes.new.get(key) or Account(
        key=key, platform=site, name=name, links=(), created_at=ctx.now()
    )
    changes.new[key] = _begin(made, (*made.links, link))


def _begin(account: Account, links: tuple[Link, ...]) -> Account:
    """A new account: users whose games the application fetched so far go on from there."""
    known = [link.since for link in links if link.since is not None]
    start = min(known) if known else None
    return Account(
        key=account.key,
        platform=account.platform,
        name=account.name,
        created_at=account.created_at,
        links=tuple(
            Link(user_id=link.user_id, name=link.name, since=link.since, joined=bool(link.since))
            for link in links
        ),
        cursor=start if account.platform == "lichess" else None,
        first_month=months.first_open(start - cadence.OVERLAP)
        if start and account.platform == "chess.com"
        else None,
    )
