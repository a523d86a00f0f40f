"""Requests the months of an account on Chess.com, in one check.

A month that is never served must not keep the others from being requested.
"""

from collections.abc import Awaitable, Callable, Collection

from chesscoach.errors import (
    AccountClosed,
    AccountNotFound,
    AccountRenamed,
    SourceError,
    SourceUnavailable,
)
from chesscoach.sources.archive_month import ArchiveMonth
from chesscoach.sync.account import Account
from chesscoach.sync.fetching.account_check import AccountCheck

FetchMonth = Callable[[Account, str, str | None], Awaitable[ArchiveMonth]]

MAX_FAILURES_IN_ROW = 2
"""Failures in a row that one account may cause: a third would open the breaker for all."""


class MonthRequests:
    """The months of a check: each is asked for once, and what did not come is known.

    `repeated` are the months that the check needs twice: their responses are kept until then.
    """

    def __init__(self, fetch: FetchMonth, check: AccountCheck, repeated: Collection[str]) -> None:
        self._fetch = fetch
        self._check = check
        self._repeated = repeated
        self._kept: dict[str, ArchiveMonth] = {}
        self._failures_in_row = 0
        self._last_answered: tuple[str, str | None] | None = None
        self.failed: dict[str, SourceError] = {}

    async def response(self, month: str, etag: str | None) -> ArchiveMonth | None:
        """A month's response; None if the month is gone, or did not come.

        Raises:
            SourceError: the source seems to answer no request about the account at all.
        """
        account = self._check.account
        if month in self.failed or month in account.gone_months:
            return None
        if month in self._kept:
            return self._kept.pop(month)
        try:
            response = await self._fetch(account, month, etag)
        except (AccountNotFound, AccountClosed, AccountRenamed, SourceUnavailable):
            raise
        except SourceError as error:
            self.failed[month] = error
            self._failures_in_row += error.source_wide
            if self._failures_in_row == MAX_FAILURES_IN_ROW:
                await self._probe(error)
            return None
        self._failures_in_row = 0
        self._last_answered = month, response.etag
        if month in self._repeated:
            self._kept[month] = response
        return response

    @property
    def is_any_answered(self) -> bool:
        """Whether a month has come."""
        return self._last_answered is not None

    async def _probe(self, error: SourceError) -> None:
        """Asks for a month that has come before, to see that the source still answers.

        Raises:
            SourceError: it does not, or none has come.
        """
        if self._last_answered is None:
            raise error
        await self._fetch(self._check.account, *self._last_answered)
        self._failures_in_row = 0

    def raise_failure(self) -> None:
        """Raises what kept months from coming.

        Raises:
            SourceError: some months did not come.
        """
        if not self.failed:
            return
        month, error = min(self.failed.items(), key=lambda failure: failure[0])
        if not self.is_any_answered:
            raise error
        msg = f"{len(self.failed)} months could not be fetched, the first {month}: {error}"
        failure = SourceError(msg)
        failure.source_wide = error.source_wide
        raise failure
