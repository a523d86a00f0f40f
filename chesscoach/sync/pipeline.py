"""Checking the due accounts of one source: fetching ahead of writing, each account on its own.

The steps of all checks are finished in the order in which they were fetched, so an account's state
never gets ahead of its games. A check that takes long is suspended at a safe point, and continues
after all others.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from datetime import datetime

from msgspec.structs import replace

from chesscoach import log
from chesscoach.errors import (
    AccountNotFound,
    LeaseLost,
    SourceError,
    SourceUnavailable,
    StoreUnavailable,
)
from chesscoach.sources.source import SOURCES
from chesscoach.sync.account import Account
from chesscoach.sync.context import SyncContext
from chesscoach.sync.failures import FailureTracker, UnknownAccounts
from chesscoach.sync.fetching.account_check import AccountCheck, CheckStep
from chesscoach.sync.fetching.facts import (
    CheckFailed,
    Fact,
    MoreToCome,
    NotFound,
    RenameFound,
)
from chesscoach.sync.fetching.fetcher import Fetcher, check_facts
from chesscoach.sync.renaming import rename_account
from chesscoach.sync.store.account_documents import AccountQuery
from chesscoach.sync.writer import AccountWriter, StoredStep
from chesscoach.worker.job import Run
from chesscoach.worker.runner import attempts

_PREFETCH_LIMIT = 8
"""Steps fetched but not yet written: enough to keep the source's lane busy."""

_WRITER_COUNT = 4
"""Steps being stored at a time: some are made ready while MongoDB writes the others."""

_BULK_RETRY_DELAY_FRACTION = 0.1
"""After a failed bulk request the next one waits for this share of the first pause."""


class SyncPipeline:
    """The checks of one source in a run."""

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
        self._writer = AccountWriter(ctx, run, fetcher.source.lane, user_lock)
        self._failures = FailureTracker(
            ctx, run, fetcher.source, is_counted=wanted.active_since is None
        )
        self._unknown = UnknownAccounts(fetcher.platform)
        self._steps: asyncio.Queue[CheckStep | None] = asyncio.Queue(_PREFETCH_LIMIT)
        self._taking = asyncio.Lock()
        self._turn = asyncio.Event()
        self._turn.set()
        self._suspended: deque[tuple[AccountCheck, AsyncGenerator[Fact]]] = deque()
        self._renamed: list[str] = []
        self._left = 0
        self._breaker_opened = False

    async def run(self) -> None:
        """Checks every wanted account; if the source must be left alone, the others fail."""
        self._left = await self._ctx.accounts.count(self._query)
        self._run.counts.candidates += self._left
        if not self._left or await self._skip_if_busy():
            return
        source = self._fetcher.source
        requests, troubles = source.requests, Counter(source.troubles)
        lane = source.lane.acquire({**attempts.owner_info(), "run_id": self._run.id})
        try:
            async with AsyncExitStack() as stack:
                if await self._run.run_interruptible(stack.enter_async_context(lane)):
                    writers = (self._write() for _ in range(_WRITER_COUNT))
                    await self._run.run_concurrently(self._fetch(), *writers)
                    await self._writer.save()
                    await self._failures.finish(already_reported=self._breaker_opened)
        except SourceUnavailable as error:
            self._fail_remaining(error)
        name = SOURCES[self._fetcher.platform].key
        self._run.counts.note(f"{name}_requests", source.requests - requests)
        for kind, times in (source.troubles - troubles).items():
            self._run.counts.note(f"{name}_{kind}", times)

    async def _skip_if_busy(self) -> bool:
        """Skips a cycle over active accounts while another run has the lane: it checks them too."""
        platform = self._fetcher.platform
        if self._query.active_since is None:
            return False
        if (await self._ctx.lanes[platform].status()).holder is None:
            return False
        self._run.counts.skipped += self._left
        log.get_logger().info("lane_busy", platform=platform, accounts=self._left)
        return True

    async def _fetch(self) -> None:
        """Fetches until all is fetched, the breaker opens, or the run is to stop.

        An interruption is harmless: what has been fetched is still written, and no cursor moves
        further than that.
        """
        try:
            await self._run.run_interruptible(self._fetch_all())
        except SourceUnavailable as error:
            self._fail_remaining(error)
        finally:
            for _, facts in self._suspended:
                await facts.aclose()
        await self._steps.put(None)

    async def _fetch_all(self) -> None:
        begun = self._ctx.now()
        async with aclosing(self._fetcher.prefetch(self._query)) as follow_ups:
            async for follow_up in follow_ups:
                await self._steps.put(AccountCheck(follow_up.account, begun).record(follow_up.fact))
        await self._flush()
        async for page in self._ctx.accounts.due_accounts(self._query):
            self._skip_unreadable(len(page.unreadable))
            await self._check_page(page.accounts)
        await self._flush()
        while self._suspended or self._renamed:
            for _ in range(len(self._suspended)):
                await self._continue(*self._suspended.popleft())
            await self._flush()
            await self._check_page(await self._renamed_accounts())
            await self._flush()
        await self._record(self._unknown.finish())

    def _skip_unreadable(self, count: int) -> None:
        if count:
            self._left -= count
            self._run.counts.skipped += count
            self._run.counts.note("unreadable_accounts", count)

    async def _renamed_accounts(self) -> list[Account]:
        """The accounts of the new names that this run has still to check."""
        keys, self._renamed = self._renamed, []
        # The account of a new name may belong to another shard, which checks it.
        found = await self._ctx.accounts.find_for_users(keys, [], self._run.shard)
        began = self._query.run_started_at
        due = [
            account
            for account in found.accounts
            if account.checked_at is None or account.checked_at < began or account.new_links
        ]
        self._left -= len(keys) - len(due)
        return due

    async def _flush(self) -> None:
        """Waits until all that was fetched is saved, so that the accounts can be read again."""
        await self._steps.join()
        await self._writer.save()

    async def _check_page(self, page: list[Account]) -> None:
        for start in range(0, len(page), self._fetcher.batch_size):
            batch = page[start : start + self._fetcher.batch_size]
            begun = await self._prepare(batch)
            for account in batch:
                check = AccountCheck(account, begun)
                await self._continue(check, check_facts(self._fetcher, check))

    async def _prepare(self, accounts: list[Account]) -> datetime:
        """Asks about a batch, until the breaker opens; returns when the last attempt began."""
        while True:
            begun = self._ctx.now()
            try:
                await self._fetcher.prepare(accounts)
            except SourceUnavailable:
                raise
            except SourceError as error:
                log.get_logger().warning(
                    "bulk_request_failed", platform=self._fetcher.platform, error=str(error)
                )
                await asyncio.sleep(self._ctx.sources.first_pause_s * _BULK_RETRY_DELAY_FRACTION)
            else:
                return begun

    async def _continue(self, check: AccountCheck, facts: AsyncGenerator[Fact]) -> None:
        """Fetches until the check ends, or lets others go first."""
        if self._writer.is_abandoned(check.account.key):
            self._left -= 1
            return await facts.aclose()
        fact: Fact | None = None
        try:
            async for fact in facts:
                if isinstance(fact, MoreToCome):
                    self._suspended.append((check, facts))
                    return
                await self._record(self._unknown.hold_or_release(check, fact))
        finally:
            if not isinstance(fact, MoreToCome):
                await facts.aclose()
        if not isinstance(fact, RenameFound):
            self._left -= 1

    async def _record(self, facts: list[tuple[AccountCheck, Fact]]) -> None:
        """Folds facts into their accounts and passes them on.

        Being missing is no failure. A cycle over active accounts comes too often for its failures
        to count: no account becomes missing by it.
        """
        for check, fact in facts:
            not_found = isinstance(fact, CheckFailed) and isinstance(fact.error, AccountNotFound)
            is_missing = check.account.status == "missing"
            is_early = isinstance(fact, NotFound) and self._query.active_since is not None
            if not (not_found if is_missing else is_early):
                await self._steps.put(check.record(fact))

    async def _write(self) -> None:
        """Stores steps side by side with other writers, and finishes them in their order."""
        while True:
            async with self._taking:
                if (step := await self._steps.get()) is None:
                    await self._steps.put(None)  # for the other writers
                    return
                turn, after = self._turn, asyncio.Event()
                self._turn = after
            stored = await self._store(step)
            await turn.wait()
            await self._finish(stored)
            after.set()
            self._steps.task_done()

    async def _store(self, step: CheckStep) -> StoredStep:
        try:
            return await self._writer.store(step)
        except (LeaseLost, StoreUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  # one account's trouble never ends a run
            failed = replace(step, fact=CheckFailed(error))
            return StoredStep(step=failed, stored_at=self._ctx.now())

    async def _finish(self, stored: StoredStep) -> None:
        account, fact = stored.step.account, stored.step.fact
        try:
            if isinstance(fact, CheckFailed):
                await self._fail(account, fact.error)
            elif isinstance(fact, RenameFound):
                await self._follow_rename(account, fact.name)
            else:
                await self._writer.finish(stored)
        except (LeaseLost, StoreUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  # as above
            await self._fail(account, error)

    async def _follow_rename(self, account: Account, name: str) -> None:
        await self._writer.save()  # what there is of the old account, while it is there
        try:
            fence = self._fetcher.source.lane.fence
            self._renamed.append(await rename_account(self._ctx, account, name, fence))
        except SourceError:
            self._left -= 1
            raise
        self._writer.abandon(account.key)
        self._run.counts.note("renamed_accounts")

    async def _fail(self, account: Account, error: Exception) -> None:
        self._writer.abandon(account.key)
        await self._failures.record(account, error)

    def _fail_remaining(self, error: SourceUnavailable) -> None:
        """The accounts that were not reached count as failed: the run did not check them."""
        self._left += self._unknown.count
        self._run.counts.failed += self._left
        self._run.counts.add_error(platform=self._fetcher.platform, error=str(error))
        log.get_logger().error(
            "source_not_synced",
            platform=self._fetcher.platform,
            reason=str(error),
            accounts_waiting=self._left,
        )
        self._left, self._breaker_opened = 0, True
