"""Actions on accounts: which user links which name at a source, and a sync at once.

The names are fields of the application's users. Their accounts follow at once.
"""

from chesscoach.errors import NotFound
from chesscoach.jobs.catalog import JOBS
from chesscoach.sources.game import Platform
from chesscoach.sources.source import SOURCES
from chesscoach.sync import usernames
from chesscoach.sync.linking import link_user
from chesscoach.web.auth import Operator
from chesscoach.web.operations.admin import Admin, logged_action
from chesscoach.web.problems import Problem, invalid


async def link(
    admin: Admin, operator: Operator, key: str, user_id: str, *, replace_existing: bool = False
) -> None:
    """Links a user to the name of an account key, such as `lichess:Ann`.

    Raises:
        Problem: the key cannot be used (422), the user does not exist (404), or has another name
            there already and `replace_existing` is not set (409).
    """
    platform, name = parse_key(key)
    user = await admin.ctx.users.find_names(user_id)
    if user is None:
        raise Problem(404, f"user {user_id[:120]!r} does not exist")
    others = [str(n) for n in user.names.get(platform, ()) if str(n).lower() != name.lower()]
    if others and not replace_existing:
        raise Problem(409, f"the user has another name there: {others[0][:100]!r}")
    async with logged_action(
        admin, operator, "accounts link", user_id=user_id, account=key, before=others
    ):
        await admin.ctx.users.link(user_id, {platform: name})
        await link_user(admin.ctx.sync, user_id)


async def unlink(admin: Admin, operator: Operator, key: str, user_id: str) -> None:
    """Removes the name of an account key from a user; the user's games stay.

    Raises:
        Problem: the key cannot be used (422), or the user does not link it (404).
    """
    platform, name = parse_key(key)
    if not await admin.ctx.users.with_name(platform, [user_id], name):
        raise Problem(404, f"user {user_id[:120]!r} does not link {key[:120]!r}")
    async with logged_action(admin, operator, "accounts unlink", user_id=user_id, account=key):
        await admin.ctx.users.link(user_id, {platform: None})
        await link_user(admin.ctx.sync, user_id)


async def sync_now(admin: Admin, operator: Operator, key: str) -> str:
    """Starts a manual run of `sync_games` for a user of an account; returns the id of the run.

    Raises:
        NotFound: there is no such account.
        Problem: no user links it (409).
        LeaseHeld: another sync runs; the message names it.
    """
    documents = await admin.ctx.sync.accounts.find_by_name(key)
    accounts = [d.account for d in documents if d.account.key == key.lower()]
    if not accounts:
        msg = f"account {key[:120]!r} does not exist: a new link has one after the next sync"
        raise NotFound(msg)
    if not accounts[0].links:
        raise Problem(409, f"{key} is not linked by any user: there is nothing to sync")
    job, user_id = JOBS["sync_games"], accounts[0].links[0].user_id
    async with logged_action(
        admin, operator, "accounts sync", user_id=user_id, account=key
    ) as came:
        came["run_id"] = await admin.manual_runs.start(job, job.check({"user": user_id}))
        return str(came["run_id"])


def parse_key(key: str) -> tuple[Platform, str]:
    """The source and the name of an account key.

    Raises:
        Problem: there is no such source, or no player there could have the name (422).
    """
    source, _, name = key.partition(":")
    for platform in SOURCES:
        if source.lower() == platform:
            if usernames.normalize_username(platform, name) is None:
                raise invalid("key", f"not a name that a player on {platform} could have")
            return platform, name.strip()
    raise invalid("key", f"expected one of {', '.join(SOURCES)}, a colon, and a name")
