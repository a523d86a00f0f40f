"""Walking the due accounts of one site: fetching ahead of writing, each account on its own."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Protocol

from chesscoach import log
from chesscoach.context import Context
from chesscoach.errors import ChesscoachError, LeaseLost, SiteClosed, SourceError, StoreUnavailable
from chesscoach.jobs.sync_games.delivery import Deliverer, Delivery
from chesscoach.models import Account, Platform
from chesscoach.rules import cadence
from chesscoach.runner import claim
from chesscoach.runner.job import Run
from chesscoach.sources.client import Site
from chesscoach.store.accounts import Wanted

_AHEAD = 8
"""Deliveries fetched but not yet written: enough to keep the site's lane busy."""


class Fetcher(Protocol):
    """How one site is asked about accounts."""

    platform: Platform
    site: Site
    batch: int

    async def prepare(self, accounts: list[Account]) -> None:
        """Asks what can be asked about several accounts at once, at most `batch` of them."""

    def check(self, account: Account) -> AsyncGenerator[Delivery]:
        """One account's deliveries; the last has its due time set."""


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
        self._ready: asyncio.Queue[tuple[Account, Delivery | Exception] | None] = asyncio.Queue(
            _AHEAD
        )
        self._failed: set[str] = set()
        self._left = 0

    async def walk(self) -> None:
        """Checks every wanted account; a site that must be left alone fails those that remain."""
        self._left = await self._ctx.store.accounts.count(self._wanted)
        self._run.counts.candidates += self._left
        if not self._left:
            return
        site = self._fetcher.site
        sent = site.requests
        lane = site.lane.hold({**claim.owner(), "run_id": self._run.id})
        try:
            async with AsyncExitStack() as stack:
                if await self._run.breaks_off(stack.enter_async_context(lane)):
                    await self._run.together(self._fetch(), self._write())
        except SiteClosed as error:
            self._closed(error)
        self._run.counts.note(
            f"{self._fetcher.platform.replace('.', '')}_requests", site.requests - sent
        )

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
        async for page in self._ctx.store.accounts.due(self._wanted):
            for start in range(0, len(page), self._fetcher.batch):
                await self._fetch_batch(page[start : start + self._fetcher.batch])

    async def _fetch_batch(self, accounts: list[Account]) -> None:
        try:
            await self._fetcher.prepare(accounts)
        except SiteClosed:
            raise
        except SourceError as error:
            for account in accounts:
                self._left -= 1
                await self._ready.put((account, error))
            return
        for account in accounts:
            await self._fetch_one(account)
            self._left -= 1

    async def _fetch_one(self, account: Account) -> None:
        try:
            async with aclosing(self._fetcher.check(account)) as deliveries:
                async for delivery in deliveries:
                    await self._ready.put((account, delivery))
        except (SiteClosed, LeaseLost, StoreUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  # one account's trouble never ends a run
            await self._ready.put((account, error))

    async def _write(self) -> None:
        """Writes what has been fetched, in that order."""
        while (item := await self._ready.get()) is not None:
            account, what = item
            if isinstance(what, Exception):
                await self._complain(account, what)
                continue
            try:
                await self._deliverer.deliver(what)
            except (LeaseLost, StoreUnavailable):
                raise
            except Exception as error:  # noqa: BLE001  # as above
                await self._complain(account, error)
        await self._deliverer.save()

    async def _complain(self, account: Account, error: Exception) -> None:
        """Counts an account as failed, once, and says why; its cursor stays behind the failure."""
        self._deliverer.spoil(account.key)
        if account.key in self._failed:
            return
        self._failed.add(account.key)
        ours = isinstance(error, ChesscoachError)
        told = str(error) if ours else type(error).__name__
        users = [link.user_id for link in account.links]
        self._run.counts.failed += 1
        self._run.counts.sample(account=account.key, user_id=", ".join(users), error=told)
        log.get_logger().warning(
            "account_failed",
            account=account.key,
            user_ids=users,
            error=told,
            exc_info=None if ours else error,
        )
        now = self._ctx.now()
        await self._ctx.store.accounts.complain(
            account.key,
            told,
            now,
            patience=cadence.PATIENCE,
            aside_until=now + cadence.SET_ASIDE,
        )

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
        self._left = 0
