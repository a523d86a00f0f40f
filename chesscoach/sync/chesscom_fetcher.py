"""Chess.com's lane: one conditional request for each month of an account that may still change."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import datetime

from msgspec.structs import replace

from chesscoach import log
from chesscoach.errors import AccountClosed, AccountNotFound, AccountRenamed, BadResponse
from chesscoach.sources.chesscom_payload import ArchiveMonth
from chesscoach.sources.game import Game, Platform
from chesscoach.sync import account_status, archive_months, linking, polling, usernames
from chesscoach.sync import game_identity as game_rules
from chesscoach.sync.account import Account, AccountLink, SealedMonth
from chesscoach.sync.context import SyncContext
from chesscoach.sync.store.account_documents import AccountQuery
from chesscoach.sync.store.accounts import PAGE_SIZE
from chesscoach.sync.writer import AccountUpdate
from chesscoach.worker.job import Run

_MAX_REDIRECTS = 5
"""Names that a redirect may lead on to."""


class ChesscomFetcher:
    """A `walk.Fetcher`; the site has no way to ask about several accounts at once."""

    platform: Platform = "chess.com"
    batch = PAGE_SIZE

    def __init__(self, ctx: SyncContext, run: Run) -> None:
        self._ctx = ctx
        self._run = run
        self._chesscom = ctx.chesscom
        self.source = ctx.chesscom.client

    async def prefetch(self, wanted: AccountQuery) -> AsyncGenerator[AccountUpdate]:
        """Nothing: every account is asked for by itself."""
        nothing: tuple[AccountUpdate, ...] = ()
        for delivery in nothing:
            yield delivery

    async def prepare(self, accounts: list[Account]) -> None:
        """Nothing, likewise."""

    async def check(self, account: Account) -> AsyncGenerator[AccountUpdate]:
        """The open months of one account, a sealed one, and each newcomer's own back-fill."""
        begun = self._ctx.now()
        try:
            async with aclosing(self._open_months(account, begun)) as deliveries:
                async for delivery in deliveries:
                    account = delivery.account
                    yield delivery
        except AccountClosed:
            yield self._inactive(account_status.after_closed(account), begun)
            return
        except AccountNotFound:
            account = account_status.after_not_found(account)
            if account.standing == "missing":
                yield self._inactive(account, begun)
                return
            yield AccountUpdate(account=account)
            raise
        yield _finish_check(account, begun)

    async def _open_months(
        self, account: Account, begun: datetime
    ) -> AsyncGenerator[AccountUpdate]:
        joined = account.backfilled_links
        for link in account.new_links:
            async with aclosing(self._backfill(account, link, begun)) as back_fill:
                async for delivery in back_fill:
                    account = delivery.account
                    yield delivery
        if not joined:
            return
        first = account.first_month or archive_months.first_open_month(begun)
        asked = list(archive_months.month_range(first, archive_months.month_of(begun)))
        if (old := polling.month_to_verify(account, begun)) is not None:
            asked.append(old)
        for month in asked:
            if month in account.gone_months:
                continue
            held = account.sealed_months.get(month)
            reply = await self._fetch_month(
                account, month, held.etag if held else account.etags.get(month)
            )
            account = _apply_month(account, month, reply, begun)
            if reply.changed:
                yield AccountUpdate(account=account, links=joined, games=reply.games)
        yield AccountUpdate(account=account)

    async def _backfill(
        self, account: Account, link: AccountLink, begun: datetime
    ) -> AsyncGenerator[AccountUpdate]:
        """A newcomer's back-fill, the newest month first; only whole replies count as seen."""
        settings = self._ctx.settings
        window = link.first_sync_from or archive_months.months_before(begun, settings.first_months)
        oldest = (
            archive_months.first_open_month(window)
            if link.first_sync_from
            else archive_months.month_of(window)
        )
        left = None if link.first_sync_from else settings.first_games
        floor = link.oldest_game_at if link.first_sync_from else window
        brand_new = account.first_month is None
        for month in reversed(
            list(archive_months.month_range(oldest, archive_months.month_of(begun)))
        ):
            if month in account.gone_months:
                continue
            reply = await self._fetch_month(account, month, None)
            games: Iterable[Game] = reply.games
            if left is not None:
                games = [game for game in games if game.ended_at >= window]
                games = game_rules.newest_games(games, left)
                left -= len(games)
            account = _apply_month(account, month, reply, begun, etag=brand_new)
            yield AccountUpdate(
                account=account,
                links=(link,),
                games=tuple(games),
                first=link.first_sync_from is None,
            )
            if left == 0:
                floor = min((game.ended_at for game in games), default=window)
                break
        if brand_new:
            account = replace(account, first_month=archive_months.first_open_month(begun))
        yield AccountUpdate(
            account=linking.with_link(account, link, backfilled=True, oldest_game_at=floor)
        )

    async def _fetch_month(self, account: Account, month: str, etag: str | None) -> ArchiveMonth:
        """A month's reply, refused if it is another player's.

        Raises:
            AccountNotFound: the name is somebody else's by now.
            AccountRenamed: he has another name, under which the site answers for him.
        """
        try:
            reply = await self._chesscom.month(account.name, month, etag)
        except AccountRenamed as renamed:
            raise await self._resolve_rename(account, renamed, month) from None
        for game in reply.unreadable:
            self._run.counts.note("unreadable_games")
            log.get_logger().warning("game_unreadable", account=account.key, game=game)
        if _belongs_to_other_player(account, reply.games):
            msg = "the name belongs to another player now"
            raise AccountNotFound(msg)
        return reply

    async def _resolve_rename(
        self, account: Account, renamed: AccountRenamed, month: str
    ) -> AccountRenamed:
        """Follows a redirect to where it ends, before anything of ours or of his users is changed.

        Raises:
            BadResponse: it ends nowhere.
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
                reply = await self._chesscom.month(name, month, None)
            except AccountRenamed as further:
                renamed = further
                continue
            if _belongs_to_other_player(replace(account, name=name), reply.games):
                msg = "the name leads to another player now"
                raise AccountNotFound(msg)
            return renamed

    def _inactive(self, account: Account, begun: datetime) -> AccountUpdate:
        """The end of a check of an account that is closed or missing; its data stay."""
        self._run.counts.note(f"{account.standing}_accounts")
        account = replace(account, checked_at=begun)
        return AccountUpdate(account=account, due_at=polling.due_at(account, begun), skipped=True)


def _apply_month(
    account: Account, month: str, reply: ArchiveMonth, begun: datetime, *, etag: bool = True
) -> Account:
    """The account after a month's reply: the ETag, the player's identity, his newest game.

    Without `etag` the reply's games are not for all of its users, so that it is to come again.
    """
    etags, sealed, gone = dict(account.etags), dict(account.sealed_months), account.gone_months
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
        account_status.after_found(account),
        etags=etags,
        sealed_months=sealed,
        gone_months=gone,
        player_key=account.player_key or _player_key(account, reply.games),
        active_at=min(max([*ends, account.active_at or account.created_at]), begun),
    )


def _player_key(account: Account, games: Iterable[Game]) -> str | None:
    """The site's own id of the player, as his newest game under this name tells it."""
    for game in game_rules.newest_games(games, 1):
        for side in (game.white, game.black):
            if side.name.lower() == account.name:
                return side.key
    return None


def _belongs_to_other_player(account: Account, games: Iterable[Game]) -> bool:
    """Whether the games under this name are all those of one other player."""
    sides = [side for game in games for side in (game.white, game.black)]
    named = {side.key for side in sides if side.key and side.name.lower() == account.name}
    known = account.player_key is None or any(side.key == account.player_key for side in sides)
    return not known and len(named) == 1


def _finish_check(account: Account, begun: datetime) -> AccountUpdate:
    """The end of a check: months that should change no more are sealed, the oldest let go."""
    first = archive_months.first_open_month(begun)
    sealed = account.sealed_months | {
        month: SealedMonth(etag=etag, checked_at=begun)
        for month, etag in account.etags.items()
        if month < first
    }
    account = replace(
        account,
        first_month=max(first, account.first_month or first),
        etags={month: etag for month, etag in account.etags.items() if month >= first},
        sealed_months=dict(sorted(sealed.items())[-polling.VERIFIED_MONTHS :]),
        active_at=account.active_at or account.created_at,
        checked_at=begun,
    )
    return AccountUpdate(account=account, due_at=polling.due_at(account, begun))
