"""The situations of a slot, by its facts. `explanation` has the words for each."""

from datetime import timedelta

from chesscoach.schedules import due, slots
from chesscoach.schedules.outcome import FAILED_OUTCOMES, SKIP_OUTCOMES, SUCCEEDED_OUTCOMES
from chesscoach.worker.scheduler.recovery import RETRY_DELAY
from chesscoach.worker.scheduler.slot_facts import SlotFacts, is_slot_of
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.store.schedules import StoredSchedule


def find_situations(facts: SlotFacts) -> list[str]:
    """Returns the situations of a slot, in the order of their sentences."""
    if facts.record is not None:
        shard = ["shard"] if facts.record.shard is not None else []
        return shard + _situations_of_record(facts, facts.record)
    return (
        _situations_of_unrecorded_slot(facts, facts.schedule) if facts.schedule is not None else []
    )


def _situations_of_record(facts: SlotFacts, record: RunRecord) -> list[str]:
    if record.outcome in SKIP_OUTCOMES:
        return [record.outcome, "recorded", "earlier"]
    history = ["earlier", "attempt", "counts"]
    if record.outcome in SUCCEEDED_OUTCOMES:
        return ["worked", *history]
    if record.is_closed(facts.settings.max_attempts):
        return [*history, "failed" if record.outcome in FAILED_OUTCOMES else "cancelled"]
    if record.outcome != "running":
        return ["open", *history, *_situations_of_open_slot(facts, record, facts.schedule)]
    ours = facts.lease is not None and facts.lease.owner == record.claim
    if ours and facts.lease is not None and facts.lease.alive:
        return ["running", "counts"]
    if not ours and record.age_s <= 2 * facts.lease_ttl_s:
        return ["claimed_held" if facts.holders else "claimed"]
    return ["died", *_situations_of_open_slot(facts, record, facts.schedule)]


def _situations_of_open_slot(
    facts: SlotFacts, record: RunRecord, stored: StoredSchedule | None
) -> list[str]:
    """Returns what comes next for a slot that is not closed and does not run."""
    failed = record.outcome in FAILED_OUTCOMES
    left = ["attempts_left"] if failed else []
    if stored is None:
        return ["deleted", *left]
    if not stored.is_active:
        return ["inactive", *left]
    if stored.schedule.coalesce and facts.superseded:
        return ["superseded", *left]
    if due.is_too_late(stored.schedule, facts.slot, facts.now):
        return ["too_late", *left]
    if failed and (record.finished_at or facts.now) + RETRY_DELAY > facts.now:
        return ["retry", *left]
    return ["next_attempt_waits" if facts.holders else "next_attempt", *left]


def _situations_of_unrecorded_slot(facts: SlotFacts, stored: StoredSchedule) -> list[str]:
    at = facts.slot.at
    if stored.unreadable:
        return ["inactive"]
    if not is_slot_of(facts.slot, stored):
        return ["not_a_slot"]
    if at > facts.now:
        return ["not_due_yet"] if stored.is_active else ["not_due_yet", "not_active"]
    if at == stored.pending_slot and stored.is_active:
        return ["pending", *_situations_of_due_slot(facts, stored)]
    last = facts.newest.slot if facts.newest is not None else None
    if at <= stored.effective_since or (last is not None and at < last):
        return [_situation_of_passed_slot(facts, stored)]
    if not stored.is_active:
        return ["inactive"]
    if at + slots.jitter(stored.schedule, facts.slot) > facts.now:
        return ["jitter"]
    if facts.plan.missed is not None and at <= facts.plan.missed.last.at:
        return ["missed_next"]
    if facts.plan.slot is not None and at < facts.plan.slot.at:
        return ["coalesced_next"]
    return _situations_of_due_slot(facts, stored)


def _situation_of_passed_slot(facts: SlotFacts, stored: StoredSchedule) -> str:
    """Returns why a slot does not run any more."""
    if stored.state_at(facts.slot.at) not in (None, "active"):
        return "was_inactive"
    if facts.slot.at <= stored.effective_since:
        return "before_since" if stored.revision else "not_stored"
    kept = timedelta(days=facts.settings.keep_runs_days)
    return "deleted_record" if facts.now - facts.slot.at > kept else "passed_over"


def _situations_of_due_slot(facts: SlotFacts, stored: StoredSchedule) -> list[str]:
    schedule = stored.schedule
    if facts.holders:
        if schedule.overlap == "queue_one":
            return ["held", "queued"]
        return ["held", "skipped_next" if schedule.coalesce else "queued_if_earlier"]
    begins_at = facts.slot.at + slots.jitter(schedule, facts.slot)
    takeover_at = begins_at + timedelta(seconds=facts.settings.takeover_delay_s)
    return ["unclaimed", "takeover" if takeover_at > facts.now else "next_start"]
