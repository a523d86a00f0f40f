"""Players: `find_players` finds some, `show_player` has one with accounts, games and emails.

A search uses indexes alone: the beginning of a user_id, or a name at a source. Names of users have
no index.
"""

from datetime import datetime

from msgspec import Struct

from chesscoach.emails.sending.due_email import KIND
from chesscoach.errors import NotFound
from chesscoach.sources.source import SOURCES
from chesscoach.web.operations.admin import Admin
from chesscoach.web.views.accounts import AccountSummary, accounts_of
from chesscoach.web.views.emails import EmailFilter, EmailView, list_emails

_EMAILS_SHOWN = 10


class FoundPlayer(Struct, frozen=True, kw_only=True):
    """A player who was found; `account` is the key of the account by which."""

    user_id: str
    account: str | None = None


class PlayerDetail(Struct, frozen=True, kw_only=True):
    """A player as our part of the application knows them.

    `names` are the linked names by source, unchecked. `games` are the stored games by source.
    `subscribed` and `suppressed` say whether they get the weekly email.
    """

    user_id: str
    name: str
    email: str
    timezone: str | None
    language: str | None
    names: dict[str, list[str]]
    last_sync: datetime | None
    accounts: list[AccountSummary]
    games: dict[str, int]
    subscribed: bool
    suppressed: bool
    emails: list[EmailView]


async def find_players(admin: Admin, text: str, limit: int = 20) -> list[FoundPlayer]:
    """Players whose user_id begins with a text, and those who link a name that is the text."""
    text = text.strip()
    if not text:
        return []
    ids = await admin.ctx.users.find_by_id_prefix(text, limit)
    found = [FoundPlayer(user_id=user_id) for user_id in ids]
    for document in await admin.ctx.sync.accounts.find_by_name(text):
        account = document.account
        found += [
            FoundPlayer(user_id=link.user_id, account=account.key)
            for link in account.links
            if link.user_id not in ids
        ]
    return found[:limit]


async def show_player(admin: Admin, user_id: str) -> PlayerDetail:
    """One player.

    Raises:
        NotFound: the application has no such user.
    """
    ctx = admin.ctx
    names = await ctx.users.find_names(user_id)
    if names is None:
        msg = f"player {user_id[:120]!r} does not exist"
        raise NotFound(msg)
    recipient = await ctx.emails.recipients.find(user_id)
    email = recipient.email if recipient is not None else ""
    games = await ctx.sync.games.count_by_user([user_id])
    suppressed = await ctx.emails.suppressions.find_suppressed([email]) if email else set()
    page = await list_emails(admin, EmailFilter(user_id=user_id), _EMAILS_SHOWN)
    return PlayerDetail(
        user_id=user_id,
        name=recipient.name if recipient is not None else "",
        email=email,
        timezone=recipient.timezone if recipient is not None else None,
        language=recipient.language if recipient is not None else None,
        names={platform: [str(n)[:100] for n in given] for platform, given in names.names.items()},
        last_sync=names.last_sync,
        accounts=await accounts_of(admin, user_id),
        games={platform: games.get((user_id, platform), 0) for platform in SOURCES},
        subscribed=bool(await ctx.emails.subscriptions.subscribed([user_id], KIND)),
        suppressed=bool(suppressed),
        emails=page.emails,
    )
