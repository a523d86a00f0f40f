"""Why a slot ran or did not run: a verdict, and sentences for people.

A slot's facts put it in one or more situations; a table has the verdict and the sentence of each.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Literal

from msgspec import Struct

from chesscoach.schedules import slots
from chesscoach.schedules.outcome import SKIP_OUTCOMES, SkipOutcome
from chesscoach.schedules.schedule import Slot, format_rfc3339
from chesscoach.worker.scheduler.recovery import RETRY_DELAY
from chesscoach.worker.scheduler.situations import find_situations
from chesscoach.worker.scheduler.slot_facts import SlotFacts, gather_facts
from chesscoach.worker.store.run_documents import RunRecord
from chesscoach.worker.store.schedules import StoredSchedule
from chesscoach.worker.worker import Worker

Verdict = Literal[
    "worked",  # it succeeded, fully or in part
    "failed",  # all of its attempts failed
    "cancelled",  # by an operator, for good
    "running",
    "open",  # its last attempt did not close it: it runs again, or is closed
    SkipOutcome,
    "not_a_slot",
    "not_due_yet",
    "waiting",  # it is due, and other runs hold its lease
    "nobody_there",  # it is due, and no process has claimed it
    "inactive",  # its schedule is, or was then, paused, disabled, retired or quarantined
    "before_since",  # its schedule was added, changed or resumed after it, or is not stored yet
    "passed_over",  # it has no record, and a newer slot was claimed
]

_TABLE: Mapping[str, tuple[Verdict | None, str]] = {
    "shard": (None, "This is shard {run.shard} of the slot."),
    "recorded": (None, "It was recorded as {run.outcome} at {started_at}{covered}{reason}."),
    "earlier": (None, "{earlier}"),
    "attempt": (
        None,
        "Attempt {run.attempt} {outcome}: {process} ({run.source}), begun {started_at}"
        "{lateness}{duration}{reason}.",
    ),
    "counts": (
        None,
        "{run.done} done, {run.failed} failed, {run.skipped} skipped of {run.candidates}.{errors}",
    ),
    "worked": ("worked", ""),
    "failed": ("failed", "That was the last of {settings.max_attempts} attempts."),
    "cancelled": ("cancelled", "An operator has cancelled it, so it does not run again."),
    **{outcome: (outcome, "") for outcome in SKIP_OUTCOMES},
    "running": ("running", "Attempt {run.attempt} is running: {process}, since {started_at}."),
    "claimed": ("running", "{process} has claimed it and takes the lease {run.lease} next."),
    "claimed_held": ("running", "{process} has claimed it; {run.lease} is held by {holders}."),
    "open": ("open", ""),
    "died": ("open", "{process} died: its lease has expired."),
    "deleted": (None, "Its schedule was deleted, so it does not run again."),
    "superseded": (None, "A newer slot replaces it: it is recorded as coalesced."),
    "too_late": (None, "It is too late to run: the next process records it as missed."),
    "retry": (None, "It runs again from {again_at:%Y-%m-%dT%H:%M:%SZ} on."),
    "next_attempt_waits": (None, "Its next attempt waits for {holders}."),
    "next_attempt": (None, "A daemon runs it within seconds, a run with --scheduled at once."),
    "attempts_left": (None, "Attempts left: {attempts_left}."),
    "not_a_slot": ("not_a_slot", "{slot.name} is not a slot of {stored.id}, {trigger}.{near}"),
    "not_due_yet": ("not_due_yet", "It is not due yet: it comes in {until}."),
    "not_active": (None, "It does not run while the schedule is {stored.state}."),
    "jitter": ("not_due_yet", "It has come; its jitter delays the run until {begins_at}."),
    "inactive": ("inactive", "The schedule is {stored.state}{begun}: its slots do not run.{why}"),
    "was_inactive": ("inactive", "It came while the schedule was {was_inactive}{resumed}."),
    "before_since": ("before_since", "The schedule was {change} at {since} and counts from then."),
    "not_stored": ("before_since", "No process ran it, and no daemon has stored the schedule yet."),
    "deleted_record": ("passed_over", "Run records are kept for {settings.keep_runs_days} days."),
    "passed_over": ("passed_over", "Not recorded before {newest}; slots only go forward."),
    "pending": (None, "It was due before the schedule was changed."),
    "missed_next": ("nobody_there", "No process ran it within {grace_s} s: it will be missed."),
    "coalesced_next": ("nobody_there", "No process ran it. By now {replacement} replaces it."),
    "held": ("waiting", "It is due, and the lease {lock} is held by {holders}."),
    "queued": (None, "It runs after that."),
    "queued_if_earlier": (None, "It runs after a run of an earlier slot, else it is skipped."),
    "skipped_next": (None, "The next process records it as skipped."),
    "unclaimed": ("nobody_there", "It has been due for {overdue}, and no process has claimed it."),
    "takeover": (None, "A daemon leaves it to others for {takeover_in} (takeover_delay_s)."),
    "next_start": (None, "A daemon runs it within seconds of its start, --scheduled at once."),
}
"""The verdict and the sentence of each situation; the first verdict of a slot decides."""


class Explanation(Struct, frozen=True, kw_only=True):
    """A verdict for scripts, sentences for people, and the facts that they rest on.

    `state` is the schedule's, if it was or is inactive. `before` and `after` are the neighbours of
    an instant that is not a slot. `again_at` is when a failed slot runs again, `attempts_left` how
    often. `holders` hold the leases that it needs.
    """

    slot: Slot
    verdict: Verdict
    sentences: tuple[str, ...]
    record: RunRecord | None = None
    state: str | None = None
    before: datetime | None = None
    after: datetime | None = None
    again_at: datetime | None = None
    attempts_left: int | None = None
    holders: tuple[str, ...] = ()


async def explain_slot(worker: Worker, schedule_id: str, at: datetime) -> Explanation:
    """Explains a slot.

    Raises:
        ConfigError: the schedule does not exist, and the slot has no record.
    """
    return explain(await gather_facts(worker, schedule_id, at))


def explain(facts: SlotFacts) -> Explanation:
    """Returns the verdict on a slot, and the sentences of its situations."""
    situations, values = find_situations(facts), _values(facts)
    rows = [_TABLE[situation] for situation in situations]
    verdict = next(verdict for verdict, _ in rows if verdict is not None)
    text = "\n".join(template for _, template in rows)
    open_failure = "attempts_left" in situations
    state = next((state for state in ("inactive", "was_inactive") if state in situations), "")
    return Explanation(
        slot=facts.slot,
        verdict=verdict,
        sentences=tuple(line for line in text.format_map(values).split("\n") if line),
        record=facts.newest if verdict == "passed_over" else facts.record,
        state=values.get(state),
        before=values["before"] if verdict == "not_a_slot" else None,
        after=values["after"] if verdict == "not_a_slot" else None,
        again_at=values["again_at"] if open_failure else None,
        attempts_left=values["attempts_left"] if open_failure else None,
        holders=facts.holders if "{holders}" in text else (),
    )


def _values(facts: SlotFacts) -> dict[str, Any]:
    """Returns what the sentences name."""
    replacement, newest = facts.plan.slot, facts.newest
    return {
        "slot": facts.slot,
        "settings": facts.settings,
        "stored": facts.schedule,
        "run": facts.record,
        "until": format_duration(facts.slot.at - facts.now),
        "overdue": format_duration(facts.now - facts.slot.at),
        "holders": " and ".join(facts.holders),
        "replacement": replacement.name if replacement is not None else "",
        "newest": newest.id if newest is not None else "a newer slot",
        **(_schedule_values(facts, facts.schedule) if facts.schedule is not None else {}),
        **(_record_values(facts, facts.record) if facts.record is not None else {}),
    }


def _schedule_values(facts: SlotFacts, stored: StoredSchedule) -> dict[str, Any]:
    slot, schedule, history = facts.slot, stored.schedule, stored.history
    before = slots.latest_slot(stored.id, schedule, slot.at)
    after = next(slots.slots_after(stored.id, schedule, slot.at), None)
    neighbours = " and ".join(slot.name for slot in (before, after) if slot is not None)
    begins_at = slot.at + slots.jitter(schedule, slot)
    takeover_at = begins_at + timedelta(seconds=facts.settings.takeover_delay_s)
    same_state = list(takewhile(lambda change: change.state == stored.state, history[::-1]))
    resumed = [change for change in history if change.at > slot.at and change.state == "active"]
    changes = [change.what for change in history if change.at == stored.effective_since]
    triggers = [change.trigger for change in history if change.at <= slot.at]
    near = f"\nThe nearest slots: {neighbours}." if neighbours else ""
    if triggers and triggers[-1] != schedule.trigger:
        near += f"\nIts trigger was different then: {triggers[-1]}."
    return {
        "trigger": schedule.trigger,
        "lock": schedule.lock or schedule.job,
        "grace_s": schedule.misfire_grace_s,
        "begins_at": format_rfc3339(begins_at),
        "takeover_in": format_duration(takeover_at - facts.now),
        "begun": f" since {format_rfc3339(same_state[-1].at)}" if same_state else "",
        "why": f"\nThe reason: {stored.reason}." if stored.reason else "",
        "inactive": stored.state,
        "was_inactive": stored.state_at(slot.at),
        "resumed": f", until {format_rfc3339(resumed[0].at)}" if resumed else "",
        "change": changes[-1] if changes else "changed",
        "since": format_rfc3339(stored.effective_since),
        "before": before.at if before is not None else None,
        "after": after.at if after is not None else None,
        "near": near,
    }


def _record_values(facts: SlotFacts, record: RunRecord) -> dict[str, Any]:
    started_at = format_rfc3339(record.started_at)
    lateness_s = record.lateness_s if record.attempt == 1 else None
    covered = ""
    if record.first is not None and record.slot is not None and record.count > 1:
        covered = f", with {record.count} slots from {format_rfc3339(record.first)}"
        covered += f" to {format_rfc3339(record.slot)}"
    samples = ("; ".join(f"{k} {text}" for k, text in error.items()) for error in record.errors[:3])
    return {
        "process": _describe_process(record.owner),
        "outcome": record.outcome.replace("_", " "),
        "started_at": started_at,
        "lateness": f", {lateness_s:.1f} s after its slot" if lateness_s is not None else "",
        "duration": f", took {record.duration_s:.1f} s" if record.duration_s is not None else "",
        "reason": f": {record.reason}" if record.reason else "",
        "covered": covered,
        "earlier": "\n".join(
            f"Attempt {attempt.attempt} was {attempt.outcome.replace('_', ' ')}:"
            f" {_describe_process(attempt.owner)}, begun {format_rfc3339(attempt.started_at)}."
            for attempt in record.earlier
        ),
        "errors": "".join(f"\nError: {sample}." for sample in samples),
        "again_at": (record.finished_at or facts.now) + RETRY_DELAY,
        "attempts_left": facts.settings.max_attempts - record.attempt,
    }


def _describe_process(owner: dict[str, Any]) -> str:
    return f"pid {owner.get('pid')} on {owner.get('host')}"


def format_duration(span: timedelta) -> str:
    """Returns a duration in its two largest units."""
    rest, parts = max(int(span.total_seconds()), 0), []
    for unit, seconds in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        amount, rest = divmod(rest, seconds)
        if amount:
            parts.append(f"{amount} {unit}")
    return " ".join(parts[:2]) or "less than a second"
