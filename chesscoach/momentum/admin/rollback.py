"""Backs up momentum, resets parts of it, or purges it, in the order of the old script.

The application's database may have no transactions. So a command that fails in between has done
the steps before that; each step can be repeated.
"""

from pathlib import Path

from msgspec import Struct, structs

from chesscoach.momentum.admin import backup
from chesscoach.momentum.admin.context import AdminContext, Operation, operation
from chesscoach.momentum.store.collections import APPLICATION_COLLECTIONS, PURGED_COLLECTIONS
from chesscoach.momentum.store.ledger_sums import LedgerSums


class Rollback(Struct, frozen=True, kw_only=True):
    """The operations of one call; `user_id` restricts all but those on the table of levels."""

    user_id: str | None = None
    backup: bool = False
    reset_points: bool = False
    reset_levels: bool = False
    reset_achievements: bool = False
    reset_streaks: bool = False
    reset_default_levels: bool = False
    reset_all_users: bool = False
    purge: bool = False
    keep_structure: bool = False

    @property
    def flags(self) -> dict[str, bool]:
        """The flags that are set."""
        return {name: True for name, value in structs.asdict(self).items() if value is True}

    @property
    def has_operation(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.flags.keys() - {"keep_structure"})

    def resets(self, what: str) -> bool:
        """Whether points, levels, achievements or streaks are reset."""
        return self.reset_all_users or bool(getattr(self, f"reset_{what}"))


class PurgedCollection(Struct, frozen=True, kw_only=True):
    """A collection that a purge concerns; the documents of `user_progress` stay, without points."""

    name: str
    documents: int
    belongs_to_application: bool
    documents_stay: bool


async def plan_purge(ctx: AdminContext) -> list[PurgedCollection]:
    """The collections that a purge concerns, as they are now."""
    return [
        PurgedCollection(
            name=name,
            documents=await ctx.collections.scoped(name).count(),
            belongs_to_application=name in APPLICATION_COLLECTIONS,
            documents_stay=name not in PURGED_COLLECTIONS,
        )
        for name in (*PURGED_COLLECTIONS, "user_progress")
    ]


async def roll_back(ctx: AdminContext, wanted: Rollback, folder: Path) -> Operation:
    """Does the operations of a call; backups are written in `folder`.

    Raises:
        BackupFailed: a backup cannot be written; nothing after it was done.
        LeaseHeld: the checks or another command are running.
    """
    user_id, collections = wanted.user_id, ctx.collections
    async with operation(ctx, "rollback", wanted.flags, user_id) as current:
        now, counts = ctx.now(), current.counts
        if wanted.backup:
            path = await backup.write_backup(collections, folder, now, user_id)
            current.backup_file = str(path)
        if wanted.resets("points"):
            counts["points"] = await LedgerSums(collections).reset_points(
                user_id, current.id, now, pay_again=wanted.resets("achievements")
            )
        if wanted.resets("levels"):
            counts["levels"] = await collections.reset_levels(user_id)
        if wanted.resets("achievements"):
            counts["achievements"] = await collections.reset_achievements(user_id)
        if wanted.resets("streaks"):
            counts["streaks"] = await collections.reset_streaks(user_id)
        if wanted.reset_default_levels:
            path = await backup.write_levels_backup(collections, folder, now)
            current.levels_file = str(path)
            counts["default_levels"] = await collections.replace_levels()
        if wanted.purge:
            purged = await collections.purge(keep_structure=wanted.keep_structure)
            counts |= {f"purged_{name}": count for name, count in purged.items()}
    return current
