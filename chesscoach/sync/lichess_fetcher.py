"""Lichess's lane: who has news is asked in bulk, games are exported for those who have."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import datetime

from msgspec.structs import replace

from chesscoach import log
from chesscoach.context import Context
from chesscoach.errors import PlayerMissing, SourceError, StreamCut
from chesscoach.sources.game import Game, PendingGame, Platform
from chesscoach.sources.lichess import More
from chesscoach.sources.lichess_payload import Line
from chesscoach.sync import account_status, archive_months, linking, polling
from chesscoach.sync.account import Account, Link, Player
from chesscoach.sync.store.account_documents import Wanted
from chesscoach.sync.unfinished_games import follow, waiting_for
from chesscoach.sync.writer import BATCH, Delivery
from chesscoach.worker.job import Run

_PAGES = 3
"""Pages of games that are fetched of one account before others have their turn."""


class FromLichess:
    """A `walk.Fetcher`; it knows one batch of players at a time."""

    platform: Platform = "lichess"

    def __init__(self, ctx: Context, run: Run) -> None:
        self._ctx = ctx
        self._run = run
        self._lichess = ctx.lichess
        self.site = ctx.lichess.site
        self.batch = ctx.lichess.bulk
        self._begun = ctx.now()
        self._players: dict[str, Player] = {}
        self._halfway: set[str] = set()

    async def early(self, wanted: Wanted) -> AsyncGenerator[Delivery]:
        """The games that were unfinished last time, of all wanted accounts together."""
        pages = self._ctx.store.accounts.due(replace(wanted, waiting=True))
        async with aclosing(follow(self._lichess, pages)) as followed:
            async for settled in followed:
                if settled.unreadable:
                    self._run.counts.note("unreadable_games", settled.unreadable)
                account = self._active(settled.account, settled.games)
                yield Delivery(account=account, links=account.joined, games=settled.games)

    async def prepare(self, accounts: list[Account]) -> None:
        """Learns who is there, and who has news."""
        self._begun = self._ctx.now()
        self._players = await self._lichess.players([account.name for account in accounts])

    async def check(self, account: Account) -> AsyncGenerator[Delivery]:
        """The games of one account since its cursor, and each newcomer's own back-fill."""
        player = self._players.get(account.name)
        if player is None:
            account = account_status.unknown(account)
            if account.standing == "missing":
                yield self._passed_by(account)
                return
            yield Delivery(account=account)
            msg = "Lichess knows no such player"
            raise PlayerMissing(msg)
        if player.closed:
            yield self._passed_by(account_status.closed(account))
            return
        account = account_status.present(account)
        newcomers = account.newcomers
        if self._has_news(account, player):
            async with aclosing(self._news_of(account)) as news:
                async for delivery in news:
                    account = delivery.account
                    yield delivery
            if account.key in self._halfway:
                return
            account = replace(account, settled_at=self._begun)
        for link in newcomers:
            async with aclosing(self._welcome(account, link)) as back_fill:
                async for delivery in back_fill:
                    account = delivery.account
                    yield delivery
            if account.key in self._halfway:
                return
        yield self._finished(account, player)

    def _has_news(self, account: Account, player: Player) -> bool:
        if not account.joined or account.cursor is None:
            return False
        return account.key in self._halfway or polling.has_news(account, player, self._begun)

    async def _news_of(self, account: Account) -> AsyncGenerator[Delivery]:
        """An account's games since its cursor.

        The second export after a take-over also seeks, once, the games that had begun before it.
        """
        joined, since = account.joined, account.cursor or self._begun
        pages: int | None = _PAGES
        taken_over = [link.since for link in joined if link.since is not None]
        seeks = account.settled_at is not None and not account.looked_back
        if seeks:
            account = waiting_for(account, await self._unfinished(account))
            since, pages = min([since, *(at - polling.LOOK_BACK for at in taken_over)]), None
        async with aclosing(self._news(account, joined, since, pages)) as news:
            async for delivery in news:
                account = delivery.account
                yield delivery
        if seeks:
            yield Delivery(account=replace(account, looked_back=True))

    async def _unfinished(self, account: Account) -> list[PendingGame]:
        """What an account is playing now, however long ago it began."""
        async with aclosing(self._lichess.unfinished_games(account.name)) as playing:
            return [line async for line in playing]

    async def _welcome(self, account: Account, link: Link) -> AsyncGenerator[Delivery]:
        """A newcomer's back-fill: from where the application was, or the newest games.

        The cursor is the other users', who get none of this: it stays, unless there was none.
        """
        cursor = account.cursor
        known = self._news(account, (link,), link.since, None) if link.since else None
        async with aclosing(known or self._newest(account, link)) as back_fill:
            async for delivery in back_fill:
                account = replace(delivery.account, cursor=cursor or delivery.account.cursor)
                yield replace(delivery, account=account)
        account = replace(account, cursor=account.cursor or link.since)
        yield Delivery(account=linking.changed(account, link, joined=True))

    async def _newest(self, account: Account, link: Link) -> AsyncGenerator[Delivery]:
        """A first sync: the newest games, and those being played however long ago they began.

        Its user joins in the same step: an unfinished game is followed for those who have joined.
        """
        settings = self._ctx.config.sync
        start = archive_months.back(self._begun, settings.first_months)
        # In this order: a game that ends in between is in both answers rather than in none.
        unfinished = await self._unfinished(account)
        found = self._lichess.newest_games(account.name, start, settings.first_games)
        async with aclosing(found) as lines:
            games = self._readable(account, [line async for line in lines])
        first = account.cursor is None
        account = self._after(replace(account, cursor=account.cursor or start), games)
        account = replace(
            waiting_for(account, unfinished), looked_back=first or account.looked_back
        )
        full = len(games) >= settings.first_games
        floor = min(game.ended_at for game in games) if full else start
        account = linking.changed(account, link, floor=floor, joined=True)
        yield Delivery(account=account, links=(link,), games=games, first=True)

    async def _news(
        self, account: Account, links: tuple[Link, ...], since: datetime, pages: int | None
    ) -> AsyncGenerator[Delivery]:
        """The games since an instant, in batches that each move the cursor.

        An account of which more is to come is `_halfway`; so is one whose stream was cut after it
        had moved the cursor on, if it is read by pages.
        """
        lines: list[Line] = []
        broken: SourceError | None = None
        before = account.cursor
        self._halfway.discard(account.key)
        found = self._lichess.games_since(
            account.name, since - polling.OVERLAP, pages, now=self._begun
        )
        async with aclosing(found):
            try:
                async for line in found:
                    if isinstance(line, More):
                        self._halfway.add(account.key)
                        account = self._at(account, line.since)
                        break
                    lines.append(line)
                    if len(lines) >= BATCH:
                        delivery = self._batch(account, links, lines)
                        account, lines = delivery.account, []
                        yield delivery
            except SourceError as error:
                broken = error  # what came before it is whole lines
        if lines or account.key in self._halfway:
            delivery = self._batch(account, links, lines)
            account = delivery.account
            yield delivery
        if isinstance(broken, StreamCut) and pages is not None and account.cursor != before:
            self._halfway.add(account.key)
        elif broken is not None:
            raise broken

    def _batch(self, account: Account, links: tuple[Link, ...], lines: list[Line]) -> Delivery:
        games = self._readable(account, lines)
        unfinished = [line for line in lines if isinstance(line, PendingGame)]
        # What could not be read is asked for again like a game that is not over.
        unfinished += [
            PendingGame(external_id=line.external_id, started_at=self._begun)
            for line in lines
            if not isinstance(line, Game | PendingGame) and line.external_id
        ]
        account = waiting_for(self._after(account, games), unfinished)
        return Delivery(account=account, links=links, games=games)

    def _readable(self, account: Account, lines: Iterable[Line]) -> tuple[Game, ...]:
        games: list[Game] = []
        for line in lines:
            if isinstance(line, Game):
                games.append(line)
            elif not isinstance(line, PendingGame):
                self._run.counts.note("unreadable_games")
                log.get_logger().warning(
                    "game_unreadable", account=account.key, game=line.external_id
                )
        return tuple(games)

    def _passed_by(self, account: Account) -> Delivery:
        """The end of a check of an account that is closed or missing; its data stay."""
        self._run.counts.note(f"{account.standing}_accounts")
        account = replace(account, checked_at=self._begun)
        return Delivery(account=account, due_at=polling.due_at(account, self._begun), skipped=True)

    def _finished(self, account: Account, player: Player) -> Delivery:
        """The end of a check: what is known now, and when to ask again."""
        signs = [account.created_at, account.active_at, player.seen_at]
        active = max(sign for sign in signs if sign is not None)
        account = replace(
            account,
            fingerprint=player.fingerprint,
            settled_at=account.settled_at or self._begun,
            active_at=min(active, self._begun),
            checked_at=self._begun,
        )
        return Delivery(account=account, due_at=polling.due_at(account, self._begun))

    def _after(self, account: Account, games: tuple[Game, ...]) -> Account:
        """The account with its cursor at the start of the newest of these games."""
        starts = [game.started_at for game in games if game.started_at is not None]
        return self._active(self._at(account, *starts), games)

    def _at(self, account: Account, *starts: datetime) -> Account:
        """The account with its cursor moved on to the latest of some instants.

        Never ahead of now, whatever a game says: what comes later would be passed over.
        """
        cursor = max([*starts, *([account.cursor] if account.cursor else [])], default=None)
        return replace(account, cursor=cursor and min(cursor, self._begun))

    def _active(self, account: Account, games: Iterable[Game]) -> Account:
        ends = [game.ended_at for game in games]
        active = max([*ends, account.active_at or account.created_at])
        return replace(account, active_at=min(active, self._begun))
