"""Accounts as values, for tests of rules and of the store."""

from typing import Any

from chesscoach.sync.account import Account
from tests.conftest import NOON


def make_account(name: str = "ann", **fields: Any) -> Account:
    """An account on Lichess that no user has linked, with some fields changed."""
    platform = fields.get("platform", "lichess")
    given = {"key": f"{platform}:{name}", "platform": platform, "links": (), "created_at": NOON}
    return Account(name=name, **{**given, **fields})
