"""Lichess's lane: who has news is asked in bulk, games are exported for those who have."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import datetime

from msgspec.structs import replace

from chesscoach import log
from chesscoach.context import Context
from chesscoach.errors import PlayerMissing, SiteClosed, SourceError
from chesscoach.jobs.sync_games.delivery import BATCH, Delivery
from chesscoach.models import Account, Game, Link, PendingGame, Platform, Player
from chesscoach.rules import cadence, months
from chesscoach.runner.job import Run
from chesscoach.sources.lichess import BULK
from chesscoach.sources.lichess_payload import Line

_ABSENT = 2
"""A pending game that the site did not know so often was aborted and deleted."""


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
        self._asked: set[str] = set()
        self._ended: dict[str, Line] = {}

    async def prepare(self, accounts: list[Account]) -> None:
        """Learns who has news, and how the games stand that were unfinished last time."""
        self._begun = self._ctx.now()
        self._players = await self._lichess.players([account.name for account in accounts])
        ids = list({game.external_id for account in accounts for game in account.pending})
        self._asked, self._ended = set(), {}
        for start in range(0, len(ids), BULK):
            await self._ask_again(ids[start : start + BULK])

    async def _ask_again(self, ids: list[str]) -> None:
        """How unfinished games stand now; if that fails they wait, and nobody fails with them."""
        try:
            async with aclosing(self._lichess.games_by_id(ids)) as found:
                async for line in found:
                    self._ended[line.external_id] = line
        except SiteClosed:
            raise
        except SourceError as error:
            log.get_logger().warning("pending_not_asked", games=len(ids), error=str(error))
        else:
            self._asked.update(ids)

    async def check(self, account: Account) -> AsyncGenerator[Delivery]:
        """The games of one account since its cursor, and each newcomer's own back-fill."""
        player = self._players.get(account.name)
        if player is None:
            msg = "Lichess knows no such player"
            raise PlayerMissing(msg)
        if player.closed:
            self._run.counts.note("closed_accounts")
            yield self._finished(account, player, skipped=True)
            return
        joined, newcomers = account.joined, account.newcomers
        if (settled := self._settle_pending(account)).games:
            yield settled
        account = settled.account
        if joined and account.cursor and cadence.has_news(account, player, self._begun):
            async with aclosing(self._news(account, joined, account.cursor)) as news:
                async for delivery in news:
                    account = delivery.account
                    yield delivery
            account = replace(account, settled_at=self._begun)
        for link in newcomers:
            async with aclosing(self._welcome(account, link)) as back_fill:
                async for delivery in back_fill:
                    account = delivery.account
                    yield delivery
        yield self._finished(account, player)

    async def _welcome(self, account: Account, link: Link) -> AsyncGenerator[Delivery]:
        """A newcomer's back-fill: from where the application was, or the newest games.

        The cursor is the other users', who get none of this: it stays, unless there was none.
        """
        cursor = account.cursor
        known = self._news(account, (link,), link.since) if link.since else None
        async with aclosing(known or self._newest(account, link)) as back_fill:
            async for delivery in back_fill:
                account = replace(delivery.account, cursor=cursor or delivery.account.cursor)
                yield replace(delivery, account=account)
        account = replace(account, cursor=account.cursor or link.since)
        yield Delivery(account=_join(account, link))

    async def _newest(self, account: Account, link: Link) -> AsyncGenerator[Delivery]:
        """A first sync: the newest games, and those being played however long ago they began."""
        settings = self._ctx.config.sync
        start = months.back(self._begun, settings.first_months)
        # In this order: a game that ends in between is in both answers rather than in none.
        async with aclosing(self._lichess.unfinished_games(account.name)) as playing:
            unfinished = [line async for line in playing]
        found = self._lichess.newest_games(account.name, start, settings.first_games)
        async with aclosing(found) as lines:
            games = self._readable(account, [line async for line in lines])
        account = _after(replace(account, cursor=account.cursor or start), games)
        account = _waiting_for(account, unfinished)
        yield Delivery(account=account, links=(link,), games=games, first=True)

    async def _news(
        self, account: Account, links: tuple[Link, ...], cursor: datetime
    ) -> AsyncGenerator[Delivery]:
        """The games since an instant, in batches that each move the cursor."""
        lines: list[Line] = []
        broken: SourceError | None = None
        async with aclosing(
            self._lichess.games_since(account.name, cursor - cadence.OVERLAP)
        ) as found:
            try:
                async for line in found:
                    lines.append(line)
                    if len(lines) >= BATCH:
                        delivery = self._batch(account, links, lines)
                        account, lines = delivery.account, []
                        yield delivery
            except SourceError as error:
                broken = error  # what came before it is whole lines
        if lines:
            yield self._batch(account, links, lines)
        if broken is not None:
            raise broken

    def _batch(self, account: Account, links: tuple[Link, ...], lines: list[Line]) -> Delivery:
        games = self._readable(account, lines)
        unfinished = [line for line in lines if isinstance(line, PendingGame)]
        account = _waiting_for(_after(account, games), unfinished)
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

    def _settle_pending(self, account: Account) -> Delivery:
        """Hands over the unfinished games of last time that have ended since."""
        games: list[Game] = []
        waiting: list[PendingGame] = []
        for pending in account.pending:
            line = self._ended.get(pending.external_id)
            if isinstance(line, Game):
                games.append(line)
            elif isinstance(line, PendingGame):
                waiting.append(line)
            elif line is not None:
                self._readable(account, [line])
            elif pending.external_id not in self._asked:
                waiting.append(pending)
            elif pending.absent + 1 < _ABSENT:
                waiting.append(replace(pending, absent=pending.absent + 1))
        account = _active(replace(account, pending=tuple(waiting)), games)
        return Delivery(account=account, links=account.joined, games=tuple(games))

    def _finished(self, account: Account, player: Player, *, skipped: bool = False) -> Delivery:
        """The end of a check: what is known now, and when to ask again."""
        signs = [account.created_at, account.active_at, player.seen_at]
        active = max(sign for sign in signs if sign is not None)
        account = replace(
            account,
            fingerprint=player.fingerprint,
            settled_at=account.settled_at or self._begun,
            active_at=active,
            checked_at=self._begun,
        )
        due_at = cadence.due_at(self._begun, active)
        return Delivery(account=account, due_at=due_at, skipped=skipped)


def _after(account: Account, games: tuple[Game, ...]) -> Account:
    """The account with its cursor at the start of the newest of these games."""
    starts = [game.started_at for game in games if game.started_at is not None]
    cursor = max([*starts, *([account.cursor] if account.cursor else [])], default=None)
    return _active(replace(account, cursor=cursor), games)


def _active(account: Account, games: Iterable[Game]) -> Account:
    ends = [game.ended_at for game in games]
    return replace(account, active_at=max([*ends, account.active_at or account.created_at]))


def _waiting_for(account: Account, unfinished: list[PendingGame]) -> Account:
    """The account with these games pending as well."""
    pending = {game.external_id: game for game in (*account.pending, *unfinished)}
    return replace(account, pending=tuple(pending.values()))


def _join(account: Account, newcomer: Link) -> Account:
    links = tuple(
        replace(link, joined=True) if link.user_id == newcomer.user_id else link
        for link in account.links
    )
    return replace(account, links=links)
