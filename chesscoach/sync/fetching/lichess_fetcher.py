"""Lichess: a bulk request says who has news, and their games are exported."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import datetime

from msgspec.structs import replace

from chesscoach.errors import AccountClosed, AccountNotFound, SourceError, StreamTruncated
from chesscoach.sources.game import Game, Platform, UnfinishedGame
from chesscoach.sources.lichess import PageEnd
from chesscoach.sources.lichess_payload import ExportItem, UnreadableGame
from chesscoach.sources.lichess_status import LichessStatus
from chesscoach.sync import polling
from chesscoach.sync.account import Account, AccountLink
from chesscoach.sync.context import SyncContext
from chesscoach.sync.fetching import archive_months
from chesscoach.sync.fetching.account_check import AccountCheck
from chesscoach.sync.fetching.facts import (
    BackfillDone,
    CheckFinished,
    ExportFetched,
    Fact,
    MoreToCome,
)
from chesscoach.sync.fetching.unfinished_games import FollowUp, follow_unfinished
from chesscoach.sync.game_store import WRITE_BATCH_SIZE
from chesscoach.sync.store.account_documents import AccountQuery

_MAX_PAGES = 3
"""Pages of games that are fetched of one account before others have their turn."""


class LichessFetcher:
    """A `fetcher.Fetcher`; it knows the players of the last batch."""

    platform: Platform = "lichess"

    def __init__(self, ctx: SyncContext) -> None:
        self._accounts = ctx.accounts
        self._settings = ctx.settings
        self._lichess = ctx.lichess
        self.source = ctx.lichess.client
        self.batch_size = ctx.lichess.bulk
        self._players: dict[str, LichessStatus] = {}

    async def prefetch(self, wanted: AccountQuery) -> AsyncGenerator[FollowUp]:
        """The games that were unfinished last time, of all wanted accounts together."""
        wanted = replace(wanted, unfinished_only=True)
        pages = (page.accounts async for page in self._accounts.due_accounts(wanted))
        async with aclosing(follow_unfinished(self._lichess, pages)) as follow_ups:
            async for follow_up in follow_ups:
                yield follow_up

    async def prepare(self, accounts: list[Account]) -> None:
        """Asks in bulk which players exist and who has news."""
        self._players = await self._lichess.players([account.name for account in accounts])

    async def check(self, check: AccountCheck) -> AsyncGenerator[Fact]:
        """The games of one account since its cursor, and each newcomer's own backfill."""
        account = check.account
        player = self._players.get(account.name)
        if player is None:
            msg = "Lichess knows no such player"
            raise AccountNotFound(msg)
        if player.closed:
            msg = "Lichess says that the account is closed"
            raise AccountClosed(msg)
        exported = _has_news(account, player, check.begun)
        if exported:
            async with aclosing(self._games_since_cursor(check)) as facts:
                async for fact in facts:
                    yield fact
        new_links = check.account.new_links
        takeovers = tuple(link for link in new_links if link.first_sync_from is not None)
        first_syncs = tuple(link for link in new_links if link.first_sync_from is None)
        for facts in (self._takeover(check, takeovers), self._first_sync(check, first_syncs)):
            async with aclosing(facts):
                async for fact in facts:
                    yield fact
        yield CheckFinished(
            fingerprint=player.fingerprint,
            seen_at=player.seen_at,
            exported=exported,
        )

    async def _games_since_cursor(self, check: AccountCheck) -> AsyncGenerator[Fact]:
        """An account's games since its cursor; after a takeover also those it plays now."""
        links, since = check.account.backfilled_links, check.account.cursor or check.begun
        start = _takeover_start(links)
        if start is not None and since <= start:
            yield await self._unfinished(check)
        async with aclosing(self._export(check, links, since, moves_cursor=True)) as facts:
            async for fact in facts:
                yield fact

    async def _unfinished(self, check: AccountCheck) -> ExportFetched:
        """What an account is playing now, however long ago it began."""
        async with aclosing(self._lichess.unfinished_games(check.account.name)) as games:
            return _export_fact((), [game async for game in games], check.begun)

    async def _takeover(
        self, check: AccountCheck, links: tuple[AccountLink, ...]
    ) -> AsyncGenerator[Fact]:
        """The backfill of newcomers whose games the application has fetched up to an instant.

        One export serves them all. The cursor belongs to the other users, who receive none of
        this: it stays, unless the account had none.
        """
        since = _takeover_start(links)
        if since is None:
            return
        moves_cursor = check.account.cursor is None
        playing = await self._unfinished(check) if moves_cursor else None
        async with aclosing(self._export(check, links, since, moves_cursor)) as facts:
            async for fact in facts:
                yield fact
        for link in links:
            yield BackfillDone(
                user_id=link.user_id,
                oldest_game_at=link.oldest_game_at,
                cursor=since if moves_cursor else None,
                unfinished=playing.unfinished if playing is not None else (),
            )

    async def _first_sync(
        self, check: AccountCheck, links: tuple[AccountLink, ...]
    ) -> AsyncGenerator[Fact]:
        """The newest games, and those being played however long ago they began, for newcomers."""
        if not links:
            return
        moves_cursor = check.account.cursor is None
        name, limit = check.account.name, self._settings.first_games
        start = archive_months.months_before(check.begun, self._settings.first_months)
        # In this order: a game that ends in between is in both responses rather than in none.
        playing = await self._unfinished(check)
        async with aclosing(self._lichess.newest_games(name, start, limit)) as items:
            fetched = _export_fact(links, [item async for item in items], check.begun)
        games = fetched.games
        yield replace(
            fetched,
            first_sync=True,
            unfinished=(),
            unreadable=(*playing.unreadable, *fetched.unreadable),
        )
        oldest = min(game.ended_at for game in games) if len(games) >= limit else start
        for link in links:
            yield BackfillDone(
                user_id=link.user_id,
                oldest_game_at=oldest,
                cursor=max([start, *_start_instants(games)]) if moves_cursor else None,
                unfinished=(*playing.unfinished, *fetched.unfinished),
            )

    async def _export(
        self,
        check: AccountCheck,
        links: tuple[AccountLink, ...],
        since: datetime,
        moves_cursor: bool,
    ) -> AsyncGenerator[Fact]:
        """The games since an instant, in pieces that each may move the cursor.

        Other accounts have their turn after some pages, and after a truncated response. If that had
        new games, the export then continues after them.
        """
        reached = since
        while True:
            begin, pages, error = reached, 0, None
            pending: list[ExportItem] = []
            items = self._lichess.games_since(
                check.account.name, begin - polling.CURSOR_OVERLAP, now=check.begun
            )
            async with aclosing(items):
                try:
                    async for item in items:
                        pages += isinstance(item, PageEnd)
                        turn_ends = isinstance(item, PageEnd) and pages % _MAX_PAGES == 0
                        if isinstance(item, PageEnd):
                            reached = max(reached, item.since)
                        else:
                            pending.append(item)
                        if turn_ends or len(pending) >= WRITE_BATCH_SIZE:
                            fact = _export_fact(links, pending, check.begun)
                            reached, pending = _newest_start(reached, fact, check.begun), []
                            yield replace(fact, cursor=reached if moves_cursor else None)
                        if turn_ends:
                            yield MoreToCome()
                except SourceError as source_error:
                    error = source_error  # what came before it is whole lines
            if pending:
                fact = _export_fact(links, pending, check.begun)
                reached = _newest_start(reached, fact, check.begun)
                yield replace(fact, cursor=reached if moves_cursor else None)
            if error is None:
                return
            if not isinstance(error, StreamTruncated) or reached <= begin:
                raise error
            yield MoreToCome()


def _takeover_start(links: tuple[AccountLink, ...]) -> datetime | None:
    """Where the export of a takeover begins: early enough for games that ended in its months."""
    starts = [link.first_sync_from for link in links if link.first_sync_from is not None]
    return min(starts) - polling.BACKLOG_WINDOW if starts else None


def _has_news(account: Account, player: LichessStatus, begun: datetime) -> bool:
    """Whether the games of the users who are up to date must be exported."""
    if not account.backfilled_links or account.cursor is None:
        return False
    return polling.has_news(account, player, begun)


def _export_fact(
    links: tuple[AccountLink, ...], items: list[ExportItem], begun: datetime
) -> ExportFetched:
    """A piece of an export; a game that cannot be read is followed like an unfinished one."""
    unreadable = [item.external_id for item in items if isinstance(item, UnreadableGame)]
    return ExportFetched(
        links=links,
        games=tuple(item for item in items if isinstance(item, Game)),
        unreadable=tuple(unreadable),
        unfinished=(
            *(item for item in items if isinstance(item, UnfinishedGame)),
            *(UnfinishedGame(external_id=id_, started_at=begun) for id_ in unreadable if id_),
        ),
    )


def _newest_start(reached: datetime, fact: ExportFetched, begun: datetime) -> datetime:
    return max([reached, *(min(start, begun) for start in _start_instants(fact.games))])


def _start_instants(games: Iterable[Game]) -> list[datetime]:
    return [game.started_at for game in games if game.started_at is not None]
