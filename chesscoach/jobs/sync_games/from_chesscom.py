"""Chess.com's lane: one conditional request for each month of an account that may still change."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import datetime

from msgspec.structs import replace

from chesscoach import log
from chesscoach.context import Context
from chesscoach.jobs.sync_games.delivery import Delivery
from chesscoach.models import Account, Game, Link, Platform
from chesscoach.rules import cadence, months
from chesscoach.rules import games as game_rules
from chesscoach.runner.job import Run
from chesscoach.sources.chesscom import Month
from chesscoach.store.accounts import PAGE


class FromChesscom:
    """A `walk.Fetcher`; the site has no way to ask about several accounts at once."""

    platform: Platform = "chess.com"
    batch = PAGE

    def __init__(self, ctx: Context, run: Run) -> None:
        self._ctx = ctx
        self._run = run
        self._chesscom = ctx.chesscom
        self.site = ctx.chesscom.site

    async def prepare(self, accounts: list[Account]) -> None:
        """Nothing: every account is asked for by itself."""

    async def check(self, account: Account) -> AsyncGenerator[Delivery]:
        """The open months of one account, and each newcomer's own back-fill."""
        begun = self._ctx.now()
        joined = account.joined
        for link in account.newcomers:
            async with aclosing(self._welcome(account, link, begun)) as back_fill:
                async for delivery in back_fill:
                    account = delivery.account
                    yield delivery
        if joined:
            first = account.first_month or months.first_open(begun)
            for month in months.span(first, months.of(begun)):
                reply = await self._month(account, month, account.etags.get(month))
                account = _kept(account, month, reply)
                if reply.changed:
                    yield Delivery(account=account, links=joined, games=reply.games)
        yield _finished(account, begun)

    async def _welcome(
        self, account: Account, link: Link, begun: datetime
    ) -> AsyncGenerator[Delivery]:
        """A newcomer's back-fill, the newest month first; only whole replies count as seen."""
        settings = self._ctx.config.sync
        window = link.since or months.back(begun, settings.first_months)
        oldest = months.first_open(window) if link.since else months.of(window)
        left = None if link.since else settings.first_games
        floor = None if link.since else window
        brand_new = account.first_month is None
        for month in reversed(list(months.span(oldest, months.of(begun)))):
            reply = await self._month(account, month, None)
            games: Iterable[Game] = reply.games
            if left is not None:
                games = [game for game in games if game.ended_at >= window]
                games = game_rules.newest(games, left)
                left -= len(games)
            account = _kept(account, month, reply, etag=brand_new)
            yield Delivery(
                account=account, links=(link,), games=tuple(games), first=link.since is None
            )
            if left == 0:
                floor = min((game.ended_at for game in games), default=window)
                break
        if brand_new:
            account = replace(account, first_month=months.first_open(begun))
        yield Delivery(account=_join(account, link, floor))

    async def _month(self, account: Account, month: str, etag: str | None) -> Month:
        reply = await self._chesscom.month(account.name, month, etag)
        for game in reply.unreadable:
            self._run.counts.note("unreadable_games")
            log.get_logger().warning("game_unreadable", account=account.key, game=game)
        return reply


def _kept(account: Account, month: str, reply: Month, *, etag: bool = True) -> Account:
    """The account after a month's reply: the ETag, the player's identity, his newest game."""
    etags = dict(account.etags)
    if etag and reply.changed:
        etags.pop(month, None)
        etags |= {month: reply.etag} if reply.etag else {}
    ends = [game.ended_at for game in reply.games]
    return replace(
        account,
        etags=etags,
        player_key=account.player_key or _identity(account, reply.games),
        active_at=max([*ends, account.active_at or account.created_at]),
    )


def _identity(account: Account, games: Iterable[Game]) -> str | None:
    """The site's own id of the player, as his newest game under this name tells it."""
    for game in game_rules.newest(games, 1):
        for side in (game.white, game.black):
            if side.name.lower() == account.name:
                return side.key
    return None


def _finished(account: Account, begun: datetime) -> Delivery:
    """The end of a check: months that can change no more are let go."""
    first = months.first_open(begun)
    active = account.active_at or account.created_at
    account = replace(
        account,
        first_month=max(first, account.first_month or first),
        etags={month: etag for month, etag in account.etags.items() if month >= first},
        active_at=active,
        checked_at=begun,
    )
    return Delivery(account=account, due_at=cadence.due_at(begun, active))


def _join(account: Account, newcomer: Link, floor: datetime | None) -> Account:
    links = tuple(
        replace(link, joined=True, floor=floor) if link.user_id == newcomer.user_id else link
        for link in account.links
    )
    return replace(account, links=links)
