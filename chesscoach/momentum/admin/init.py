"""Prepares momentum: records the first instant, and adds the documents that are missing."""

from datetime import datetime

from msgspec import Struct

from chesscoach.momentum.admin.context import AdminContext, operation
from chesscoach.momentum.store.preparation import LevelChanges, Preparation
from chesscoach.momentum.streaks import Streak


class InitReport(Struct, frozen=True, kw_only=True):
    """The first instant, the number of users, and what changed for them.

    `created` users got progress, for `filled` ones something was missing in it.
    """

    started_at: datetime
    book_since: datetime
    users: int
    created: int
    filled: int
    levels: int
    achievements: int
    streaks: int

    @property
    def changes(self) -> int:
        """The number of documents that were added or changed."""
        return self.created + self.filled + self.levels + self.achievements + self.streaks


async def init(ctx: AdminContext, book_since: datetime | None) -> InitReport:
    """Adds what is missing; nothing that is there changes, so a second run changes nothing.

    Nothing before the first instant is booked, closed or notified; `book_since` moves it back.
    """
    flags = {"book_since": book_since} if book_since else {}
    async with operation(ctx, "init", flags) as current:
        now, preparation = ctx.now(), Preparation(ctx.collections)
        state = await ctx.state.begin(now, book_since)
        counts = dict.fromkeys(("users", "created", "filled", "streaks"), 0)
        counts["levels"] = await preparation.add_levels()
        counts["achievements"] = await preparation.add_achievements()
        async for user_ids in preparation.user_pages():
            new = await preparation.without_progress(user_ids)
            await ctx.progress.create(new, state.since, now)
            counts["users"] += len(user_ids)
            counts["created"] += len(new)
            counts["filled"] += await preparation.fill_progress(user_ids, now)
            known = await ctx.streaks.of_users(user_ids)
            counts["streaks"] += await ctx.streaks.add(
                {user_id: Streak() for user_id in user_ids if user_id not in known}
            )
        current.counts |= counts
    return InitReport(started_at=state.started_at, book_since=state.since, **counts)


async def init_levels(ctx: AdminContext) -> LevelChanges:
    """Makes the table of levels equal to ours; surplus levels stay and are reported."""
    async with operation(ctx, "init-levels", {}) as current:
        changes = await Preparation(ctx.collections).update_levels()
        current.counts |= {"created": changes.created, "updated": changes.updated}
        current.counts["surplus"] = len(changes.surplus)
    return changes
