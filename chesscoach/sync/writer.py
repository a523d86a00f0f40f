"""From a site's games to a user's: stored, queued for analysis, and only then the cursor moved.

The order is what makes a kill harmless. Games are written first; they are known by their ids when
they come again. Queue items follow; a game that was written since its account was last saved may
still lack one and is offered again. The account is saved last, with all that it stands for behind
it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from chesscoach import log
from chesscoach.context import Context
from chesscoach.sources.client import Lane
from chesscoach.sources.game import Game, plain_id
from chesscoach.sync import account_status
from chesscoach.sync import game_identity as game_rules
from chesscoach.sync.account import Account, Link
from chesscoach.sync.store.account_documents import Saved
from chesscoach.sync.store.games import Stored, UserGame
from chesscoach.worker.job import Run

BATCH = 500
"""Games in one write; also how many of a long stream are held in memory."""

_SAVES = 100
_SAVE_S = 1.0
_TICK = timedelta(milliseconds=1)


class Delivery(Struct, frozen=True, kw_only=True):
    """Games of one account for some of its users, and the state that they bring it to.

    `due_at` is set with the last delivery of a check. `first` marks a first sync, which may queue
    more. `skipped` marks an account that was checked and then left alone.
    """

    account: Account
    links: tuple[Link, ...] = ()
    games: tuple[Game, ...] = ()
    due_at: datetime | None = None
    first: bool = False
    skipped: bool = False


class Kept(Struct, frozen=True, kw_only=True):
    """A delivery whose games are stored: at what instant, and which of them may be queued."""

    delivery: Delivery
    at: datetime
    offered: list[UserGame] = []


class Deliverer:
    """Writes what one lane brings in; `queueing` is shared by the lanes of a run."""

    def __init__(self, ctx: Context, run: Run, lane: Lane, queueing: asyncio.Lock) -> None:
        self._ctx = ctx
        self._run = run
        self._lane = lane
        self._queueing = queueing
        self._saves: dict[str, Delivery] = {}
        self._at = ctx.now()
        self._saved_at = asyncio.get_running_loop().time()
        self._spoiled: set[str] = set()

    async def store(self, delivery: Delivery) -> Kept:
        """Stores a delivery's games; the next one's may be stored before this one is delivered.

        Its instant lies before that of every later delivery, by more than a database's dates can
        blur: an account saved at `at` has all that was imported until then queued as well.
        """
        at = self._at = max(self._ctx.now(), self._at + 2 * _TICK)
        if not (delivery.games and delivery.links) or delivery.account.key in self._spoiled:
            return Kept(delivery=delivery, at=at + _TICK)
        self._count_unknown(delivery)
        shares = await self._shares(delivery)
        stored = await self._ctx.store.games.add(shares, at)
        self._run.counts.note("games_stored", len(stored.new))
        offered = [*stored.new, *stored.completed, *_interrupted(delivery, shares, stored)]
        return Kept(delivery=delivery, at=at + _TICK, offered=offered)

    async def deliver(self, kept: Kept) -> None:
        """Finishes one delivery, in the order of deliveries.

        What could not be written of an account keeps its cursor back.
        """
        delivery = kept.delivery
        key = delivery.account.key
        if key in self._spoiled:
            return
        await self._queue(delivery, kept.offered)
        if delivery.account.standing != "active":
            delivery = replace(delivery, account=await self._tell(delivery.account))
        account = replace(delivery.account, saved_at=kept.at)
        self._saves[key] = replace(delivery, games=(), account=account)
        waited = asyncio.get_running_loop().time() - self._saved_at
        if len(self._saves) >= _SAVES or waited >= _SAVE_S:
            await self.save()

    def spoil(self, key: str) -> None:
        """From now on nothing of an account is written: something before it failed."""
        self._spoiled.add(key)

    def spoiled(self, key: str) -> bool:
        """Whether nothing of an account is written any more in this run."""
        return key in self._spoiled

    async def _shares(self, delivery: Delivery) -> list[UserGame]:
        """Each game as a document of each user whose it is, and who is still there."""
        there = await self._ctx.store.users.naming({link.user_id for link in delivery.links})
        links = [link for link in delivery.links if link.user_id in there]
        moves = self._ctx.config.sync.analysis_moves
        shares = []
        for game in delivery.games:
            colour = game_rules.colour(game, delivery.account)
            if colour is None:
                self._run.counts.note("games_not_his")
                log.get_logger().warning(
                    "game_not_his", account=delivery.account.key, game=plain_id(game.external_id)
                )
                continue
            shares += [
                UserGame(
                    game_id=game_rules.game_id(game, link.user_id),
                    user_id=link.user_id,
                    username=link.name,
                    colour=colour,
                    game=game,
                    analysable=game_rules.worth_analysing(game, moves),
                )
                for link in links
                if link.floor is None or game.ended_at >= link.floor
            ]
        return shares

    def _count_unknown(self, delivery: Delivery) -> None:
        """Words of a site that we do not know are stored as they came, and counted."""
        platform = delivery.account.platform
        for game in delivery.games:
            for field in game.unknown:
                self._run.counts.note("unknown_values")
                self._ctx.metrics.unknown_values.labels(platform, field).inc()
                log.get_logger().info(
                    "value_unknown",
                    account=delivery.account.key,
                    game=plain_id(game.external_id),
                    field=field,
                )

    async def _tell(self, account: Account) -> Account:
        """Tells each user of an account that is closed or missing, once for each time it is."""
        untold = {link.user_id for link in account.links if link.told != account.standing}
        there = await self._ctx.store.users.naming(untold) if untold else untold
        for link in account.links:
            if link.user_id in there:
                title, message = account_status.notice(account)
                told = await self._ctx.store.notifications.tell(
                    game_rules.notification_id(account, link.user_id),
                    link.user_id,
                    f"account_{account.standing}",
                    title=title,
                    message=message,
                    data={"platform": account.platform, "username": link.name},
                    now=self._ctx.now(),
                )
                log.get_logger().warning(
                    "account_lapsed",
                    account=account.key,
                    user_id=link.user_id,
                    standing=account.standing,
                    notified=told,
                )
        told_all = tuple(replace(link, told=account.standing) for link in account.links)
        return replace(account, links=told_all)

    async def _queue(self, delivery: Delivery, offered: list[UserGame]) -> None:
        """Queues the newest games worth analysing, as far as the day's allowance goes."""
        settings = self._ctx.config.sync
        by_user: dict[str, list[UserGame]] = defaultdict(list)
        for share in offered:
            if share.analysable:
                by_user[share.user_id].append(share)
        allowance = settings.analyses_first_sync if delivery.first else settings.analyses_per_day
        for user_id, shares in by_user.items():
            now = self._ctx.now()
            async with self._queueing:
                left = await self._ctx.store.queue.left_today(user_id, now, allowance)
                if left <= 0:
                    continue
                items = {game_rules.queue_id(share.game_id): share for share in shares}
                queued = await self._ctx.store.queue.queued(list(items))
                waiting = [item for item in items.items() if item[0] not in queued]
                waiting.sort(key=lambda item: item[1].game.ended_at, reverse=True)
                chosen = {item: share.game_id for item, share in waiting[:left]}
                await self._ctx.store.queue.add(user_id, chosen, now)
            self._run.counts.note("analyses_queued", len(chosen))

    async def save(self) -> None:
        """Moves the cursors of all that has been written, and tells the users' rows."""
        self._saved_at = asyncio.get_running_loop().time()
        waiting, self._saves = list(self._saves.values()), {}
        if not waiting:
            return
        await self._ctx.store.accounts.save(
            [Saved(account=last.account, due_at=last.due_at) for last in waiting],
            self._lane.fence,
        )
        finished = [last for last in waiting if last.due_at is not None]
        self._run.counts.done += sum(not last.skipped for last in finished)
        self._run.counts.skipped += sum(last.skipped for last in finished)
        users = list({link.user_id for last in finished for link in last.account.links})
        if users:
            await self._ctx.store.users.set_last_sync(
                await self._ctx.store.accounts.oldest_success(users)
            )


def _interrupted(delivery: Delivery, shares: list[UserGame], stored: Stored) -> Iterable[UserGame]:
    """Games that a run wrote which then did not get as far as to save the account."""
    since = delivery.account.saved_at or delivery.account.created_at
    late = {game_id for game_id, at in stored.known.items() if at > since}
    return (share for share in shares if share.game_id in late)
