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
from chesscoach.sources.client import Lane
from chesscoach.sources.game import Game, plain_id
from chesscoach.sync import account_status
from chesscoach.sync import game_identity as game_rules
from chesscoach.sync.account import Account, AccountLink
from chesscoach.sync.context import SyncContext
from chesscoach.sync.store.account_documents import AccountState
from chesscoach.sync.store.games import InsertResult, UserGame
from chesscoach.worker.job import Run

WRITE_BATCH_SIZE = 500
"""Games in one write; also how many of a long stream are held in memory."""

_MAX_UNSAVED = 100
_SAVE_INTERVAL_S = 1.0
ONE_MS = timedelta(milliseconds=1)


class AccountUpdate(Struct, frozen=True, kw_only=True):
    """Games of one account for some of its users, and the state that they bring it to.

    `due_at` is set with the last delivery of a check. `first` marks a first sync, which may queue
    more. `skipped` marks an account that was checked and then left alone.
    """

    account: Account
    links: tuple[AccountLink, ...] = ()
    games: tuple[Game, ...] = ()
    due_at: datetime | None = None
    first: bool = False
    skipped: bool = False


class StoredUpdate(Struct, frozen=True, kw_only=True):
    """A delivery whose games are stored: at what instant, and which of them may be queued."""

    update: AccountUpdate
    stored_at: datetime
    queue_candidates: list[UserGame] = []


class GameWriter:
    """Writes what one lane brings in.

    The lanes of a run share `user_lock`, under which they read and then write a user's values.
    """

    def __init__(self, ctx: SyncContext, run: Run, lane: Lane, user_lock: asyncio.Lock) -> None:
        self._ctx = ctx
        self._run = run
        self._lane = lane
        self._user_lock = user_lock
        self._saves: dict[str, AccountUpdate] = {}
        self._at = ctx.now()
        self._saved_at = asyncio.get_running_loop().time()
        self._abandoned: set[str] = set()

    async def store(self, delivery: AccountUpdate) -> StoredUpdate:
        """Stores a delivery's games; the next one's may be stored before this one is delivered.

        Its instant lies before that of every later delivery, by more than a database's dates can
        blur: an account saved at `at` has all that was imported until then queued as well.
        """
        at = self._at = max(self._ctx.now(), self._at + 2 * ONE_MS)
        if not (delivery.games and delivery.links) or delivery.account.key in self._abandoned:
            return StoredUpdate(update=delivery, stored_at=at + ONE_MS)
        self._count_unknown(delivery)
        shares = await self._user_games(delivery)
        stored = await self._ctx.games.insert_new(shares, at)
        self._run.counts.note("games_stored", len(stored.new))
        offered = [*stored.new, *stored.completed, *_from_interrupted_run(delivery, shares, stored)]
        return StoredUpdate(update=delivery, stored_at=at + ONE_MS, queue_candidates=offered)

    async def finish(self, kept: StoredUpdate) -> None:
        """Finishes one delivery, in the order of deliveries.

        What could not be written of an account keeps its cursor back.
        """
        delivery = kept.update
        key = delivery.account.key
        if key in self._abandoned:
            return
        await self._queue(delivery, kept.queue_candidates)
        if delivery.account.standing != "active":
            delivery = replace(delivery, account=await self._notify_users(delivery.account))
        account = replace(delivery.account, saved_at=kept.stored_at)
        self._saves[key] = replace(delivery, games=(), account=account)
        waited = asyncio.get_running_loop().time() - self._saved_at
        if len(self._saves) >= _MAX_UNSAVED or waited >= _SAVE_INTERVAL_S:
            await self.save()

    def abandon(self, key: str) -> None:
        """From now on nothing of an account is written: something before it failed."""
        self._abandoned.add(key)

    def is_abandoned(self, key: str) -> bool:
        """Whether nothing of an account is written any more in this run."""
        return key in self._abandoned

    async def _user_games(self, delivery: AccountUpdate) -> list[UserGame]:
        """Each game as a document of each user whose it is, and who is still there."""
        there = await self._ctx.users.with_accounts({link.user_id for link in delivery.links})
        links = [link for link in delivery.links if link.user_id in there]
        moves = self._ctx.settings.analysis_moves
        shares = []
        for game in delivery.games:
            colour = game_rules.colour_of(game, delivery.account)
            if colour is None:
                self._run.counts.note("games_not_owned")
                log.get_logger().warning(
                    "game_not_owned", account=delivery.account.key, game=plain_id(game.external_id)
                )
                continue
            shares += [
                UserGame(
                    game_id=game_rules.game_id(game, link.user_id),
                    user_id=link.user_id,
                    username=link.name,
                    colour=colour,
                    game=game,
                    analysable=game_rules.is_worth_analysing(game, moves),
                )
                for link in links
                if link.oldest_game_at is None or game.ended_at >= link.oldest_game_at
            ]
        return shares

    def _count_unknown(self, delivery: AccountUpdate) -> None:
        """Words of a site that we do not know are stored as they came, and counted."""
        platform = delivery.account.platform
        for game in delivery.games:
            for field in game.unknown:
                self._run.counts.note("unknown_values")
                self._ctx.metrics.unknown_values.labels(platform, field).inc()
                log.get_logger().info(
                    "unknown_value",
                    account=delivery.account.key,
                    game=plain_id(game.external_id),
                    field=field,
                )

    async def _notify_users(self, account: Account) -> Account:
        """Tells each user of an account that is closed or missing, once for each time it is."""
        untold = {
            link.user_id for link in account.links if link.notified_status != account.standing
        }
        there = await self._ctx.users.with_accounts(untold) if untold else untold
        for link in account.links:
            if link.user_id in there:
                title, message = account_status.notification_text(account)
                told = await self._ctx.notifications.add(
                    game_rules.notification_id(account, link.user_id),
                    link.user_id,
                    f"account_{account.standing}",
                    title=title,
                    message=message,
                    data={"platform": account.platform, "username": link.name},
                    now=self._ctx.now(),
                )
                log.get_logger().warning(
                    "account_inactive",
                    account=account.key,
                    user_id=link.user_id,
                    standing=account.standing,
                    notified=told,
                )
        told_all = tuple(replace(link, notified_status=account.standing) for link in account.links)
        return replace(account, links=told_all)

    async def _queue(self, delivery: AccountUpdate, offered: list[UserGame]) -> None:
        """Queues the newest games worth analysing, as far as the day's allowance goes."""
        settings = self._ctx.settings
        by_user: dict[str, list[UserGame]] = defaultdict(list)
        for share in offered:
            if share.analysable:
                by_user[share.user_id].append(share)
        allowance = settings.analyses_first_sync if delivery.first else settings.analyses_per_day
        for user_id, shares in by_user.items():
            now = self._ctx.now()
            async with self._user_lock:
                left = await self._ctx.analysis_queue.remaining_today(user_id, now, allowance)
                if left <= 0:
                    continue
                items = {game_rules.queue_id(share.game_id): share for share in shares}
                queued = await self._ctx.analysis_queue.find_queued(list(items))
                waiting = [item for item in items.items() if item[0] not in queued]
                waiting.sort(key=lambda item: item[1].game.ended_at, reverse=True)
                chosen = {item: share.game_id for item, share in waiting[:left]}
                await self._ctx.analysis_queue.add(user_id, chosen, now)
            self._run.counts.note("analyses_queued", len(chosen))

    async def save(self) -> None:
        """Moves the cursors of all that has been written, and tells the users' rows."""
        self._saved_at = asyncio.get_running_loop().time()
        waiting, self._saves = list(self._saves.values()), {}
        if not waiting:
            return
        await self._ctx.accounts.save(
            [AccountState(account=last.account, due_at=last.due_at) for last in waiting],
            self._lane.fence,
        )
        finished = [last for last in waiting if last.due_at is not None]
        self._run.counts.done += sum(not last.skipped for last in finished)
        self._run.counts.skipped += sum(last.skipped for last in finished)
        users = list({link.user_id for last in finished for link in last.account.links})
        if users:
            async with self._user_lock:
                instants = await self._ctx.accounts.oldest_success(users)
                await self._ctx.users.set_last_sync(instants)


def _from_interrupted_run(
    delivery: AccountUpdate, shares: list[UserGame], stored: InsertResult
) -> Iterable[UserGame]:
    """Games that a run wrote which then did not get as far as to save the account."""
    since = delivery.account.saved_at or delivery.account.created_at
    late = {game_id for game_id, at in stored.known.items() if at > since}
    return (share for share in shares if share.game_id in late)
