"""Slots in parts: how far each part is."""

from chesscoach.schedules.schedule import Slot, format_rfc3339
from chesscoach.worker.scheduler.explain.verdict import describe_process
from chesscoach.worker.shard import Shard
from chesscoach.worker.store.lease import LeaseStatus
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.worker import Worker


async def shard_sentences(worker: Worker, slot: Slot, of: int) -> list[str]:
    """A sentence for each part of a slot."""
    begun = {part.part: part for part in await worker.shards.find_by_slot(slot)}
    held = await worker.leases.statuses(part.lease for part in begun.values())
    told = []
    for index in range(of):
        part = begun.get(index)
        state = _state(part, held.get(part.lease)) if part else "has not been begun"
        told.append(f"Part {Shard(index=index, of=of)} {state}.")
    return told


def _state(part: RunRecord, holding: LeaseStatus | None) -> str:
    who = f"{describe_process(part.owner)}, since {format_rfc3339(part.started_at)}"
    if part.outcome != "running":
        return f"{part.outcome.replace('_', ' ')} with {part.done} done, {part.failed} failed"
    if holding is None or holding.owner != part.claim:
        return f"was claimed by {who}, and has no lease"
    return f"is at work: {who}" if holding.alive else f"was left by {who}: its lease has run out"
