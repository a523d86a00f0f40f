"""Chess.com: one conditional request for each month of an account that may still change."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from msgspec.structs import replace

from chesscoach.errors import AccountNotFound, AccountRenamed, BadResponse
from chesscoach.sources.archive_month import ArchiveMonth
from chesscoach.sources.game import Game, Platform
from chesscoach.sync import archive_months, game_identity, polling, usernames
from chesscoach.sync.account import Account, AccountLink
from chesscoach.sync.account_check import AccountCheck
from chesscoach.sync.context import SyncContext
from chesscoach.sync.facts import BackfillDone, CheckFinished, Fact, MonthFetched
from chesscoach.sync.store.account_documents import AccountQuery
from chesscoach.sync.unfinished_games import FollowUp

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
        """Each newcomer's own backfill, the open months of the account, and a sealed one."""
        links = check.account.backfilled_links
        for link in check.account.new_links:
            async with aclosing(self._backfill(check, link)) as facts:
                async for fact in facts:
                    yield fact
        for month in _months_to_ask(check) if links else []:
            account = check.account
            if month not in account.gone_months:
                sealed = account.sealed_months.get(month)
                etag = sealed.etag if sealed else account.etags.get(month)
                response = await self._fetch_month(account, month, etag)
                yield MonthFetched(
                    links=links,
                    games=response.games,
                    unreadable=response.unreadable,
                    month=month,
                    response=response,
                )
        yield CheckFinished()

    async def _backfill(self, check: AccountCheck, link: AccountLink) -> AsyncGenerator[Fact]:
        """A newcomer's backfill, the newest month first.

        The ETags stand for the games of all users: they are kept only if the account is new.
        """
        first_sync, is_new = link.first_sync_from is None, check.account.first_month is None
        start = link.first_sync_from or archive_months.months_before(
            check.begun, self._settings.first_months
        )
        oldest_month = (
            archive_months.month_of(start) if first_sync else archive_months.first_open_month(start)
        )
        oldest_game_at = start if first_sync else link.oldest_game_at
        left = self._settings.first_games
        months = archive_months.month_range(oldest_month, archive_months.month_of(check.begun))
        for month in reversed(list(months)):
            if month in check.account.gone_months:
                continue
            response = await self._fetch_month(check.account, month, None)
            games = response.games
            if first_sync:
                recent = [game for game in games if game.ended_at >= start]
                games = tuple(game_identity.newest_games(recent, left))
                left -= len(games)
            yield MonthFetched(
                links=(link,),
                games=games,
                first_sync=first_sync,
                unreadable=response.unreadable,
                month=month,
                response=response,
                complete=is_new,
            )
            if first_sync and left == 0:
                oldest_game_at = min((game.ended_at for game in games), default=start)
                break
        yield BackfillDone(user_id=link.user_id, oldest_game_at=oldest_game_at)

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


def _months_to_ask(check: AccountCheck) -> list[str]:
    """The months that may still change, and a sealed one that it is time to verify."""
    account, begun = check.account, check.begun
    first = account.first_month or archive_months.first_open_month(begun)
    months = list(archive_months.month_range(first, archive_months.month_of(begun)))
    sealed = polling.month_to_verify(account, begun)
    return months if sealed is None else [*months, sealed]


def _belongs_to_other_player(account: Account, games: Iterable[Game]) -> bool:
    """Whether the games under this name are all those of one other player."""
    sides = [side for game in games for side in (game.white, game.black)]
    named = {side.key for side in sides if side.key and side.name.lower() == account.name}
    known = account.player_key is None or any(side.key == account.player_key for side in sides)
    return not known and len(named) == 1
