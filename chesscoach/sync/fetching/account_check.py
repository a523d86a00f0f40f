"""One check of one account, and the message that carries each fact of it through the pipeline."""

from datetime import datetime

from msgspec import Struct

from chesscoach.sync import polling
from chesscoach.sync.account import Account
from chesscoach.sync.fetching.account_progress import apply_fact
from chesscoach.sync.fetching.facts import Fact


class CheckStep(Struct, frozen=True, kw_only=True):
    """A fact, and the account after it; `due_at` is set if the fact completes the check."""

    account: Account
    fact: Fact
    due_at: datetime | None = None


class AccountCheck:
    """A check: the account after all facts so far, and when the check began.

    The fetcher yields a fact, which is recorded here before the fetcher continues.
    """

    def __init__(self, account: Account, begun: datetime) -> None:
        self.account = account
        self.begun = begun

    def record(self, fact: Fact) -> CheckStep:
        """Folds a fact into the account."""
        account = self.account = apply_fact(self.account, fact, self.begun)
        is_complete = account.checked_at == self.begun
        due_at = polling.due_at(account, self.begun) if is_complete else None
        return CheckStep(account=account, fact=fact, due_at=due_at)
