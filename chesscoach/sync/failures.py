"""Accounts that could not be checked: counted, logged, and set aside only if they are at fault.

A source that answers no request says nothing about the accounts that were asked for. So failures
that may be the source's wait until it has answered for an account in this run. If it never does,
they are the source's.
"""

from chesscoach import log
from chesscoach.errors import ChesscoachError, SourceError
from chesscoach.sources.client import SourceClient
from chesscoach.sync import polling
from chesscoach.sync.account import Account
from chesscoach.sync.context import SyncContext
from chesscoach.worker.job import Run


class FailureTracker:
    """The failed accounts of one source in a run."""

    def __init__(self, ctx: SyncContext, run: Run, source: SourceClient) -> None:
        self._ctx = ctx
        self._run = run
        self._source = source
        self._answered = source.answered
        self._recorded: set[str] = set()
        self._doubtful: list[tuple[Account, SourceError]] = []

    async def record(self, account: Account, error: Exception) -> None:
        """Counts an account as failed, once; its cursor stays behind the failure."""
        if account.key in self._recorded:
            return
        self._recorded.add(account.key)
        self._run.counts.failed += 1
        if isinstance(error, SourceError) and not error.permanent:
            self._doubtful.append((account, error))
        else:
            await self._report(account, error)
        if self._source.answered > self._answered:
            await self._report_doubtful()

    async def finish(self, *, already_reported: bool) -> None:
        """Reports what is left at the end; a source that answered no request is at fault itself.

        `already_reported`: a log line says already that the source was not synced.
        """
        if self._source.answered > self._answered:
            await self._report_doubtful()
        elif already_reported or not self._doubtful:
            return
        elif len(self._doubtful) == 1 and not self._doubtful[0][1].source_wide:
            await self._report_doubtful()  # it did respond to its only request
        else:
            error = str(self._doubtful[0][1])
            self._run.counts.add_error(platform=self._source.platform, error=error)
            log.get_logger().error(
                "source_not_synced",
                platform=self._source.platform,
                reason=error,
                accounts_waiting=len(self._doubtful),
            )

    async def _report_doubtful(self) -> None:
        waiting, self._doubtful = self._doubtful, []
        for account, error in waiting:
            await self._report(account, error)

    async def _report(self, account: Account, error: Exception) -> None:
        """Logs and records whose check failed, and why."""
        ours = isinstance(error, ChesscoachError)
        reason = str(error) if ours else type(error).__name__
        users = [link.user_id for link in account.links]
        self._run.counts.add_error(account=account.key, user_id=", ".join(users), error=reason)
        log.get_logger().warning(
            "account_failed",
            account=account.key,
            user_ids=users,
            error=reason,
            exc_info=None if ours else error,
        )
        now = self._ctx.now()
        await self._ctx.accounts.record_failure(
            account.key,
            reason,
            now,
            patience=polling.MAX_CONSECUTIVE_FAILURES,
            aside_until=now + polling.FAILURE_BACKOFF,
        )
