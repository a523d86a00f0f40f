"""Lichess's lane: who has news is asked in bulk, games are exported for those who have."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import datetime

from msgspec.structs import replace

from chesscoach import log
from chesscoach.errors import AccountNotFound, SourceError, StreamTruncated
from chesscoach.sources.game import Game, Platform, UnfinishedGame
from chesscoach.sources.lichess import Truncated
from chesscoach.sources.lichess_payload import ExportItem
from chesscoach.sources.lichess_status import LichessStatus
from chesscoach.sync import account_status, archive_months, linking, polling
from chesscoach.sync.account import Account, AccountLink
from chesscoach.sync.context import SyncContext
from chesscoach.sync.store.account_documents import AccountQuery
from chesscoach.sync.unfinished_games import follow_unfinished, with_unfinished
from chesscoach.sync.writer import WRITE_BATCH_SIZE, AccountUpdate
from chesscoach.worker.job import Run

_MAX_PAGES = 3
"""Pages of games that are fetched of one account before others have their turn."""


class LichessFetcher:
    """A `walk.Fetcher`; it knows one batch of players at a time."""

    platform: Platform = "lichess"

    def __init__(self, ctx: SyncContext, run: Run) -> None:
        self._ctx = ctx
        self._run = run
        self._lichess = ctx.lichess
        self.source = ctx.lichess.client
        self.batch = ctx.lichess.bulk
        self._started_at = ctx.now()
        self._players: dict[str, LichessStatus] = {}
        self._halfway: set[str] = set()

    async def prefetch(self, wanted: AccountQuery) -> AsyncGenerator[AccountUpdate]:
        """The games that were unfinished last time, of all wanted accounts together."""
        pages = self._ctx.accounts.due_accounts(replace(wanted, unfinished_only=True))
        async with aclosing(follow_unfinished(self._lichess, pages)) as followed:
            async for settled in followed:
                if settled.unreadable:
                    self._run.counts.note("unreadable_games", settled.unreadable)
                account = self._last_active(settled.account, settled.games)
                yield AccountUpdate(
                    account=account, links=account.backfilled_links, games=settled.games
                )

    async def prepare(self, accounts: list[Account]) -> None:
        """Learns who is there, and who has news."""
        self._started_at = self._ctx.now()
        self._players = await self._lichess.players([account.name for account in accounts])

    async def check(self, account: Account) -> AsyncGenerator[AccountUpdate]:
        """The games of one account since its cursor, and each newcomer's own back-fill."""
        player = self._players.get(account.name)
        if player is None:
            account = account_status.after_not_found(account)
            if account.standing == "missing":
                yield self._inactive(account)
                return
            yield AccountUpdate(account=account)
            msg = "Lichess knows no such player"
            raise AccountNotFound(msg)
        if player.closed:
            yield self._inactive(account_status.after_closed(account))
            return
        account = account_status.after_found(account)
        newcomers = account.new_links
        if self._has_news(account, player):
            async with aclosing(self._games_since_cursor(account)) as news:
                async for delivery in news:
                    account = delivery.account
                    yield delivery
            if account.key in self._halfway:
                return
            account = replace(account, fingerprint_at=self._started_at)
        for link in newcomers:
            async with aclosing(self._backfill(account, link)) as back_fill:
                async for delivery in back_fill:
                    account = delivery.account
                    yield delivery
            if account.key in self._halfway:
                return
        yield self._finish_check(account, player)

    def _has_news(self, account: Account, player: LichessStatus) -> bool:
        if not account.backfilled_links or account.cursor is None:
            return False
        return account.key in self._halfway or polling.has_news(account, player, self._started_at)

    async def _games_since_cursor(self, account: Account) -> AsyncGenerator[AccountUpdate]:
        """An account's games since its cursor.

        The second export after a take-over also seeks, once, the games that had begun before it.
        """
        joined, since = account.backfilled_links, account.cursor or self._started_at
        pages: int | None = _MAX_PAGES
        taken_over = [link.first_sync_from for link in joined if link.first_sync_from is not None]
        seeks = account.fingerprint_at is not None and not account.backlog_checked
        if seeks:
            account = with_unfinished(account, await self._unfinished(account))
            since, pages = min([since, *(at - polling.BACKLOG_WINDOW for at in taken_over)]), None
        async with aclosing(self._new_games(account, joined, since, pages)) as news:
            async for delivery in news:
                account = delivery.account
                yield delivery
        if seeks:
            yield AccountUpdate(account=replace(account, backlog_checked=True))

    async def _unfinished(self, account: Account) -> list[UnfinishedGame]:
        """What an account is playing now, however long ago it began."""
        async with aclosing(self._lichess.unfinished_games(account.name)) as playing:
            return [line async for line in playing]

    async def _backfill(self, account: Account, link: AccountLink) -> AsyncGenerator[AccountUpdate]:
        """A newcomer's back-fill: from where the application was, or the newest games.

        The cursor is the other users', who get none of this: it stays, unless there was none.
        """
        cursor = account.cursor
        known = (
            self._new_games(account, (link,), link.first_sync_from, None)
            if link.first_sync_from
            else None
        )
        async with aclosing(known or self._first_sync(account, link)) as back_fill:
            async for delivery in back_fill:
                account = replace(delivery.account, cursor=cursor or delivery.account.cursor)
                yield replace(delivery, account=account)
        account = replace(account, cursor=account.cursor or link.first_sync_from)
        yield AccountUpdate(account=linking.with_link(account, link, backfilled=True))

    async def _first_sync(
        self, account: Account, link: AccountLink
    ) -> AsyncGenerator[AccountUpdate]:
        """A first sync: the newest games, and those being played however long ago they began.

        Its user joins in the same step: an unfinished game is followed for those who have joined.
        """
        settings = self._ctx.settings
        start = archive_months.months_before(self._started_at, settings.first_months)
        # In this order: a game that ends in between is in both answers rather than in none.
        unfinished = await self._unfinished(account)
        found = self._lichess.newest_games(account.name, start, settings.first_games)
        async with aclosing(found) as lines:
            games = self._readable_games(account, [line async for line in lines])
        first = account.cursor is None
        account = self._advance_cursor(replace(account, cursor=account.cursor or start), games)
        account = replace(
            with_unfinished(account, unfinished), backlog_checked=first or account.backlog_checked
        )
        full = len(games) >= settings.first_games
        floor = min(game.ended_at for game in games) if full else start
        account = linking.with_link(account, link, oldest_game_at=floor, backfilled=True)
        yield AccountUpdate(account=account, links=(link,), games=games, first=True)

    async def _new_games(
        self, account: Account, links: tuple[AccountLink, ...], since: datetime, pages: int | None
    ) -> AsyncGenerator[AccountUpdate]:
        """The games since an instant, in batches that each move the cursor.

        An account of which more is to come is `_halfway`; so is one whose stream was cut after it
        had moved the cursor on, if it is read by pages.
        """
        lines: list[ExportItem] = []
        broken: SourceError | None = None
        before = account.cursor
        self._halfway.discard(account.key)
        found = self._lichess.games_since(
            account.name, since - polling.CURSOR_OVERLAP, pages, now=self._started_at
        )
        async with aclosing(found):
            try:
                async for line in found:
                    if isinstance(line, Truncated):
                        self._halfway.add(account.key)
                        account = self._cursor_at(account, line.since)
                        break
                    lines.append(line)
                    if len(lines) >= WRITE_BATCH_SIZE:
                        delivery = self._batch(account, links, lines)
                        account, lines = delivery.account, []
                        yield delivery
            except SourceError as error:
                broken = error  # what came before it is whole lines
        if lines or account.key in self._halfway:
            delivery = self._batch(account, links, lines)
            account = delivery.account
            yield delivery
        if isinstance(broken, StreamTruncated) and pages is not None and account.cursor != before:
            self._halfway.add(account.key)
        elif broken is not None:
            raise broken

    def _batch(
        self, account: Account, links: tuple[AccountLink, ...], lines: list[ExportItem]
    ) -> AccountUpdate:
        games = self._readable_games(account, lines)
        unfinished = [line for line in lines if isinstance(line, UnfinishedGame)]
        # What could not be read is asked for again like a game that is not over.
        unfinished += [
            UnfinishedGame(external_id=line.external_id, started_at=self._started_at)
            for line in lines
            if not isinstance(line, Game | UnfinishedGame) and line.external_id
        ]
        account = with_unfinished(self._advance_cursor(account, games), unfinished)
        return AccountUpdate(account=account, links=links, games=games)

    def _readable_games(self, account: Account, lines: Iterable[ExportItem]) -> tuple[Game, ...]:
        games: list[Game] = []
        for line in lines:
            if isinstance(line, Game):
                games.append(line)
            elif not isinstance(line, UnfinishedGame):
                self._run.counts.note("unreadable_games")
                log.get_logger().warning(
                    "game_unreadable", account=account.key, game=line.external_id
                )
        return tuple(games)

    def _inactive(self, account: Account) -> AccountUpdate:
        """The end of a check of an account that is closed or missing; its data stay."""
        self._run.counts.note(f"{account.standing}_accounts")
        account = replace(account, checked_at=self._started_at)
        return AccountUpdate(
            account=account, due_at=polling.due_at(account, self._started_at), skipped=True
        )

    def _finish_check(self, account: Account, player: LichessStatus) -> AccountUpdate:
        """The end of a check: what is known now, and when to ask again."""
        signs = [account.created_at, account.active_at, player.seen_at]
        active = max(sign for sign in signs if sign is not None)
        account = replace(
            account,
            fingerprint=player.fingerprint,
            fingerprint_at=account.fingerprint_at or self._started_at,
            active_at=min(active, self._started_at),
            checked_at=self._started_at,
        )
        return AccountUpdate(account=account, due_at=polling.due_at(account, self._started_at))

    def _advance_cursor(self, account: Account, games: tuple[Game, ...]) -> Account:
        """The account with its cursor at the start of the newest of these games."""
        starts = [game.started_at for game in games if game.started_at is not None]
        return self._last_active(self._cursor_at(account, *starts), games)

    def _cursor_at(self, account: Account, *starts: datetime) -> Account:
        """The account with its cursor moved on to the latest of some instants.

        Never ahead of now, whatever a game says: what comes later would be passed over.
        """
        cursor = max([*starts, *([account.cursor] if account.cursor else [])], default=None)
        return replace(account, cursor=cursor and min(cursor, self._started_at))

    def _last_active(self, account: Account, games: Iterable[Game]) -> Account:
        ends = [game.ended_at for game in games]
        active = max([*ends, account.active_at or account.created_at])
        return replace(account, active_at=min(active, self._started_at))
