"""Notifications to the users of an account that is closed or missing."""

from msgspec.structs import replace

from chesscoach import log
from chesscoach.players.store.notifications import Notification
from chesscoach.sources.source import SOURCES
from chesscoach.sync import game_identity
from chesscoach.sync.account import Account
from chesscoach.sync.context import SyncContext


async def notify_users(ctx: SyncContext, account: Account) -> Account:
    """Notifies each user of an account that is closed or missing, once for each time that it is."""
    waiting = {link.user_id for link in account.links if link.notified_status != account.status}
    present = await ctx.users.with_accounts(waiting) if waiting else waiting
    title, message = _notification_text(account)
    for link in account.links:
        if link.user_id in present:
            notification = Notification(
                key=game_identity.notification_key(account, link.user_id),
                user_id=link.user_id,
                kind=f"account_{account.status}",
                title=title,
                message=message,
                data={"platform": account.platform, "username": link.name},
            )
            is_new = await ctx.notifications.add(notification, ctx.now())
            log.get_logger().warning(
                "account_inactive",
                account=account.key,
                user_id=link.user_id,
                status=account.status,
                notified=is_new,
            )
    links = tuple(replace(link, notified_status=account.status) for link in account.links)
    return replace(account, links=links)


def _notification_text(account: Account) -> tuple[str, str]:
    """Title and message for the users of an account that is closed or missing."""
    source = SOURCES[account.platform].name
    if account.status == "closed":
        return (
            f"Your {source} account is closed",
            f"{source} says that the account {account.name} is closed, so no new games come from "
            "it. Your games stay. If you have another account there, link that one.",
        )
    return (
        f"{source} does not know {account.name}",
        f"{source} has no account of the name {account.name}, so no games come from it. Your games "
        "stay. Please check how the name is spelled, or link another account.",
    )
