"""Accounts at the sources: `list_accounts` pages through them, `show_account` has one in full.

`list_sources` has the lane of each source and how many accounts are in which status.
"""

from datetime import datetime

from msgspec import Struct

from chesscoach.errors import NotFound
from chesscoach.sources.game import Platform
from chesscoach.sources.source import SOURCES
from chesscoach.sync import account_report
from chesscoach.sync.account import AccountStatus
from chesscoach.sync.account_report import AccountReport, SourceStatus
from chesscoach.web.operations.admin import Admin


class AccountSummary(Struct, frozen=True, kw_only=True):
    """An account in a list; `users` are the ids of those who link it, at most 20."""

    key: str
    platform: Platform
    name: str
    status: AccountStatus
    users: list[str]
    tier: str
    checked_at: datetime | None
    failures: int
    due_at: datetime
    due: bool


class AccountPage(Struct, frozen=True, kw_only=True):
    """Accounts in order of their keys; `next` is the cursor of the page after it."""

    accounts: list[AccountSummary]
    next: str | None


class SourceView(Struct, frozen=True, kw_only=True):
    """A source: its lane now, and its accounts by status."""

    platform: Platform
    name: str
    lane: SourceStatus
    accounts: dict[str, int]


_USERS_SHOWN = 20


async def list_accounts(
    admin: Admin,
    platform: Platform | None = None,
    status: AccountStatus | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> AccountPage:
    """A page of accounts."""
    sync = admin.ctx.sync
    documents, following = await sync.accounts.page(platform, status, cursor or "", limit)
    reports = [
        account_report.account_report(document, SourceStatus(), sync.now())
        for document in documents
    ]
    return AccountPage(
        accounts=[_summary(report) for report in reports],
        next=following,
    )


async def accounts_of(admin: Admin, user_id: str) -> list[AccountSummary]:
    """The accounts that a user links."""
    sync = admin.ctx.sync
    documents = await sync.accounts.find_by_name(user_id)
    reports = [account_report.account_report(d, SourceStatus(), sync.now()) for d in documents]
    return [_summary(r) for r in reports if any(user.user_id == user_id for user in r.users)]


async def show_account(admin: Admin, key: str) -> AccountReport:
    """One account by its key, such as `lichess:ann`.

    Raises:
        NotFound: no user links it, or no sync has seen the link yet.
    """
    sync = admin.ctx.sync
    documents = [d for d in await sync.accounts.find_by_name(key) if d.account.key == key.lower()]
    if not documents:
        msg = f"account {key[:120]!r} does not exist: a new link has one after the next sync"
        raise NotFound(msg)
    status = await account_report.source_status(sync, documents[0].account.platform)
    return account_report.account_report(documents[0], status, sync.now())


async def list_sources(admin: Admin) -> list[SourceView]:
    """All sources."""
    sync = admin.ctx.sync
    counts = await sync.accounts.count_by_status()
    return [
        SourceView(
            platform=platform,
            name=source.name,
            lane=await account_report.source_status(sync, platform),
            accounts={status: n for (at, status), n in counts.items() if at == platform},
        )
        for platform, source in SOURCES.items()
    ]


def _summary(report: AccountReport) -> AccountSummary:
    return AccountSummary(
        key=report.key,
        platform=report.platform,
        name=report.name,
        status=report.status,
        users=[user.user_id for user in report.users[:_USERS_SHOWN]],
        tier=report.tier,
        checked_at=report.checked_at,
        failures=report.failures,
        due_at=report.due_at,
        due=report.due,
    )
