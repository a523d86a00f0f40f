"""The one function that folds what a check learns into the account, and what it is made of.

The cursor never lies ahead of the beginning of the check, whatever a game says: what came after it
would be skipped.
"""

from collections.abc import Iterable
from datetime import datetime

from msgspec.structs import replace

from chesscoach.sources.game import Game, UnfinishedGame
from chesscoach.sources.source import SOURCES
from chesscoach.sync import game_identity, polling
from chesscoach.sync.account import Account, SealedMonth
from chesscoach.sync.fetching import archive_months
from chesscoach.sync.fetching.facts import (
    BackfillDone,
    CheckFinished,
    ClosedFound,
    ExportFetched,
    Fact,
    GamesFetched,
    MonthFetched,
    NotFound,
    UnfinishedChecked,
)

MIN_NOT_FOUND_CHECKS = 3
"""Checks in a row in which a source did not know a name, before the account is missing."""

_MAX_UNFINISHED_GAMES = 1000
"""Unfinished games of one account that are followed; no player has as many."""


def apply_fact(account: Account, fact: Fact, begun: datetime) -> Account:
    """The account after a fact of a check that began at `begun`."""
    match fact:
        case UnfinishedChecked():
            account = replace(account, unfinished_games=fact.unfinished)
            return _with_activity(account, fact.games, begun)
        case ExportFetched():
            account = with_unfinished(mark_found(account), fact.unfinished)
            return _with_activity(_with_cursor(account, fact.cursor, begun), fact.games, begun)
        case MonthFetched():
            return _after_month(mark_found(account), fact, begun)
        case GamesFetched():
            return mark_found(account)
        case BackfillDone():
            return _after_backfill(mark_found(account), fact, begun)
        case CheckFinished():
            by_month = SOURCES[account.platform].by_month
            finish = _finish_by_month if by_month else _finish_by_cursor
            return replace(finish(mark_found(account), fact, begun), checked_at=begun)
        case ClosedFound():
            return replace(account, not_found_checks=0, status="closed", checked_at=begun)
        case NotFound():
            return _after_not_found(account, begun)
    return account


def mark_found(account: Account) -> Account:
    """The account after the source answered for it."""
    if account.status == "active":
        return replace(account, not_found_checks=0)
    return replace(
        account,
        not_found_checks=0,
        status="active",
        lapse_count=account.lapse_count + 1,
        links=tuple(replace(link, notified_status="active") for link in account.links),
    )


def with_unfinished(account: Account, unfinished: Iterable[UnfinishedGame]) -> Account:
    """The account, which follows these games as well."""
    followed = {game.external_id: game for game in (*account.unfinished_games, *unfinished)}
    return replace(account, unfinished_games=tuple(followed.values())[:_MAX_UNFINISHED_GAMES])


def _after_not_found(account: Account, begun: datetime) -> Account:
    """The check is complete only if the account counts as missing."""
    checks = account.not_found_checks + 1
    account = replace(account, not_found_checks=checks)
    if account.status != "missing" and checks < MIN_NOT_FOUND_CHECKS:
        return account
    return replace(account, status="missing", checked_at=begun)


def _with_cursor(account: Account, cursor: datetime | None, begun: datetime) -> Account:
    instants = [instant for instant in (account.cursor, cursor) if instant is not None]
    return replace(account, cursor=min(max(instants), begun)) if instants else account


def _with_activity(account: Account, games: Iterable[Game], begun: datetime) -> Account:
    newest = max([*(game.ended_at for game in games), account.active_at or account.created_at])
    return replace(account, active_at=min(newest, begun))


def _after_backfill(account: Account, fact: BackfillDone, begun: datetime) -> Account:
    links = tuple(
        replace(link, backfilled=True, oldest_game_at=fact.oldest_game_at)
        if link.user_id == fact.user_id
        else link
        for link in account.links
    )
    account = with_unfinished(_with_cursor(account, fact.cursor, begun), fact.unfinished)
    monthly = SOURCES[account.platform].by_month
    return replace(
        account,
        links=links,
        first_month=account.first_month or archive_months.first_open_month(begun)
        if monthly
        else None,
    )


def _after_month(account: Account, fact: MonthFetched, begun: datetime) -> Account:
    """After a month's response: its ETag, the player's identity, the newest game."""
    response, month = fact.response, fact.month
    etags, sealed, gone = dict(account.etags), dict(account.sealed_months), account.gone_months
    # A game that could not be read is asked for again.
    etag = "" if response.unreadable else response.etag or ""
    if response.gone:
        if month < archive_months.first_open_month(begun):  # one that still gets games is not gone
            gone = (*gone, month)
            etags.pop(month, None)
            sealed.pop(month, None)
    elif fact.complete and month in sealed:
        sealed[month] = SealedMonth(etag=etag, checked_at=begun)
    elif fact.complete:
        etags[month] = etag
    account = replace(
        account,
        etags=etags,
        sealed_months=sealed,
        gone_months=gone,
        player_key=account.player_key or _player_key(account, response.games),
    )
    return _with_activity(account, response.games, begun)


def _player_key(account: Account, games: Iterable[Game]) -> str | None:
    """The source's own id of the player, by the newest game under this name."""
    for game in game_identity.newest_games(games, 1):
        for side in (game.white, game.black):
            if side.name.lower() == account.name:
                return side.key
    return None


def _finish_by_month(account: Account, fact: CheckFinished, begun: datetime) -> Account:
    """Months that should change no more are sealed, and the oldest are forgotten."""
    first = archive_months.first_open_month(begun)
    sealed = account.sealed_months | {
        month: SealedMonth(etag=etag, checked_at=begun)
        for month, etag in account.etags.items()
        if month < first
    }
    return replace(
        account,
        first_month=max(first, account.first_month or first),
        etags={month: etag for month, etag in account.etags.items() if month >= first},
        sealed_months=dict(sorted(sealed.items())[-polling.VERIFIED_MONTHS :]),
        active_at=account.active_at or account.created_at,
    )


def _finish_by_cursor(account: Account, fact: CheckFinished, begun: datetime) -> Account:
    signs = [account.created_at, account.active_at, fact.seen_at]
    settled_at = None if fact.exported else account.fingerprint_at
    return replace(
        account,
        fingerprint=fact.fingerprint,
        fingerprint_at=settled_at or begun,
        active_at=min(max(sign for sign in signs if sign is not None), begun),
    )
