"""Walking the due accounts of one site: fetching ahead of writing, each account on its own.

What has been fetched is written in that order, so an account's state never gets ahead of its games.
An account whose check takes too long is broken off at a safe point and goes on after all others.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Protocol

from chesscoach import log
from chesscoach.errors import (
    AccountRenamed,
    LeaseLost,
    SourceError,
    SourceUnavailable,
    StoreUnavailable,
)
from chesscoach.sources.client import SourceClient
from chesscoach.sources.game import Platform
from chesscoach.sync.account import Account
from chesscoach.sync.context import SyncContext
from chesscoach.sync.failures import FailureTracker
from chesscoach.sync.renaming import rename_account
from chesscoach.sync.store.account_documents import AccountQuery
from chesscoach.sync.writer import AccountUpdate, GameWriter, StoredUpdate
from chesscoach.worker.job import Run
from chesscoach.worker.runner import attempts

_PREFETCH_LIMIT = 8
"""Deliveries fetched but not yet written: enough to keep the site's lane busy."""

_WRITER_COUNT = 4
"""Deliveries being stored at a time: some are made ready while MongoDB writes the others."""

_BULK_RETRY_DELAY_FRACTION = 0.1
"""After a failed bulk request the next one waits for this share of the first pause."""


class Fetcher(Protocol):
    """How one site is asked about accounts."""

    platform: Platform
    source: SourceClient
    batch: int

    def prefetch(self, wanted: AccountQuery) -> AsyncGenerator[AccountUpdate]:
        """What can be had about all wanted accounts before they are checked one by one."""

    async def prepare(self, accounts: list[Account]) -> None:
        """Asks what can be asked about several accounts at once, at most `batch` of them.

        A SourceError concerns none of them: the same may be asked again.
        """

    def check(self, account: Account) -> AsyncGenerator[AccountUpdate]:
        """One account's deliveries; the last has its due time set, unless there is more to come."""


class SyncPipeline:
    """The work on one site in a run."""

    def __init__(
        self,
        ctx: SyncContext,
        run: Run,
        fetcher: Fetcher,
        wanted: AccountQuery,
        user_lock: asyncio.Lock,
    ) -> None:
        self._ctx = ctx
        self._run = run
        self._fetcher = fetcher
        self._query = wanted
        self._writer = GameWriter(ctx, run, fetcher.source.lane, user_lock)
        self._failures = FailureTracker(ctx, run, fetcher.source)
        self._ready: asyncio.Queue[tuple[Account, AccountUpdate | Exception] | asyncio.Event | None]
        self._ready = asyncio.Queue(_PREFETCH_LIMIT)
        self._taking = asyncio.Lock()
        self._turn = asyncio.Event()
        self._turn.set()
        self._again: list[str] = []
        self._left = 0
        self._shut = False

    async def run(self) -> None:
        """Checks every wanted account; a site that must be left alone fails those that remain."""
        self._left = await self._ctx.accounts.count(self._query)
        self._run.counts.candidates += self._left
        if not self._left:
            return
        site = self._fetcher.source
        sent, troubles = site.requests, Counter(site.troubles)
        lane = site.lane.acquire({**attempts.owner_info(), "run_id": self._run.id})
        try:
            async with AsyncExitStack() as stack:
                if await self._run.run_interruptible(stack.enter_async_context(lane)):
                    writers = (self._write() for _ in range(_WRITER_COUNT))
                    await self._run.run_concurrently(self._fetch(), *writers)
                    await self._writer.save()
                    await self._failures.finish(already_reported=self._shut)
        except SourceUnavailable as error:
            self._source_unavailable(error)
        name = self._fetcher.platform.replace(".", "")
        self._run.counts.note(f"{name}_requests", site.requests - sent)
        for kind, times in (site.troubles - troubles).items():
            self._run.counts.note(f"{name}_{kind}", times)

    async def _fetch(self) -> None:
        """Fetches until all is fetched, the site is closed, or the run is to stop.

        Breaking off is harmless: what has been fetched is still written, and no cursor moves
        further than that.
        """
        try:
            await self._run.run_interruptible(self._fetch_all())
        except SourceUnavailable as error:
            self._source_unavailable(error)
        await self._ready.put(None)

    async def _fetch_all(self) -> None:
        async with aclosing(self._fetcher.prefetch(self._query)) as deliveries:
            async for delivery in deliveries:
                await self._ready.put((delivery.account, delivery))
        await self._drain()
        async for page in self._ctx.accounts.due_accounts(self._query):
            await self._fetch_page(page)
        await self._drain()
        while self._again:
            keys, self._again = self._again, []
            # A new name may be another part's account: it is due there, for who has joined.
            rows = await self._ctx.accounts.find_for_users(keys, [], self._run.shard)
            lacking = [row for row in rows if self._is_incomplete(row)]
            self._left -= len(keys) - len(lacking)
            await self._fetch_page(lacking)
            await self._drain()

    def _is_incomplete(self, account: Account) -> bool:
        """Whether there is more to be asked about an account; one with a new name may be done."""
        checked = (
            account.checked_at is not None and account.checked_at >= self._query.run_started_at
        )
        return not checked or bool(account.new_links)

    async def _drain(self) -> None:
        """Waits until all that was fetched is written, so that the accounts can be read anew."""
        saved = asyncio.Event()
        await self._ready.put(saved)
        await saved.wait()

    async def _fetch_page(self, page: list[Account]) -> None:
        spoiled = sum(self._writer.is_abandoned(account.key) for account in page)
        self._left -= spoiled
        page = [account for account in page if not self._writer.is_abandoned(account.key)]
        for start in range(0, len(page), self._fetcher.batch):
            batch = page[start : start + self._fetcher.batch]
            await self._prepare(batch)
            for account in batch:
                await self._fetch_one(account)

    async def _prepare(self, accounts: list[Account]) -> None:
        """A bulk request that failed is sent again until the site is closed for it."""
        while True:
            try:
                return await self._fetcher.prepare(accounts)
            except SourceUnavailable:
                raise
            except SourceError as error:
                log.get_logger().warning(
                    "bulk_request_failed", platform=self._fetcher.platform, error=str(error)
                )
                await asyncio.sleep(self._ctx.sources.first_pause_s * _BULK_RETRY_DELAY_FRACTION)

    async def _fetch_one(self, account: Account) -> None:
        finished = False
        try:
            async with aclosing(self._fetcher.check(account)) as deliveries:
                async for delivery in deliveries:
                    account, finished = delivery.account, delivery.due_at is not None
                    await self._ready.put((account, delivery))
        except (SourceUnavailable, LeaseLost, StoreUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  # one account's trouble never ends a run
            await self._ready.put((account, error))
            finished = not isinstance(error, AccountRenamed)
        else:
            if not finished:
                self._again.append(account.key)
        self._left -= finished

    async def _write(self) -> None:
        """Stores what has been fetched side by side with other writers, finishes it in order."""
        while True:
            async with self._taking:
                if (item := await self._ready.get()) is None:
                    await self._ready.put(None)  # for the other writers
                    return
                turn, after = self._turn, asyncio.Event()
                self._turn = after
            stored = item if isinstance(item, asyncio.Event) else await self._store(*item)
            await turn.wait()
            if isinstance(stored, asyncio.Event):
                await self._writer.save()
                stored.set()
            else:
                await self._finish(*stored)
            after.set()

    async def _store(
        self, account: Account, what: AccountUpdate | Exception
    ) -> tuple[Account, StoredUpdate | Exception]:
        if isinstance(what, Exception):
            return account, what
        try:
            return account, await self._writer.store(what)
        except (LeaseLost, StoreUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  # one account's trouble never ends a run
            return account, error

    async def _finish(self, account: Account, what: StoredUpdate | Exception) -> None:
        try:
            if isinstance(what, StoredUpdate):
                await self._writer.finish(what)
            elif isinstance(what, AccountRenamed):
                await self._follow_rename(account, what)
            else:
                await self._fail(account, what)
        except (LeaseLost, StoreUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  # as above
            await self._fail(account, error)

    async def _follow_rename(self, account: Account, renamed: AccountRenamed) -> None:
        await self._writer.save()  # what there is of the old account, while it is there
        try:
            moved = await rename_account(
                self._ctx, account, renamed.name, self._fetcher.source.lane.fence
            )
        except SourceError:
            self._left -= 1
            raise
        self._writer.abandon(account.key)
        self._run.counts.note("renamed_accounts")
        self._again.append(moved)

    async def _fail(self, account: Account, error: Exception) -> None:
        self._writer.abandon(account.key)
        await self._failures.record(account, error)

    def _source_unavailable(self, error: SourceUnavailable) -> None:
        """The accounts that were not reached count as failed: the run did not do its work."""
        self._run.counts.failed += self._left
        self._run.counts.add_error(platform=self._fetcher.platform, error=str(error))
        log.get_logger().error(
            "source_not_synced",
            platform=self._fetcher.platform,
            reason=str(error),
            accounts_waiting=self._left,
        )
        self._left, self._shut = 0, True
