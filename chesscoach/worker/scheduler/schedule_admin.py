"""The stored schedules: what the configuration lays in at start, and what operators change.

A change never loses a slot that was due and never makes one due that was not: it counts from its
own instant, and the slot that was owed before it stays owed.
"""

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from chesscoach import log
from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.jobs import catalog
from chesscoach.schedules import due
from chesscoach.schedules.schedule import Schedule
from chesscoach.worker.store.schedules import Stored, What

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
            await _noted(ctx, each, "retired", {"retired": True})
            log.get_logger().warning("schedule_retired", schedule=key)


async def _lay_over(ctx: Context, stored: Stored, schedule: Schedule) -> None:
    if stored.origin == "user":
        log.get_logger().warning("schedule_hidden", schedule=stored.id)
        return
    if stored.retired:
        fields: dict[str, Any] = {"schedule": schedule, "since": ctx.now(), "owed": None}
        fields |= {"retired": False, "edited": False, "configured": None}
        await _noted(ctx, stored, "returned", fields)
    elif stored.edited:
        if schedule == stored.schedule:
            await ctx.store.schedules.change(
                stored.id, stored.revision, edited=False, configured=None
            )
        elif schedule != stored.configured:
            await ctx.store.schedules.change(stored.id, stored.revision, configured=schedule)
    elif schedule != stored.schedule:
        await _noted(ctx, stored, "changed", await _revised(ctx, stored, schedule))
        log.get_logger().info("schedule_changed", schedule=stored.id, trigger=schedule.trigger)


async def _revised(ctx: Context, stored: Stored, schedule: Schedule) -> dict[str, Any]:
    """What a change of a schedule makes of its row."""
    fields: dict[str, Any] = {"schedule": schedule}
    otherwise = any(getattr(schedule, name) != getattr(stored.schedule, name) for name in _WHEN)
    if otherwise or stored.quarantined is not None:
        fields |= {"since": ctx.now(), "owed": await owed(ctx, stored)}
    return fields


async def owed(ctx: Context, stored: Stored) -> datetime | None:
    """The slot whose time has come, whatever its jitter, and that is not recorded yet."""
    if not stored.active:
        return None
    newest = await ctx.store.runs.newest(stored.id)
    recorded = newest.slot if newest and newest.slot else stored.since
    at_once = replace(stored.schedule, jitter_s=0.0)
    work = due.plan(stored.id, at_once, max(stored.since, recorded), ctx.now()).work
    if work is not None:
        return work.at
    return stored.owed if stored.owed and (newest is None or recorded < stored.owed) else None


async def every(ctx: Context) -> list[Stored]:
    """All schedules by id: the stored ones, and those of the configuration that are not yet."""
    found = {key: _unlaid(ctx, key) for key in ctx.config.schedules}
    found |= {stored.id: stored for stored in await ctx.store.schedules.all()}
    return [found[key] for key in sorted(found)]


async def find(ctx: Context, schedule_id: str) -> Stored:
    """A stored schedule, else the configuration's.

    Raises:
        ConfigError: there is neither.
    """
    stored = await ctx.store.schedules.get(schedule_id)
    if stored is not None:
        return stored
    if schedule_id in ctx.config.schedules:
        return _unlaid(ctx, schedule_id)
    known = ", ".join(each.id for each in await every(ctx)) or "none"
    msg = f"there is no schedule {schedule_id}; there are: {known}"
    raise ConfigError(msg)


def _unlaid(ctx: Context, schedule_id: str) -> Stored:
    schedule = ctx.config.schedules[schedule_id]
    return Stored(id=schedule_id, schedule=schedule, origin="config", revision=0, since=ctx.now())


async def add(ctx: Context, schedule_id: str, schedule: Schedule) -> Stored:
    """A schedule of an operator's own.

    Raises:
        ConfigError: there is one of that id; or there is no such job, or it refuses the arguments.
    """
    catalog.accept(schedule_id, schedule)
    if schedule_id in ctx.config.schedules:
        msg = f"there is a schedule {schedule_id} in the configuration already: edit it"
        raise ConfigError(msg)
    stored = Stored(id=schedule_id, schedule=schedule, origin="user", revision=1, since=ctx.now())
    await ctx.store.schedules.add(stored)
    return stored


async def edit(ctx: Context, stored: Stored, schedule: Schedule) -> Stored:
    """An operator's change of a schedule; one of the configuration's is marked as edited.

    Raises:
        ConfigError: as above, or somebody has changed it meanwhile.
    """
    catalog.accept(stored.id, schedule)
    fields = await _revised(ctx, stored, schedule)
    if stored.origin == "config":
        # What the daemon laid in: the configuration of whoever edits may be another.
        configured = stored.configured if stored.edited else stored.schedule
        if stored.unreadable:
            configured = ctx.config.schedules.get(stored.id, schedule)
        edited = schedule != configured
        fields |= {"edited": edited, "configured": configured if edited else None}
    if stored.unreadable:
        fields |= {name: getattr(stored, name) for name in ("origin", "paused", "retired")}
    return await _change(ctx, stored, "edited", {**fields, "quarantined": None})


async def pause(ctx: Context, stored: Stored) -> Stored:
    """Works no further slots of a schedule until it is resumed; what runs goes on."""
    if stored.paused:
        return stored
    return await _change(ctx, stored, "paused", {"paused": True, "owed": None})


async def resume(ctx: Context, stored: Stored) -> Stored:
    """Goes on from now: slots of the pause are not worked."""
    if not stored.paused:
        return stored
    return await _change(ctx, stored, "resumed", {"paused": False, "since": ctx.now()})


async def remove(ctx: Context, stored: Stored) -> None:
    """Deletes an operator's own schedule, or one that is retired.

    Raises:
        ConfigError: the configuration has it, and would lay it in again; or somebody has changed
            it meanwhile.
    """
    if stored.origin == "config" and not stored.retired:
        msg = f"{stored.id} is in the configuration: take it out there, or pause it"
        raise ConfigError(msg)
    if not await ctx.store.schedules.remove(stored.id, stored.revision):
        raise _raced(stored)


async def _change(ctx: Context, stored: Stored, what: What, fields: dict[str, Any]) -> Stored:
    if not stored.revision:
        stored = replace(stored, revision=1)
        await ctx.store.schedules.add(stored)
    changed = await _noted(ctx, stored, what, fields)
    if changed is None:
        raise _raced(stored)
    return changed


async def _noted(ctx: Context, stored: Stored, what: What, fields: dict[str, Any]) -> Stored | None:
    note = stored.noted(what, ctx.now(), **fields)
    return await ctx.store.schedules.change(stored.id, stored.revision, note, **fields)


def _raced(stored: Stored) -> ConfigError:
    return ConfigError(f"somebody has changed {stored.id} meanwhile: look at it again")
