"""Following a player to his new name.

The application's users get the new name first, then the old account goes; the new one begins where
the old one was last checked, as at a take-over. Every step can be repeated, so a kill between two
of them costs nothing. Games are known by the site's own ids, so none comes twice.
"""

from chesscoach import log
from chesscoach.context import Context
from chesscoach.errors import BadReply
from chesscoach.jobs.sync_games.linking import begin, link_from
from chesscoach.models import Account
from chesscoach.rules import usernames


async def rename(ctx: Context, account: Account, name: str, fence: int) -> Account:
    """Moves an account's users to another name; returns the account of that name.

    Raises:
        BadReply: no player can have that name.
    """
    site, now = account.platform, ctx.now()
    new = usernames.normal(site, name)
    if new is None or new == account.name:
        msg = "the site sends us to a name that no player can have"
        raise BadReply(msg)
    links = tuple(
        link_from(site, link.user_id, new, account.checked_at if link.joined else link.since)
        for link in account.links
    )
    fresh = Account(
        key=f"{site}:{new}",
        platform=site,
        name=new,
        links=(),
        created_at=now,
        player_key=account.player_key,
        active_at=account.active_at,
    )
    await ctx.store.accounts.ensure(
        [begin(fresh, links)], [(fresh.key, link) for link in links], [], now
    )
    for link in account.links:
        await ctx.store.users.rename(site, link.user_id, account.name, new)
    await ctx.store.accounts.remove(account.key, fence)
    log.get_logger().warning(
        "account_renamed",
        account=account.key,
        now=new,
        user_ids=[link.user_id for link in account.links],
    )
    (row,) = await ctx.store.accounts.of_users([fresh.key], [])
    return row
