"""Chess.com's lane: one conditional request for each month of an account that may still change."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import datetime

from msgspec.structs import replace

from chesscoach import log
from chesscoach.context import Context
from chesscoach.errors import BadReply, PlayerClosed, PlayerMissing, PlayerRenamed
from chesscoach.sources.chesscom_payload import Month
from chesscoach.sources.game import Game, Platform
from chesscoach.sync import account_status, archive_months, linking, polling, usernames
from chesscoach.sync import game_identity as game_rules
from chesscoach.sync.account import Account, Link, SealedMonth
from chesscoach.sync.store.account_documents import Wanted
from chesscoach.sync.store.accounts import PAGE
from chesscoach.sync.writer import Delivery
from chesscoach.worker.job import Run

_HOPS = 5
"""Names that a redirect may lead on to."""


class FromChesscom:
    """A `walk.Fetcher`; the site has no way to ask about several accounts at once."""

    platform: Platform = "chess.com"
    batch = PAGE

    def __init__(self, ctx: Context, run: Run) -> None:
        self._ctx = ctx
        self._run = run
        self._chesscom = ctx.chesscom
        self.site = ctx.chesscom.site

    async def early(self, wanted: Wanted) -> AsyncGenerator[Delivery]:
        """Nothing: every account is asked for by itself."""
        nothing: tuple[Delivery, ...] = ()
        for delivery in nothing:
            yield delivery

    async def prepare(self, accounts: list[Account]) -> None:
        """Nothing, likewise."""

    async def check(self, account: Account) -> AsyncGenerator[Delivery]:
        """The open months of one account, a sealed one, and each newcomer's own back-fill."""
        begun = self._ctx.now()
        try:
            async with aclosing(self._months(account, begun)) as deliveries:
                async for delivery in deliveries:
                    account = delivery.account
                    yield delivery
        except PlayerClosed:
            yield self._passed_by(account_status.closed(account), begun)
            return
        except PlayerMissing:
            account = account_status.unknown(account)
            if account.standing == "missing":
                yield self._passed_by(account, begun)
                return
            yield Delivery(account=account)
            raise
        yield _finished(account, begun)

    async def _months(self, account: Account, begun: datetime) -> AsyncGenerator[Delivery]:
        joined = account.joined
        for link in account.newcomers:
            async with aclosing(self._welcome(account, link, begun)) as back_fill:
                async for delivery in back_fill:
                    account = delivery.account
                    yield delivery
        if not joined:
            return
        first = account.first_month or archive_months.first_open(begun)
        asked = list(archive_months.span(first, archive_months.of(begun)))
        if (old := polling.to_verify(account, begun)) is not None:
            asked.append(old)
        for month in asked:
            if month in account.gone:
                continue
            held = account.sealed.get(month)
            reply = await self._month(
                account, month, held.etag if held else account.etags.get(month)
            )
            account = _kept(account, month, reply, begun)
            if reply.changed:
                yield Delivery(account=account, links=joined, games=reply.games)
        yield Delivery(account=account)

    async def _welcome(
        self, account: Account, link: Link, begun: datetime
    ) -> AsyncGenerator[Delivery]:
        """A newcomer's back-fill, the newest month first; only whole replies count as seen."""
        settings = self._ctx.config.sync
        window = link.since or archive_months.back(begun, settings.first_months)
        oldest = archive_months.first_open(window) if link.since else archive_months.of(window)
        left = None if link.since else settings.first_games
        floor = link.floor if link.since else window
        brand_new = account.first_month is None
        for month in reversed(list(archive_months.span(oldest, archive_months.of(begun)))):
            if month in account.gone:
                continue
            reply = await self._month(account, month, None)
            games: Iterable[Game] = reply.games
            if left is not None:
                games = [game for game in games if game.ended_at >= window]
                games = game_rules.newest(games, left)
                left -= len(games)
            account = _kept(account, month, reply, begun, etag=brand_new)
            yield Delivery(
                account=account, links=(link,), games=tuple(games), first=link.since is None
            )
            if left == 0:
                floor = min((game.ended_at for game in games), default=window)
                break
        if brand_new:
            account = replace(account, first_month=archive_months.first_open(begun))
        yield Delivery(account=linking.changed(account, link, joined=True, floor=floor))

    async def _month(self, account: Account, month: str, etag: str | None) -> Month:
        """A month's reply, refused if it is another player's.

        Raises:
            PlayerMissing: the name is somebody else's by now.
            PlayerRenamed: he has another name, under which the site answers for him.
        """
        try:
            reply = await self._chesscom.month(account.name, month, etag)
        except PlayerRenamed as renamed:
            raise await self._traced(account, renamed, month) from None
        for game in reply.unreadable:
            self._run.counts.note("unreadable_games")
            log.get_logger().warning("game_unreadable", account=account.key, game=game)
        if _is_another(account, reply.games):
            msg = "the name belongs to another player now"
            raise PlayerMissing(msg)
        return reply

    async def _traced(self, account: Account, renamed: PlayerRenamed, month: str) -> PlayerRenamed:
        """Follows a redirect to where it ends, before anything of ours or of his users is changed.

        Raises:
            BadReply: it ends nowhere.
            PlayerMissing: it leads to another player.
        """
        seen = {account.name}
        while True:
            name = usernames.normal(self.platform, renamed.name)
            if name is None or name in seen or len(seen) > _HOPS:
                msg = "a redirect that leads to no other name that a player can have"
                raise BadReply(msg)
            seen.add(name)
            try:
                reply = await self._chesscom.month(name, month, None)
            except PlayerRenamed as further:
                renamed = further
                continue
            if _is_another(replace(account, name=name), reply.games):
                msg = "the name leads to another player now"
                raise PlayerMissing(msg)
            return renamed

    def _passed_by(self, account: Account, begun: datetime) -> Delivery:
        """The end of a check of an account that is closed or missing; its data stay."""
        self._run.counts.note(f"{account.standing}_accounts")
        account = replace(account, checked_at=begun)
        return Delivery(account=account, due_at=polling.due_at(account, begun), skipped=True)


def _kept(
    account: Account, month: str, reply: Month, begun: datetime, *, etag: bool = True
) -> Account:
    """The account after a month's reply: the ETag, the player's identity, his newest game.

    Without `etag` the reply's games are not for all of its users, so that it is to come again.
    """
    etags, sealed, gone = dict(account.etags), dict(account.sealed), account.gone
    known = "" if reply.unreadable else reply.etag or ""
    if reply.gone:
        gone = (*gone, month)
        etags.pop(month, None)
        sealed.pop(month, None)
    elif etag and month in sealed:
        sealed[month] = SealedMonth(etag=known, checked_at=begun)
    elif etag:
        etags[month] = known
    ends = [game.ended_at for game in reply.games]
    return replace(
        account_status.present(account),
        etags=etags,
        sealed=sealed,
        gone=gone,
        player_key=account.player_key or _identity(account, reply.games),
        active_at=min(max([*ends, account.active_at or account.created_at]), begun),
    )


def _identity(account: Account, games: Iterable[Game]) -> str | None:
    """The site's own id of the player, as his newest game under this name tells it."""
    for game in game_rules.newest(games, 1):
        for side in (game.white, game.black):
            if side.name.lower() == account.name:
                return side.key
    return None


def _is_another(account: Account, games: Iterable[Game]) -> bool:
    """Whether the games under this name are all those of one other player."""
    sides = [side for game in games for side in (game.white, game.black)]
    named = {side.key for side in sides if side.key and side.name.lower() == account.name}
    known = account.player_key is None or any(side.key == account.player_key for side in sides)
    return not known and len(named) == 1


def _finished(account: Account, begun: datetime) -> Delivery:
    """The end of a check: months that should change no more are sealed, the oldest let go."""
    first = archive_months.first_open(begun)
    sealed = account.sealed | {
        month: SealedMonth(etag=etag, checked_at=begun)
        for month, etag in account.etags.items()
        if month < first
    }
    account = replace(
        account,
        first_month=max(first, account.first_month or first),
        etags={month: etag for month, etag in account.etags.items() if month >= first},
        sealed=dict(sorted(sealed.items())[-polling.KEPT :]),
        active_at=account.active_at or account.created_at,
        checked_at=begun,
    )
    return Delivery(account=account, due_at=polling.due_at(account, begun))
