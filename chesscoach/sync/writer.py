"""Writes what a check fetched: stores games, queues analyses, and only then moves the cursor.

The order makes a kill harmless. Games are written first; their ids identify them when they come
again. Queue items follow; a game that was written after its account was last saved may lack one,
and is offered again. The account is saved last: all that it stands for is written.
"""

import asyncio
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from chesscoach.sources.lane import Lane
from chesscoach.sync.account import Account
from chesscoach.sync.analyses import queue_analyses
from chesscoach.sync.context import SyncContext
from chesscoach.sync.fetching.account_check import CheckStep
from chesscoach.sync.fetching.facts import GamesFetched
from chesscoach.sync.game_store import GameStore, StoredGames, import_span
from chesscoach.sync.new_games import NewGames, add_counts, notify_of_new_games
from chesscoach.sync.notifications import notify_users
from chesscoach.sync.store.account_documents import AccountState
from chesscoach.worker.job import Run

_MAX_UNSAVED = 100
_SAVE_INTERVAL_S = 1.0
_ONE_MS = timedelta(milliseconds=1)


class StoredStep(Struct, frozen=True, kw_only=True):
    """A step whose games are stored, and at what instant."""

    step: CheckStep
    stored_at: datetime
    games: StoredGames = StoredGames()


class AccountWriter:
    """Writes what the pipeline of one source fetches.

    The pipelines of a run share `user_lock`, under which they read and then write a user's values.
    """

    def __init__(self, ctx: SyncContext, run: Run, lane: Lane, user_lock: asyncio.Lock) -> None:
        self._ctx = ctx
        self._run = run
        self._lane = lane
        self._user_lock = user_lock
        self._games = GameStore(ctx, run)
        self._unsaved: dict[str, AccountState] = {}
        self._last_store_at = ctx.now()
        self._saved_at = asyncio.get_running_loop().time()
        self._abandoned: set[str] = set()
        self._new_games: dict[str, dict[str, NewGames]] = {}

    async def store(self, step: CheckStep) -> StoredStep:
        """Stores a step's games; the next one's may be stored before this one is finished.

        Its instants lie before those of every later step, by more than the precision of a
        database's dates. So an account saved at `stored_at` has queued all games stored until then.
        """
        fact = step.fact
        games = len(fact.games) if isinstance(fact, GamesFetched) else 0
        at = max(self._ctx.now(), self._last_store_at + 2 * _ONE_MS)
        last = self._last_store_at = at + import_span(games)
        stored_at = last + _ONE_MS
        if self.is_abandoned(step.account.key):
            return StoredStep(step=step, stored_at=stored_at)
        stored = await self._games.store(step, at)
        return StoredStep(step=step, stored_at=stored_at, games=stored)

    async def finish(self, stored: StoredStep) -> None:
        """Finishes one step, in the order of the steps.

        If some of an account could not be written, its cursor stays behind that.
        """
        step, account = stored.step, stored.step.account
        if self.is_abandoned(account.key):
            return
        if isinstance(step.fact, GamesFetched):
            await queue_analyses(
                self._ctx,
                self._run,
                self._user_lock,
                stored.games.candidates,
                first_sync=step.fact.first_sync,
            )
            known = self._new_games.get(account.key, {})
            self._new_games[account.key] = add_counts(known, stored.games.new_games)
        if account.status != "active":
            account = await notify_users(self._ctx, account)
        self._unsaved[account.key] = AccountState(
            account=replace(account, saved_at=stored.stored_at),
            due_at=step.due_at,
        )
        waited_s = asyncio.get_running_loop().time() - self._saved_at
        if len(self._unsaved) >= _MAX_UNSAVED or waited_s >= _SAVE_INTERVAL_S:
            await self.save()

    def abandon(self, key: str) -> None:
        """Ends all writes about an account in this run: an earlier one failed."""
        self._abandoned.add(key)

    def is_abandoned(self, key: str) -> bool:
        """Whether the writes about an account have ended in this run."""
        return key in self._abandoned

    async def save(self) -> None:
        """Moves the cursors of all that has been written, and sets the users' last sync.

        If it is cancelled, the next call does all of it again.
        """
        self._saved_at = asyncio.get_running_loop().time()
        states = list(self._unsaved.values())
        if not states:
            return
        await self._ctx.accounts.save(states, self._lane.fence)
        if self._ctx.settings.notify_new_games:
            await self._notify([state.account for state in states])
        checked = [state.account for state in states if state.due_at is not None]
        users = list({link.user_id for account in checked for link in account.links})
        if users:
            async with self._user_lock:
                instants = await self._ctx.accounts.oldest_success(users)
                await self._ctx.users.set_last_sync(instants)
        self._unsaved.clear()
        for account in checked:
            self._new_games.pop(account.key, None)
            if account.status == "active":
                self._run.counts.done += 1
            else:
                self._run.counts.skipped += 1
                self._run.counts.note(f"{account.status}_accounts")

    async def _notify(self, accounts: list[Account]) -> None:
        """Notifies the users of the new games of accounts that are saved."""
        by_user: dict[str, NewGames] = {}
        for account in accounts:
            by_user = add_counts(by_user, self._new_games.get(account.key, {}))
        if by_user:
            async with self._user_lock:
                await notify_of_new_games(self._ctx, self._run.id, accounts[0].platform, by_user)
