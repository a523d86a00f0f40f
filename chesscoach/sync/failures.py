"""Accounts that could not be checked: counted, logged, and set aside only if they are at fault.

A source that answers no request says nothing about the accounts that were asked for. So failures
that may be the source's wait until it has answered for an account in this run. If it never does,
they are the source's. A source that knows no account at all has a fault too, such as an empty
database. Then no account comes closer to counting as missing.
"""

from chesscoach import log
from chesscoach.errors import AccountNotFound, ChesscoachError, SourceError, SourceUnavailable
from chesscoach.sources.client import SourceClient
from chesscoach.sources.game import Platform
from chesscoach.sync import polling
from chesscoach.sync.account import Account
from chesscoach.sync.context import SyncContext
from chesscoach.sync.fetching.account_check import AccountCheck
from chesscoach.sync.fetching.facts import CheckFailed, Fact, NotFound
from chesscoach.worker.job import Run

_MAX_HELD_FACTS = 1000
"""Facts that are held back; after that, the other accounts are not asked for."""

_MIN_OUTAGE_ACCOUNTS = 2
"""Accounts that the source has known, or has not been asked for often enough, in an outage."""

MAX_LOGGED_USERS = 5
"""Users of an account whose ids a log line has; any number of users may link one account."""


class FailureTracker:
    """The failed accounts of one source in a run; only if `is_counted` can one be set aside."""

    def __init__(
        self, ctx: SyncContext, run: Run, source: SourceClient, *, is_counted: bool
    ) -> None:
        self._ctx = ctx
        self._is_counted = is_counted
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
        some = users[:MAX_LOGGED_USERS]
        more = f" and {len(users) - len(some)} more" if len(users) > len(some) else ""
        self._run.counts.add_error(
            account=account.key, user_id=", ".join(some) + more, error=reason
        )
        log.get_logger().warning(
            "account_failed",
            account=account.key,
            users=len(users),
            user_ids=some,
            error=reason,
            exc_info=None if ours else error,
        )
        if not self._is_counted:
            return
        now = self._ctx.now()
        await self._ctx.accounts.record_failure(
            account.key,
            reason,
            now,
            patience=polling.MAX_CONSECUTIVE_FAILURES,
            aside_until=now + polling.FAILURE_BACKOFF,
        )


class UnknownAccounts:
    """The accounts that the source of a run did not know, as long as it knew none."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._held: list[tuple[AccountCheck, Fact]] = []
        self._is_any_known = False

    @property
    def count(self) -> int:
        """The number of accounts that are held back."""
        return len({check.account.key for check, _ in self._held})

    def hold_or_release(self, check: AccountCheck, fact: Fact) -> list[tuple[AccountCheck, Fact]]:
        """The facts that may be recorded now: none, this one, or all.

        Raises:
            SourceUnavailable: the source knows none of a great number of accounts.
        """
        error = fact.error if isinstance(fact, CheckFailed) else None
        if self._is_any_known or not isinstance(error, AccountNotFound | None):
            return [(check, fact)]
        self._held.append((check, fact))
        if error is None and not isinstance(fact, NotFound):
            self._is_any_known = True
            return self._take_held_facts()
        if len(self._held) >= _MAX_HELD_FACTS:
            self._raise_if_outage()
        return []

    def finish(self) -> list[tuple[AccountCheck, Fact]]:
        """The facts that are left when every account has been asked for.

        Raises:
            SourceUnavailable: the source knows none of several accounts.
        """
        self._raise_if_outage()
        return self._take_held_facts()

    def _take_held_facts(self) -> list[tuple[AccountCheck, Fact]]:
        held, self._held = self._held, []
        return held

    def _raise_if_outage(self) -> None:
        """An account that was missing already may well be missing now, so it is no sign."""
        keys = {check.account.key for check, _ in self._held if check.account.status != "missing"}
        if len(keys) >= _MIN_OUTAGE_ACCOUNTS:
            msg = f"{self._platform} knows none of the {self.count} accounts that it was asked for"
            raise SourceUnavailable(msg)
