"""Why a slot was worked, or was not: by its record, or by what there is instead of one."""

from datetime import datetime

from msgspec.structs import replace

from chesscoach.schedules import slots
from chesscoach.schedules.schedule import Slot
from chesscoach.worker.scheduler import schedule_admin
from chesscoach.worker.scheduler.explain import recorded, unrecorded
from chesscoach.worker.scheduler.explain.verdict import (
    Explanation,
    explanation,
    inactive_explanation,
)
from chesscoach.worker.store.schedules import StoredSchedule
from chesscoach.worker.worker import Worker


async def explain_slot(worker: Worker, schedule_id: str, at: datetime) -> Explanation:
    """Explains a slot.

    Raises:
        ConfigError: there is no such schedule, and no record of the slot.
    """
    slot = Slot(schedule=schedule_id, at=at)
    own = await worker.runs.find(slot.key)
    if own is not None:
        stored = {each.id: each for each in await schedule_admin.all_schedules(worker)}.get(
            schedule_id
        )
        return await recorded.explain_recorded(worker, slot, own, stored)
    stored = await schedule_admin.find_schedule(worker, schedule_id)
    if stored.unreadable:
        return inactive_explanation(slot, stored)
    if not slots.is_slot(schedule_id, stored.schedule, at) and at != stored.pending_slot:
        return _explain_no_slot(slot, stored)
    found = await worker.runs.find_covering(schedule_id, at)
    if found is not None:
        explained = await recorded.explain_recorded(worker, slot, found, stored)
        if found.shard is None:
            return explained
        which = f"This is shard {found.shard} of the slot."
        return replace(explained, sentences=(which, *explained.sentences))
    return await unrecorded.explain_unrecorded(worker, slot, stored)


def _explain_no_slot(slot: Slot, stored: StoredSchedule) -> Explanation:
    schedule = stored.schedule
    before = slots.latest_slot(stored.id, schedule, slot.at)
    after = next(slots.slots_after(stored.id, schedule, slot.at), None)
    near = [found.name for found in (before, after) if found is not None]
    told = [f"{slot.name} is no slot of {stored.id}, {schedule.trigger}."]
    if near:
        told.append(f"Next to it {'are' if near[1:] else 'is'} {' and '.join(near)}.")
    then = [change.trigger for change in stored.history if change.at <= slot.at]
    if then and then[-1] != schedule.trigger:
        told.append(f"Its trigger was another then: {then[-1]}.")
    return explanation(
        slot,
        "not_a_slot",
        *told,
        before=before.at if before else None,
        after=after.at if after else None,
    )
