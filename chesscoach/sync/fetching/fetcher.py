"""What the pipeline needs of a source, and the facts of a check with its errors among them."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from chesscoach.errors import (
    AccountClosed,
    AccountNotFound,
    AccountRenamed,
    LeaseLost,
    SourceUnavailable,
    StoreUnavailable,
)
from chesscoach.sources.client import SourceClient
from chesscoach.sources.game import Platform
from chesscoach.sync.account import Account
from chesscoach.sync.fetching.account_check import AccountCheck
from chesscoach.sync.fetching.facts import CheckFailed, ClosedFound, Fact, NotFound, RenameFound
from chesscoach.sync.fetching.unfinished_games import FollowUp
from chesscoach.sync.store.account_documents import AccountQuery


class Fetcher(Protocol):
    """How one source is asked about accounts."""

    platform: Platform
    source: SourceClient
    batch_size: int

    def prefetch(self, wanted: AccountQuery) -> AsyncGenerator[FollowUp]:
        """What can be asked about all wanted accounts before they are checked one by one."""

    async def prepare(self, accounts: list[Account]) -> None:
        """Asks what can be asked about several accounts at once, at most `batch_size` of them.

        A SourceError concerns no single account: the same may be asked again.
        """

    def check(self, check: AccountCheck) -> AsyncGenerator[Fact]:
        """The facts of one account's check; MoreToCome between two requests lets others go first.

        Raises:
            AccountNotFound, AccountClosed, AccountRenamed: what the source says of the account.
            SourceError: the check cannot continue.
        """


async def check_facts(fetcher: Fetcher, check: AccountCheck) -> AsyncGenerator[Fact]:
    """The facts of a check; an error that concerns the account is one of them."""
    try:
        async with aclosing(fetcher.check(check)) as facts:
            async for fact in facts:
                yield fact
    except AccountClosed:
        yield ClosedFound()
    except AccountNotFound as error:
        yield NotFound()
        yield CheckFailed(error)
    except AccountRenamed as error:
        yield RenameFound(error.name)
    except (SourceUnavailable, LeaseLost, StoreUnavailable):
        raise
    except Exception as error:  # noqa: BLE001  # one account's trouble never ends a run
        yield CheckFailed(error)
