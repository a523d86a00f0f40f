"""The names that users have linked, as accounts.

The application only writes names into its users. Here each name becomes an account with its links.
A user who removes or changes a name leaves its account. A name that no source can have is refused.
"""

from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from chesscoach import log
from chesscoach.players.store.users import UserNames
from chesscoach.sources.game import Platform
from chesscoach.sources.source import SOURCES
from chesscoach.sync import polling, usernames
from chesscoach.sync.account import Account, AccountLink
from chesscoach.sync.context import SyncContext
from chesscoach.sync.fetching import archive_months
from chesscoach.worker.job import Run
from chesscoach.worker.shutdown import ShutdownRequest

_FIRST_YEAR = 2007
"""Chess.com's first; Lichess is younger."""

_MAX_CLOCK_SKEW = timedelta(minutes=5)
"""What another machine's clock may differ; a time further ahead is no time of a sync."""


class LinkChanges(Struct, kw_only=True):
    """What a page of users asks of the accounts."""

    new: dict[str, Account] = {}
    joining: list[tuple[str, AccountLink]] = []
    leaving: list[tuple[str, str]] = []
    respelled: list[tuple[str, str, str]] = []


async def link_accounts(
    ctx: SyncContext, run: Run, user_id: str | None, begun: datetime
) -> dict[Platform, int]:
    """Brings the accounts in line with the users; returns how many were made, by source.

    New accounts are due since `begun`: after those that have waited for longer, so that a crowd of
    newcomers delays no other account. Refused names are counted as candidates that were skipped.
    """
    made = dict.fromkeys(SOURCES, 0)
    if user_id is None and run.shard.index == 0:
        await _count_users_without_id(ctx, run)
        await _count_malformed_accounts(ctx, run)
    async for page in ctx.users.linked_users(user_id, run.shard):
        wanted = {user.user_id: _accounts_of(run, user) for user in page}
        changes = await _link_changes(ctx, page, wanted, begun)
        for account in changes.new.values():
            made[account.platform] += 1
        if not run.dry_run:
            refused = await ctx.accounts.ensure(
                changes.new.values(), changes.joining, changes.leaving, begun
            )
            _count_refused(run, refused)
            await ctx.accounts.respell(changes.respelled)
    if not run.dry_run:
        await _unlink_missing(ctx, run, user_id, begun)
    return made


async def link_user(ctx: SyncContext, user_id: str) -> None:
    """Brings the accounts in line with one user at once, as the next sync would."""
    run = Run("link", slot=None, manual=True, dry_run=False, stop=ShutdownRequest())
    await link_accounts(ctx, run, user_id, ctx.now())


async def _count_users_without_id(ctx: SyncContext, run: Run) -> None:
    """Users whose user_id is not a text belong to no run: they are counted and left out."""
    if count := await ctx.users.count_without_id():
        run.counts.candidates += count
        run.counts.skipped += count
        run.counts.note("invalid_user_ids", count)


async def _count_malformed_accounts(ctx: SyncContext, run: Run) -> None:
    """Accounts that no run selects are counted and left out, as others that cannot be read."""
    if count := await ctx.accounts.count_malformed():
        run.counts.candidates += count
        run.counts.skipped += count
        run.counts.note("unreadable_accounts", count)


def _count_refused(run: Run, accounts: list[str]) -> None:
    """Accounts that cannot be stored fail; those of all other users are synced."""
    for key in accounts:
        error = "a unique index that is not ours refuses the account: see `chesscoach db check`"
        run.counts.candidates += 1
        run.counts.failed += 1
        run.counts.add_error(account=key, error=error)
        log.get_logger().warning("account_not_stored", account=key, error=error)


async def _unlink_missing(ctx: SyncContext, run: Run, user_id: str | None, begun: datetime) -> None:
    """Takes users off the accounts who are gone, or name nothing any more; games stay."""
    async for page in ctx.accounts.links(user_id, run.shard):
        named = await ctx.users.with_accounts({user for _, user in page})
        await ctx.accounts.ensure(
            [], [], [(key, user) for key, user in page if user not in named], begun
        )


def _accounts_of(run: Run, user: UserNames) -> dict[str, tuple[Platform, str, str]]:
    """The accounts that a user names: by key, the source, the name and how the user spells it."""
    accounts: dict[str, tuple[Platform, str, str]] = {}
    for source, given in user.names.items():
        name, spelling = next(
            (
                (name, text)
                for text in given
                if (name := usernames.normalize_username(source, text))
            ),
            ("", ""),
        )
        if not name:
            run.counts.candidates += 1
            run.counts.skipped += 1
            run.counts.note("invalid_usernames")
            log.get_logger().warning("username_invalid", user_id=user.user_id, platform=source)
        else:
            accounts[f"{source}:{name}"] = (source, name, spelling.strip())
    return accounts


async def _link_changes(
    ctx: SyncContext,
    page: list[UserNames],
    wanted: dict[str, dict[str, tuple[Platform, str, str]]],
    begun: datetime,
) -> LinkChanges:
    keys = list({key for accounts in wanted.values() for key in accounts})
    found = await ctx.accounts.find_for_users(keys, list(wanted))
    known = {account.key: account for account in found.accounts}
    unreadable = {str(key) for key in found.unreadable}
    ours = {
        link.user_id for account in known.values() if account.checked_at for link in account.links
    }
    spelled = {
        key: {link.user_id: link.name for link in account.links} for key, account in known.items()
    }
    changes = LinkChanges(new={}, joining=[], leaving=[], respelled=[])
    for user in page:
        # What the application fetched before counts only until we have synced the user ourselves.
        since = None if user.user_id in ours else _takeover_start(ctx, user.last_sync, begun)
        for key, (source, name, spelling) in wanted[user.user_id].items():
            if key in unreadable:
                continue  # the document stays as it is
            link = new_link(source, user.user_id, spelling, since)
            if key not in known:
                made = changes.new.get(key) or Account(
                    key=key, platform=source, name=name, links=(), created_at=begun
                )
                changes.new[key] = new_account(made, (*made.links, link))
                continue
            there = spelled[key].get(link.user_id)
            if there is None:
                changes.joining.append((key, link))
            elif there != spelling:
                changes.respelled.append((key, link.user_id, spelling))
    for account in known.values():
        for link in account.links:
            if link.user_id in wanted and account.key not in wanted[link.user_id]:
                changes.leaving.append((account.key, link.user_id))
    return changes


def _plausible_last_sync(last_sync: datetime | None, begun: datetime) -> datetime | None:
    """When the application last synced a user; None if the sources did not exist, or in future."""
    if last_sync is None or last_sync.year < _FIRST_YEAR or last_sync > begun + _MAX_CLOCK_SKEW:
        return None
    return last_sync


def _takeover_start(
    ctx: SyncContext, last_sync: datetime | None, begun: datetime
) -> datetime | None:
    """From when on a user's games are fetched who was synced before; None for a first sync.

    The application sets the time of the last sync even when it fetched nothing or not all, so the
    months of a first sync are fetched again. Games that are known are not stored twice.
    """
    last_sync = _plausible_last_sync(last_sync, begun)
    if last_sync is None:
        return None
    return min(last_sync, archive_months.months_before(begun, ctx.settings.first_months))


def new_link(source: Platform, user_id: str, spelling: str, since: datetime | None) -> AccountLink:
    """A user's link; games that ended before its start are not stored."""
    floor = None
    if since is not None:
        floor = since - polling.CURSOR_OVERLAP
        if SOURCES[source].by_month:
            floor = archive_months.month_start(archive_months.first_open_month(floor))
    return AccountLink(user_id=user_id, name=spelling, first_sync_from=since, oldest_game_at=floor)


def new_account(account: Account, links: tuple[AccountLink, ...]) -> Account:
    """A new account: users whose games the application has fetched continue from there."""
    known = [link.first_sync_from for link in links if link.first_sync_from is not None]
    start = min(known) if known else None
    monthly = SOURCES[account.platform].by_month
    return replace(
        account,
        links=tuple(replace(link, backfilled=link.first_sync_from is not None) for link in links),
        cursor=start - polling.BACKLOG_WINDOW if start and not monthly else None,
        first_month=archive_months.first_open_month(start - polling.CURSOR_OVERLAP)
        if start and monthly
        else None,
    )
