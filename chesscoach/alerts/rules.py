"""Decides which alerts fire and which clear: one function per kind, from facts to conditions.

A cause without a condition stays as it is: nothing new is known of it. Runs count for their
schedule; manual runs count for the schedule that is named like their job, and so does its alert.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from chesscoach.alerts.alert import Condition
from chesscoach.alerts.facts import Facts, JobFacts
from chesscoach.config import JobLimits, JobsSettings
from chesscoach.schedules.outcome import FAILED_OUTCOMES, SUCCEEDED_OUTCOMES
from chesscoach.schedules.schedule import format_rfc3339
from chesscoach.sources.source import SOURCES
from chesscoach.worker.store.run_documents import RunRecord

MIN_429_RATIO, MIN_429_COUNT = 0.1, 2
"""Share and number of requests of an hour that a source answers with 429, from which it fires."""

_RATIO_PERIOD = timedelta(hours=1)
_NEWLY_MISSED = timedelta(minutes=10)
"""A slot that was missed so recently fires, even if a later slot succeeded before a look."""

_CLEANUP, _EMAILS = "cleanup", "weekly_emails"


def conditions(facts: Facts, jobs: JobsSettings) -> list[Condition]:
    """Every condition that the facts allow to decide."""
    made: list[Condition] = [*_unknown_emails(facts), *_breakers(facts), *_overdue(facts)]
    for name, job in facts.jobs.items():
        limits = jobs.limits_of(name)
        for subject, runs in _by_subject(job.ended).items():
            made += _success_rate(facts, name, subject, runs, limits)
        made += _duration(facts, name, job, limits)
        made += _missed(facts, name, job)
        if name == _CLEANUP:
            made += _invalid_timestamps(job.ended)
    return [*made, *_ratios(facts)]


def _by_subject(ended: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
    """The runs of the newest slot, or the newest manual run, by the schedule that they count for.

    `ended` is in the order of their ends. Of a slot in shards, each shard is a run.
    """
    newest: dict[str, list[RunRecord]] = {}
    for run in ended:
        runs = newest.setdefault(_subject(run), [])
        if not runs or (run.shard is not None and run.slot == runs[0].slot):
            runs.append(run)
    return newest


def _subject(run: RunRecord) -> str:
    return run.schedule or run.job


def _success_rate(
    facts: Facts, job: str, subject: str, runs: list[RunRecord], limits: JobLimits
) -> Iterator[Condition]:
    """A run failed, or too few of its items succeeded.

    A run whose errors all come from a source with an open breaker is not another cause.
    """
    bad = [run for run in runs if _has_failed(run, limits)]
    if bad and all(_is_outage(facts, run) for run in bad):
        return
    run = (bad or runs)[0]
    yield Condition(
        kind="success_rate",
        subject=subject,
        firing=bool(bad),
        job=job,
        run_id=run.id,
        summary=f"{subject}: {_result(run)}",
    )


def _has_failed(run: RunRecord, limits: JobLimits) -> bool:
    finished = run.done + run.failed
    low = finished > 0 and run.done / finished < limits.success_threshold
    return low or run.outcome in FAILED_OUTCOMES


def _result(run: RunRecord) -> str:
    if run.outcome == "timed_out":
        return f"the run was stopped at its time limit, {run.done} done and {run.failed} failed"
    finished = run.done + run.failed
    if finished:
        return f"{run.done} of {finished} succeeded ({run.done / finished:.0%})"
    return "the run failed" if run.outcome == "failed" else "the run succeeded"


def _is_outage(facts: Facts, run: RunRecord) -> bool:
    sources = {
        error.get("platform") or error.get("account", "").partition(":")[0] for error in run.errors
    }
    closed = {platform for platform, breaker in facts.breakers.items() if breaker.is_open}
    return bool(sources) and sources <= closed


def _duration(facts: Facts, job: str, runs: JobFacts, limits: JobLimits) -> Iterator[Condition]:
    """A run takes longer than `warn_after_s`, or the newest one took longer."""
    longest = timedelta(seconds=limits.warn_after_s)
    slow = {_subject(run): run for run in runs.running if facts.now - run.started_at > longest}
    for subject, run in slow.items():
        took_s = (facts.now - run.started_at).total_seconds()
        text = f"{subject}: the run has taken {took_s:.0f} s, which is over"
        yield _duration_condition(job, subject, run, limits, text, firing=True)
    for subject, ended in _by_subject(runs.ended).items():
        if subject in slow:
            continue
        run = max(ended, key=lambda one: one.duration_s or 0)
        firing = (run.duration_s or 0) > limits.warn_after_s
        text = f"{subject}: the run took {run.duration_s or 0:.0f} s, which is "
        yield _duration_condition(
            job, subject, run, limits, text + ("over" if firing else "within"), firing=firing
        )


def _duration_condition(
    job: str, subject: str, run: RunRecord, limits: JobLimits, text: str, *, firing: bool
) -> Condition:
    return Condition(
        kind="duration",
        subject=subject,
        firing=firing,
        job=job,
        run_id=run.id,
        summary=f"{text} the {limits.warn_after_s:.0f} s of warn_after_s",
    )


def _overdue(facts: Facts) -> Iterator[Condition]:
    """A slot has passed, and no process has started or continued it."""
    for key, schedule in facts.schedules.items():
        text, overdue = "no slot is overdue", schedule.overdue
        if overdue is not None:
            what = "was left open" if overdue.run_id else "has not begun"
            text = f"the slot {format_rfc3339(overdue.at)} {what}"
        yield Condition(
            kind="overdue",
            subject=key,
            firing=overdue is not None,
            job=schedule.job,
            run_id=overdue.run_id if overdue else None,
            summary=f"{key}: {text}",
        )


def _missed(facts: Facts, job: str, runs: JobFacts) -> Iterator[Condition]:
    """A slot came too late to run; it clears when a later slot of the schedule succeeds.

    If that succeeds before any process looks, the alert fires and clears at the next look.
    """
    newest: dict[str, RunRecord] = {}
    for record in runs.missed:
        newest.setdefault(_subject(record), record)
    for subject, record in newest.items():
        if subject not in facts.schedules:
            continue
        later = [
            run
            for run in runs.ended
            if run.schedule == record.schedule
            and run.outcome in SUCCEEDED_OUTCOMES
            and _ended_at(run) > _ended_at(record)
        ]
        alert = facts.alerts.get(f"missed:{subject}")
        known = alert is not None and (alert.state == "firing" or alert.since >= _ended_at(record))
        is_news = not known and facts.now - _ended_at(record) < _NEWLY_MISSED
        firing = is_news or not later
        slots = f"{record.count} slots up to " if record.count > 1 else "the slot "
        at = format_rfc3339(record.slot) if record.slot else record.id
        reason = f": {record.reason}" if record.reason else ""
        missed = f"{subject}: {slots}{at} did not run{reason}"
        yield Condition(
            kind="missed",
            subject=subject,
            firing=firing,
            job=job,
            run_id=record.id if firing else later[0].id,
            summary=missed if firing else f"{subject}: a later slot has succeeded",
        )


def _ended_at(run: RunRecord) -> datetime:
    return run.finished_at or run.started_at


def _unknown_emails(facts: Facts) -> Iterator[Condition]:
    """Emails that may or may not have been sent."""
    count = facts.unknown_emails
    emails = "1 email is unknown" if count == 1 else f"{count or 'no'} emails are unknown"
    advice = ": see `chesscoach emails list --state unknown`" if count else ""
    yield Condition(
        kind="unknown_emails",
        subject=_EMAILS,
        firing=count > 0,
        job=_EMAILS,
        summary=emails + advice,
    )


def _breakers(facts: Facts) -> Iterator[Condition]:
    """A source refuses us, and gets no request for a time."""
    for platform, breaker in facts.breakers.items():
        name, until = SOURCES[platform].name, breaker.open_until
        wait = f" and gets no request until {format_rfc3339(until)}" if until else ""
        failing = f"{name} does not answer as it should{wait}"
        yield Condition(
            kind="breaker_open",
            subject=platform,
            firing=breaker.is_open,
            job="sync_games",
            summary=failing if breaker.is_open else f"{name} answers again",
        )


def _ratios(facts: Facts) -> Iterator[Condition]:
    """A source answered many requests of an hour with 429; with an open breaker it is the cause."""
    ended = sorted(
        (run for job in facts.jobs.values() for run in job.ended), key=_ended_at, reverse=True
    )
    for platform, source in SOURCES.items():
        runs = [run for run in ended if _count(run, f"{source.key}_requests")]
        if not runs or facts.breakers[platform].is_open:
            continue
        newest = _ended_at(runs[0])
        lately = [run for run in runs if newest - _ended_at(run) < _RATIO_PERIOD]
        refused = sum(_count(run, f"{source.key}_429") for run in lately)
        requests = sum(_count(run, f"{source.key}_requests") for run in lately)
        yield Condition(
            kind="ratio_429",
            subject=platform,
            firing=refused >= MIN_429_COUNT and refused / requests >= MIN_429_RATIO,
            job=runs[0].job,
            run_id=runs[0].id,
            summary=f"{source.name} answered {refused} of {requests} requests with 429",
        )


def _invalid_timestamps(ended: Sequence[RunRecord]) -> Iterator[Condition]:
    """Documents whose timestamp a rule of the cleanup cannot read, by the rule's newest run."""
    seen: set[str] = set()
    for run in ended:
        rules = {name.removeprefix("deleted_") for name in run.notes if name.startswith("deleted_")}
        for rule in sorted(rules - seen):
            count = _count(run, f"invalid_{rule}")
            documents = "1 document has" if count == 1 else f"{count or 'no'} documents have"
            yield Condition(
                kind="invalid_timestamps",
                subject=rule,
                firing=count > 0,
                job=_CLEANUP,
                run_id=run.id,
                summary=f"{rule}: {documents} no readable timestamp",
            )
        seen |= rules


def _count(run: RunRecord, name: str) -> int:
    value = run.notes.get(name, 0)
    return value if type(value) is int else 0
