"""Chess.com's months as one check asks for them.

A month that never comes must not keep the others from being asked for.
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
from chesscoach.sync.account_check import AccountCheck

FetchMonth = Callable[[Account, str, str | None], Awaitable[ArchiveMonth]]

_MAX_FAILURES_IN_ROW = 2
"""Months of an account in a row that may not come: a third failure would open the breaker."""


class MonthRequests:
    """The months of a check: each is asked for once, and what did not come is known.

    `repeated` are the months that the check needs twice: their responses are kept.
    """

    def __init__(self, fetch: FetchMonth, check: AccountCheck, repeated: Collection[str]) -> None:
        self._fetch = fetch
        self._check = check
        self._repeated = repeated
        self._kept: dict[str, ArchiveMonth] = {}
        self._failures_in_row = 0
        self.answered = 0
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
            return self._kept[month]
        try:
            response = await self._fetch(account, month, etag)
        except (AccountNotFound, AccountClosed, AccountRenamed, SourceUnavailable):
            raise
        except SourceError as error:
            self._failures_in_row += 1
            if error.source_wide and self._failures_in_row == _MAX_FAILURES_IN_ROW:
                raise
            self.failed[month] = error
            return None
        self._failures_in_row = 0
        self.answered += 1
        if month in self._repeated:
            self._kept[month] = response
        return response

    def raise_failure(self) -> None:
        """Raises what kept months from coming.

        Raises:
            SourceError: some months did not come.
        """
        if not self.failed:
            return
        month, error = min(self.failed.items(), key=lambda failure: failure[0])
        if not self.answered:
            raise error
        msg = f"{len(self.failed)} of the months did not come, the first {month}: {error}"
        failure = SourceError(msg)
        failure.source_wide = error.source_wide
        raise failure
