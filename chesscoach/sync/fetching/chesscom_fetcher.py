"""Chess.com: one conditional request for each month of an account that may still change."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import datetime

from msgspec.structs import replace

from chesscoach.errors import AccountNotFound, AccountRenamed, BadResponse
from chesscoach.sources.archive_month import ArchiveMonth
from chesscoach.sources.game import Game, Platform
from chesscoach.sync import game_identity, polling, usernames
from chesscoach.sync.account import Account, AccountLink
from chesscoach.sync.context import SyncContext
from chesscoach.sync.fetching import archive_months
from chesscoach.sync.fetching.account_check import AccountCheck
from chesscoach.sync.fetching.facts import (
    BackfillDone,
    CheckFinished,
    Fact,
    GamesFetched,
    MonthFetched,
)
from chesscoach.sync.fetching.unfinished_games import FollowUp
from chesscoach.sync.month_requests import MAX_FAILURES_IN_ROW, MonthRequests
from chesscoach.sync.store.account_documents import AccountQuery

_MAX_REDIRECTS = 5
"""Names that a redirect may lead on to."""


class ChesscomFetcher:
    """A `fetcher.Fetcher`; the source has no request for several accounts at once."""

    platform: Platform = "chess.com"
    batch_size = 1

    def __init__(self, ctx: SyncContext) -> None:
        self._settings = ctx.settings
        self._chesscom = ctx.chesscom
        self.source = ctx.chesscom.client

    async def prefetch(self, wanted: AccountQuery) -> AsyncGenerator[FollowUp]:
        """Nothing: every account is asked for by itself."""
        follow_ups: tuple[FollowUp, ...] = ()
        for follow_up in follow_ups:
            yield follow_up

    async def prepare(self, accounts: list[Account]) -> None:
        """Nothing, likewise."""

    async def check(self, check: AccountCheck) -> AsyncGenerator[Fact]:
        """The newcomers' first syncs, then the months that may have changed, the oldest first.

        A month is asked for once, for all who wait for it. If one does not come, the others are
        asked for all the same; the check then fails, so the month is asked for again.
        """
        changed = _ChangedMonths(check)
        firsts = self._first_months(check) if _first_syncs(check) else []
        months = MonthRequests(self._fetch_month, check, {*firsts}.intersection(changed.months))
        for facts in (self._first_syncs(check, months), changed.fetch(months)):
            async with aclosing(facts):
                async for fact in facts:
                    yield fact
        months.raise_failure()
        yield CheckFinished()

    async def _first_syncs(
        self, check: AccountCheck, months: MonthRequests
    ) -> AsyncGenerator[Fact]:
        """The newest games of the last months, for all newcomers who were never synced.

        The months are asked for from the newest on, as far as needed. Their games are stored
        together, so that the newest are analysed and all are imported in the order of their ends.
        """
        links = _first_syncs(check)
        if not links:
            return
        is_new = check.account.first_month is None
        start = self._first_sync_start(check)
        left, games = self._settings.first_games, list[Game]()
        fetched: list[MonthFetched] = []
        for month in reversed(self._first_months(check)):
            response = await months.response(month, None)
            if response is None:
                continue
            recent = [game for game in response.games if game.ended_at >= start]
            newest = game_identity.newest_games(recent, left)
            games += newest
            left -= len(newest)
            # The ETags stand for the games of all users: they are kept only if the account is new.
            fetched.append(
                MonthFetched(
                    links=(),
                    unreadable=response.unreadable,
                    month=month,
                    response=replace(response, games=tuple(newest)),
                    complete=is_new,
                )
            )
            if left == 0:
                start = min((game.ended_at for game in games), default=start)
                break
        yield GamesFetched(links=links, games=tuple(games), first_sync=True)
        for fact in fetched:
            yield fact
        if not months.failed:
            for link in links:
                yield BackfillDone(user_id=link.user_id, oldest_game_at=start)

    def _first_sync_start(self, check: AccountCheck) -> datetime:
        return archive_months.months_before(check.begun, self._settings.first_months)

    def _first_months(self, check: AccountCheck) -> list[str]:
        first = archive_months.month_of(self._first_sync_start(check))
        return _months_since(first, check.begun)

    async def _fetch_month(self, account: Account, month: str, etag: str | None) -> ArchiveMonth:
        """A month's response, refused if it belongs to another player.

        Raises:
            AccountNotFound: the name belongs to another player now.
            AccountRenamed: the player has another name, under which the source has their games.
        """
        try:
            response = await self._chesscom.month(account.name, month, etag)
        except AccountRenamed as renamed:
            raise await self._resolve_rename(account, renamed, month) from None
        if _belongs_to_other_player(account, response.games):
            msg = "the name belongs to another player now"
            raise AccountNotFound(msg)
        return response

    async def _resolve_rename(
        self, account: Account, renamed: AccountRenamed, month: str
    ) -> AccountRenamed:
        """Follows a redirect to its end, before anything about the account or its users changes.

        Raises:
            BadResponse: it leads to no name.
            AccountNotFound: it leads to another player.
        """
        seen = {account.name}
        while True:
            name = usernames.normalize_username(self.platform, renamed.name)
            if name is None or name in seen or len(seen) > _MAX_REDIRECTS:
                msg = "a redirect that leads to no other name that a player can have"
                raise BadResponse(msg)
            seen.add(name)
            try:
                response = await self._chesscom.month(name, month, None)
            except AccountRenamed as further:
                renamed = further
                continue
            if _belongs_to_other_player(replace(account, name=name), response.games):
                msg = "the name leads to another player now"
                raise AccountNotFound(msg)
            return renamed


class _ChangedMonths:
    """The account's open months, a sealed one, and the months that its newcomers lack.

    These newcomers are those whose games the application has fetched up to an instant.
    """

    def __init__(self, check: AccountCheck) -> None:
        account = self._account = check.account
        self._check = check
        self._is_new = account.first_month is None
        self._ours = _months_to_ask(check) if account.backfilled_links else []
        self._lacking = {
            link: _months_since(archive_months.first_open_month(link.first_sync_from), check.begun)
            for link in account.new_links
            if link.first_sync_from is not None
        }
        lacking = (month for months in self._lacking.values() for month in months)
        sealed = account.sealed_months
        self.months = sorted({*self._ours, *lacking}, key=lambda month: (month in sealed, month))

    async def fetch(self, months: MonthRequests) -> AsyncGenerator[Fact]:
        """The facts of the months, the oldest first, and last of the sealed ones.

        If there are many, the newest is asked for first: what the player does now must not wait for
        old months that never come.
        """
        newest = archive_months.month_of(self._check.begun)
        early: dict[str, ArchiveMonth | None] = {}
        if newest in self.months and len(self.months) > MAX_FAILURES_IN_ROW:
            early[newest] = await self._ask(months, newest)
        for month in self.months:
            response = early[month] if month in early else await self._ask(months, month)
            waiting, mine = self._waiting_for(month), month in self._ours
            sealed = self._check.account.sealed_months.get(month)
            if response is None and sealed and months.is_any_answered:
                response = ArchiveMonth(changed=False, etag=sealed.etag)  # the next has its turn
            if response is not None:
                yield MonthFetched(
                    links=(*(self._account.backfilled_links if mine else ()), *waiting),
                    games=response.games,
                    unreadable=response.unreadable,
                    month=month,
                    response=response,
                    complete=mine or self._is_new,
                )
        for link, lacking in self._lacking.items():
            if not months.failed.keys() & set(lacking):
                yield BackfillDone(user_id=link.user_id, oldest_game_at=link.oldest_game_at)

    def _waiting_for(self, month: str) -> tuple[AccountLink, ...]:
        """The newcomers who lack a month."""
        return tuple(link for link, lacking in self._lacking.items() if month in lacking)

    async def _ask(self, months: MonthRequests, month: str) -> ArchiveMonth | None:
        """A month's response; the ETag stands for the games of those who do not lack the month."""
        account = self._check.account
        sealed = account.sealed_months.get(month)
        etag = sealed.etag if sealed else account.etags.get(month)
        return await months.response(month, None if self._waiting_for(month) else etag)


def _first_syncs(check: AccountCheck) -> tuple[AccountLink, ...]:
    """The newcomers who were never synced."""
    return tuple(link for link in check.account.new_links if link.first_sync_from is None)


def _months_since(first: str, begun: datetime) -> list[str]:
    """The months from the first one on, the oldest first."""
    return list(archive_months.month_range(first, archive_months.month_of(begun)))


def _months_to_ask(check: AccountCheck) -> list[str]:
    """The months that may still change, and a sealed one that it is time to verify."""
    account, begun = check.account, check.begun
    months = _months_since(account.first_month or archive_months.first_open_month(begun), begun)
    sealed = polling.month_to_verify(account, begun)
    return months if sealed is None else [*months, sealed]


def _belongs_to_other_player(account: Account, games: Iterable[Game]) -> bool:
    """Whether the games under this name are all those of one other player."""
    sides = [side for game in games for side in (game.white, game.black)]
    named = {side.key for side in sides if side.key and side.name.lower() == account.name}
    known = account.player_key is None or any(side.key == account.player_key for side in sides)
    return not known and len(named) == 1
