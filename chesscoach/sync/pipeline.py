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
from chesscoach.context import Context
from chesscoach.errors import LeaseLost, PlayerRenamed, SiteClosed, SourceError, StoreUnavailable
from chesscoach.sources.client import Site
from chesscoach.sources.game import Platform
from chesscoach.sync.account import Account
from chesscoach.sync.failures import Complaints
from chesscoach.sync.renaming import rename
from chesscoach.sync.store.account_documents import Wanted
from chesscoach.sync.writer import Deliverer, Delivery, Kept
from chesscoach.worker.job import Run
from chesscoach.worker.runner import attempts

_AHEAD = 8
"""Deliveries fetched but not yet written: enough to keep the site's lane busy."""

_WRITERS = 4
"""Deliveries being stored at a time: some are made ready while MongoDB writes the others."""

_BREATH = 0.1
"""After a failed bulk request the next one waits for this share of the first pause."""


class Fetcher(Protocol):
    """How one site is asked about accounts."""

    platform: Platform
    site: Site
    batch: int

    def early(self, wanted: Wanted) -> AsyncGenerator[Delivery]:
        """What can be had about all wanted accounts before they are checked one by one."""

    async def prepare(self, accounts: list[Account]) -> None:
        """Asks what can be asked about several accounts at once, at most `batch` of them.

        A SourceError concerns none of them: the same may be asked again.
        """

    def check(self, account: Account) -> AsyncGenerator[Delivery]:
        """One account's deliveries; the last has its due time set, unless there is more to come."""


class Walk:
    """The work on one site in a run."""

    def __init__(
        self, ctx: Context, run: Run, fetcher: Fetcher, wanted: Wanted, queueing: asyncio.Lock
    ) -> None:
        self._ctx = ctx
        self._run = run
        self._fetcher = fetcher
        self._wanted = wanted
        self._deliverer = Deliverer(ctx, run, fetcher.site.lane, queueing)
        self._complaints = Complaints(ctx, run, fetcher.site)
        self._ready: asyncio.Queue[tuple[Account, Delivery | Exception] | asyncio.Event | None]
        self._ready = asyncio.Queue(_AHEAD)
        self._taking = asyncio.Lock()
        self._turn = asyncio.Event()
        self._turn.set()
        self._again: list[str] = []
        self._left = 0
        self._shut = False

    async def walk(self) -> None:
        """Checks every wanted account; a site that must be left alone fails those that remain."""
        self._left = await self._ctx.store.accounts.count(self._wanted)
        self._run.counts.candidates += self._left
        if not self._left:
            return
        site = self._fetcher.site
        sent, troubles = site.requests, Counter(site.troubles)
        lane = site.lane.hold({**attempts.owner(), "run_id": self._run.id})
        try:
            async with AsyncExitStack() as stack:
                if await self._run.breaks_off(stack.enter_async_context(lane)):
                    writers = (self._write() for _ in range(_WRITERS))
                    await self._run.together(self._fetch(), *writers)
                    await self._deliverer.save()
                    await self._complaints.close(told=self._shut)
        except SiteClosed as error:
            self._closed(error)
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
            await self._run.breaks_off(self._fetch_all())
        except SiteClosed as error:
            self._closed(error)
        await self._ready.put(None)

    async def _fetch_all(self) -> None:
        async with aclosing(self._fetcher.early(self._wanted)) as deliveries:
            async for delivery in deliveries:
                await self._ready.put((delivery.account, delivery))
        await self._written()
        async for page in self._ctx.store.accounts.due(self._wanted):
            await self._fetch_page(page)
        await self._written()
        while self._again:
            keys, self._again = self._again, []
            # A new name may be another part's account: it is due there, for who has joined.
            rows = await self._ctx.store.accounts.of_users(keys, [], self._run.shard)
            lacking = [row for row in rows if self._lacks(row)]
            self._left -= len(keys) - len(lacking)
            await self._fetch_page(lacking)
            await self._written()

    def _lacks(self, account: Account) -> bool:
        """Whether there is more to be asked about an account; one with a new name may be done."""
        checked = account.checked_at is not None and account.checked_at >= self._wanted.begun
        return not checked or bool(account.newcomers)

    async def _written(self) -> None:
        """Waits until all that was fetched is written, so that the accounts can be read anew."""
        saved = asyncio.Event()
        await self._ready.put(saved)
        await saved.wait()

    async def _fetch_page(self, page: list[Account]) -> None:
        spoiled = sum(self._deliverer.spoiled(account.key) for account in page)
        self._left -= spoiled
        page = [account for account in page if not self._deliverer.spoiled(account.key)]
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
            except SiteClosed:
                raise
            except SourceError as error:
                log.get_logger().warning(
                    "bulk_request_failed", platform=self._fetcher.platform, error=str(error)
                )
                await asyncio.sleep(self._ctx.config.sources.pause_s * _BREATH)

    async def _fetch_one(self, account: Account) -> None:
        finished = False
        try:
            async with aclosing(self._fetcher.check(account)) as deliveries:
                async for delivery in deliveries:
                    account, finished = delivery.account, delivery.due_at is not None
                    await self._ready.put((account, delivery))
        except (SiteClosed, LeaseLost, StoreUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  # one account's trouble never ends a run
            await self._ready.put((account, error))
            finished = not isinstance(error, PlayerRenamed)
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
                await self._deliverer.save()
                stored.set()
            else:
                await self._finish(*stored)
            after.set()

    async def _store(
        self, account: Account, what: Delivery | Exception
    ) -> tuple[Account, Kept | Exception]:
        if isinstance(what, Exception):
            return account, what
        try:
            return account, await self._deliverer.store(what)
        except (LeaseLost, StoreUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  # one account's trouble never ends a run
            return account, error

    async def _finish(self, account: Account, what: Kept | Exception) -> None:
        try:
            if isinstance(what, Kept):
                await self._deliverer.deliver(what)
            elif isinstance(what, PlayerRenamed):
                await self._follow(account, what)
            else:
                await self._fail(account, what)
        except (LeaseLost, StoreUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  # as above
            await self._fail(account, error)

    async def _follow(self, account: Account, renamed: PlayerRenamed) -> None:
        await self._deliverer.save()  # what there is of the old account, while it is there
        try:
            moved = await rename(self._ctx, account, renamed.name, self._fetcher.site.lane.fence)
        except SourceError:
            self._left -= 1
            raise
        self._deliverer.spoil(account.key)
        self._run.counts.note("renamed_accounts")
        self._again.append(moved)

    async def _fail(self, account: Account, error: Exception) -> None:
        self._deliverer.spoil(account.key)
        await self._complaints.take(account, error)

    def _closed(self, error: SiteClosed) -> None:
        """The accounts that were not reached count as failed: the run did not do its work."""
        self._run.counts.failed += self._left
        self._run.counts.sample(platform=self._fetcher.platform, error=str(error))
        log.get_logger().error(
            "site_not_synced",
            platform=self._fetcher.platform,
            reason=str(error),
            accounts_waiting=self._left,
        )
        self._left, self._shut = 0, True
