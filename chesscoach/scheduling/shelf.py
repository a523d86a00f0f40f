"""The stored schedules: what the configuration lays in at start, and what operators change.

A change never loses a slot that was due and never makes one due that was not: it counts from its
own instant, and the slot that was owed before it stays owed.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chesscoach import log
from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.models import Schedule
from chesscoach.rules import due
from chesscoach.scheduling import joblist
from chesscoach.store.schedules import Stored

_WHEN = ("cron", "timezone", "gap", "fold", "every", "anchor", "at", "enabled")


async def lay(ctx: Context) -> None:
    """Brings the stored schedules in line with the configuration.

    An entry that is new is added, one that is gone is retired, one that has changed is changed,
    unless an operator has edited it: then he is told what the configuration says by now. One that
    he paused stays paused. Several processes may do this at once.
    """
    stored = {each.id: each for each in await ctx.store.schedules.all()}
    for key, schedule in ctx.config.schedules.items():
        if key in stored:
            await _lay_over(ctx, stored[key], schedule)
        else:
            new = Stored(id=key, schedule=schedule, origin="config", revision=1, since=ctx.now())
            try:
                await ctx.store.schedules.add(new)
            except ConfigError:
                continue  # another process was faster
            log.get_logger().info("schedule_added", schedule=key, trigger=schedule.trigger)
    for key, each in stored.items():
        if each.origin == "config" and key not in ctx.config.schedules and not each.retired:
            await ctx.store.schedules.change(key, each.revision, retired=True)
            log.get_logger().warning("schedule_retired", schedule=key)


async def _lay_over(ctx: Context, stored: Stored, schedule: Schedule) -> None:
    if stored.origin == "user":
        log.get_logger().warning("schedule_hidden", schedule=stored.id)
        return
    if stored.retired:
        await ctx.store.schedules.change(
            stored.id,
            stored.revision,
            retired=False,
            schedule=schedule,
            since=ctx.now(),
            edited=False,
            configured=None,
        )
    elif stored.edited:
        if schedule == stored.schedule:
            await ctx.store.schedules.change(
                stored.id, stored.revision, edited=False, configured=None
            )
        elif schedule != stored.configured:
            await ctx.store.schedules.change(stored.id, stored.revision, configured=schedule)
    elif schedule != stored.schedule:
        await ctx.store.schedules.change(
            stored.id, stored.revision, **await _revised(ctx, stored, schedule)
        )
        log.get_logger().info("schedule_changed", schedule=stored.id, trigger=schedule.trigger)


async def _revised(ctx: Context, stored: Stored, schedule: Schedule) -> dict[str, Any]:
    """What a change of a schedule makes of its row."""
    fields: dict[str, Any] = {"schedule": schedule}
    if any(getattr(schedule, name) != getattr(stored.schedule, name) for name in _WHEN):
        fields |= {"since": ctx.now(), "owed": await owed(ctx, stored)}
    return fields


async def owed(ctx: Context, stored: Stored) -> datetime | None:
    """The slot that is due and not recorded yet."""
    if not stored.active:
        return None
    newest = await ctx.store.runs.newest(stored.id)
    last = max(stored.since, newest.slot) if newest and newest.slot else stored.since
    work = due.plan(stored.id, stored.schedule, last, ctx.now()).work
    return work.at if work is not None else stored.owed


async def add(ctx: Context, schedule_id: str, schedule: Schedule) -> Stored:
    """A schedule of an operator's own.

    Raises:
        ConfigError: there is one of that id; or there is no such job, or it refuses the arguments.
    """
    joblist.accept(schedule_id, schedule)
    stored = Stored(id=schedule_id, schedule=schedule, origin="user", revision=1, since=ctx.now())
    await ctx.store.schedules.add(stored)
    return stored


async def edit(ctx: Context, stored: Stored, schedule: Schedule) -> Stored:
    """An operator's change of a schedule; one of the configuration's is marked as edited.

    Raises:
        ConfigError: as above, or somebody has changed it meanwhile.
    """
    joblist.accept(stored.id, schedule)
    fields = await _revised(ctx, stored, schedule)
    if stored.origin == "config":
        configured = ctx.config.schedules.get(stored.id, stored.schedule)
        fields |= {"edited": schedule != configured, "configured": configured}
    return await _change(ctx, stored, {**fields, "quarantined": None})


async def pause(ctx: Context, stored: Stored) -> Stored:
    """Works no further slots of a schedule until it is resumed; what runs goes on."""
    return await _change(ctx, stored, {"paused": True, "owed": None})


async def resume(ctx: Context, stored: Stored) -> Stored:
    """Goes on from now: slots of the pause are not worked."""
    return await _change(ctx, stored, {"paused": False, "since": ctx.now()})


async def remove(ctx: Context, stored: Stored) -> None:
    """Deletes an operator's own schedule, or one that is retired.

    Raises:
        ConfigError: the configuration has it, and would lay it in again.
    """
    if stored.origin == "config" and not stored.retired:
        msg = f"{stored.id} is in the configuration: take it out there, or pause it"
        raise ConfigError(msg)
    await ctx.store.schedules.remove(stored.id)


async def _change(ctx: Context, stored: Stored, fields: Mapping[str, Any]) -> Stored:
    changed = await ctx.store.schedules.change(stored.id, stored.revision, **fields)
    if changed is None:
        msg = f"somebody has changed {stored.id} meanwhile: look at it again"
        raise ConfigError(msg)
    return changed
