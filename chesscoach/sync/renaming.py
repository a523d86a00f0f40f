"""Following a player to a new name.

The application's users get the new name first, and then the old account is deleted. The new one
continues where the old one was, without its ETags. Every step can be repeated, so a kill between
two of them does no harm. Games have the source's own ids, so no game is stored twice.
"""

from msgspec.structs import replace

from chesscoach import log
from chesscoach.errors import BadResponse
from chesscoach.sync import usernames
from chesscoach.sync.account import Account, AccountLink
from chesscoach.sync.context import SyncContext
from chesscoach.sync.failures import MAX_LOGGED_USERS
from chesscoach.sync.fetching import archive_months
from chesscoach.sync.fetching.account_progress import mark_found


async def rename_account(ctx: SyncContext, account: Account, name: str, fence: int) -> str:
    """Moves an account's users to another name; returns the key of that name's account.

    Raises:
        BadResponse: no player can have that name.
    """
    platform, now = account.platform, ctx.now()
    new = usernames.normalize_username(platform, name)
    if new is None or new == account.name:
        msg = "the source redirects to a name that no player can have"
        raise BadResponse(msg)
    # A user who has linked another name meanwhile has not been renamed.
    named = await ctx.users.with_name(
        platform, [link.user_id for link in account.links], account.name
    )
    links = tuple(link for link in account.links if link.user_id in named)
    fresh = replace(
        mark_found(account),
        key=f"{platform}:{new}",
        name=new,
        links=tuple(replace(link, name=new, notified_status="active") for link in links),
        created_at=now,
        etags={},
        sealed_months={
            month: replace(sealed, etag="") for month, sealed in account.sealed_months.items()
        },
        gone_months=(),
        lapse_count=0,
        checked_at=None,
        saved_at=None,
    )
    joining = [(fresh.key, _newcomer_link(account, link)) for link in fresh.links]
    await ctx.accounts.ensure([fresh], joining, [], now)
    for link in links:
        await ctx.users.rename(platform, link.user_id, account.name, new)
    await ctx.accounts.remove(account.key, fence)
    log.get_logger().warning(
        "account_renamed",
        account=account.key,
        now=new,
        users=len(account.links),
        user_ids=[link.user_id for link in account.links[:MAX_LOGGED_USERS]],
    )
    return fresh.key


def _newcomer_link(account: Account, link: AccountLink) -> AccountLink:
    """A link of the account for one of the new name that others have linked before.

    A user who was up to date lacks what came since the first month that may still change.
    """
    if not link.backfilled or account.first_month is None:
        return link
    return replace(
        link, backfilled=False, first_sync_from=archive_months.month_start(account.first_month)
    )
