"""Each kind of alert: what fires it, what leaves it quiet, what clears it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from chesscoach.alerts import rules
from chesscoach.alerts.alert import KINDS, Condition
from chesscoach.alerts.facts import Facts, JobFacts, OverdueSlot, ScheduleFacts
from chesscoach.alerts.store.alerts import Alert
from chesscoach.config import JobsSettings
from chesscoach.worker.store.run_documents import RunRecord
from tests.conftest import NOON

SLOT = NOON - timedelta(minutes=10)


class BreakerFact(Struct, frozen=True, kw_only=True):
    """A breaker as rules see it."""

    is_open: bool = False
    open_until: datetime | None = None


def make_run(minutes_ago: float = 1, **fields: Any) -> RunRecord:
    """A run of the schedule sync_games that ended well some minutes ago."""
    at = NOON - timedelta(minutes=minutes_ago)
    defaults: dict[str, Any] = {
        "id": f"run-{minutes_ago}",
        "job": "sync_games",
        "schedule": "sync_games",
        "slot": SLOT,
        "source": "daemon",
        "outcome": "succeeded",
        "attempt": 1,
        "claim": "",
        "owner": {},
        "lease": "",
        "started_at": at,
        "finished_at": at,
        "duration_s": 1.0,
        "done": 10,
    }
    return RunRecord(**{**defaults, **fields})


def make_facts(
    *ended: RunRecord,
    missed: tuple[RunRecord, ...] = (),
    running: tuple[RunRecord, ...] = (),
    overdue: OverdueSlot | None = None,
    breakers: Mapping[str, BreakerFact] | None = None,
    unknown: int = 0,
    job: str = "sync_games",
) -> Facts:
    """The facts of one job and its schedule; `ended` has the newest first."""
    schedule = ScheduleFacts(job=job, overdue=overdue)
    all_breakers: Any = {"lichess": BreakerFact(), "chess.com": BreakerFact(), **(breakers or {})}
    return Facts(
        now=NOON,
        jobs={job: JobFacts(ended=[*ended], missed=[*missed], running=[*running])},
        schedules={job: schedule},
        breakers=all_breakers,
        unknown_emails=unknown,
    )


def condition(facts: Facts, kind: str, subject: str = "sync_games") -> Condition | None:
    found = [
        one
        for one in rules.conditions(facts, JobsSettings())
        if (one.kind, one.subject) == (kind, subject)
    ]
    assert len(found) <= 1
    return found[0] if found else None


BAD = make_run(5, id="bad", outcome="partial", done=8, failed=2)
MISSED = make_run(5, id="missed", outcome="missed", done=0, reason="too late")
LONG_MISSED = make_run(30, id="missed", outcome="missed", done=0)
THROTTLED = make_run(5, notes={"lichess_requests": 10, "lichess_429": 3})
CLEANUP = {"job": "cleanup", "schedule": "cleanup"}
INVALID = make_run(5, notes={"deleted_sessions": 0, "invalid_sessions": 2}, **CLEANUP)
OPEN = {"lichess": BreakerFact(is_open=True, open_until=NOON)}


@pytest.mark.parametrize(
    ("kind", "subject", "firing", "quiet"),
    [
        ("success_rate", "sync_games", make_facts(BAD), make_facts(make_run(), BAD)),
        (
            "success_rate",
            "sync_games",
            make_facts(make_run(outcome="failed", done=0)),
            make_facts(make_run(outcome="partial", done=95, failed=5)),
        ),
        (
            "success_rate",
            "sync_games",
            make_facts(make_run(outcome="timed_out")),
            make_facts(make_run(done=0)),
        ),
        (
            "duration",
            "sync_games",
            make_facts(make_run(duration_s=301.0)),
            make_facts(make_run(1), make_run(5, duration_s=301.0)),
        ),
        (
            "duration",
            "sync_games",
            make_facts(make_run(20), running=(make_run(6, outcome="running"),)),
            make_facts(make_run(20), running=(make_run(4, outcome="running"),)),
        ),
        (
            "overdue",
            "sync_games",
            make_facts(overdue=OverdueSlot(at=SLOT)),
            make_facts(),
        ),
        (
            "missed",
            "sync_games",
            make_facts(missed=(MISSED,)),
            make_facts(make_run(4), missed=(LONG_MISSED,)),
        ),
        ("unknown_emails", "weekly_emails", make_facts(unknown=1), make_facts()),
        ("breaker_open", "lichess", make_facts(breakers=OPEN), make_facts()),
        (
            "ratio_429",
            "lichess",
            make_facts(THROTTLED),
            make_facts(make_run(1, notes={"lichess_requests": 100}), THROTTLED),
        ),
        (
            "invalid_timestamps",
            "sessions",
            make_facts(INVALID, job="cleanup"),
            make_facts(
                make_run(1, notes={"deleted_sessions": 1}, **CLEANUP), INVALID, job="cleanup"
            ),
        ),
    ],
)
def test_a_kind_fires_and_clears(kind: str, subject: str, firing: Facts, quiet: Facts) -> None:
    fires, clears = condition(firing, kind, subject), condition(quiet, kind, subject)

    assert fires is not None
    assert fires.firing
    assert fires.summary
    assert clears is not None
    assert not clears.firing


def test_every_kind_has_a_case() -> None:
    (cases,) = test_a_kind_fires_and_clears.pytestmark  # type: ignore[attr-defined]

    assert {case[0] for case in cases.args[1]} == set(KINDS)


def test_nothing_fires_without_a_record() -> None:
    assert not [one for one in rules.conditions(make_facts(), JobsSettings()) if one.firing]


def test_a_slot_in_shards_fires_while_one_of_its_shards_is_bad() -> None:
    bad = make_run(5, id="0", shard="0/2", outcome="failed", done=0)
    good = make_run(1, id="1", shard="1/2")
    earlier = make_run(90, id="2", shard="0/2", slot=SLOT - timedelta(hours=1))

    found = condition(make_facts(good, bad, earlier), "success_rate")

    assert found is not None
    assert (found.firing, found.run_id) == (True, "0")


def test_each_schedule_of_a_job_is_a_cause_of_its_own_and_manual_runs_count_for_the_job() -> None:
    active = make_run(1, schedule="sync_active")
    manual = make_run(3, id="manual", schedule=None, slot=None, outcome="failed", done=0)
    facts = make_facts(active, manual, make_run(60))

    own, other = condition(facts, "success_rate"), condition(facts, "success_rate", "sync_active")

    assert own is not None
    assert (own.firing, own.run_id) == (True, "manual")
    assert other is not None
    assert not other.firing


def test_an_outage_of_one_source_is_one_cause() -> None:
    """The accounts that failed are those of the source whose breaker opened."""
    errors = [{"account": "lichess:ann", "error": "500"}]
    outage = make_run(outcome="partial", done=3, failed=3, errors=errors)
    throttled = make_run(2, notes={"lichess_requests": 3, "lichess_429": 3})
    other = make_run(
        outcome="partial", done=3, failed=3, errors=[*errors, {"account": "chess.com:b"}]
    )

    waiting = make_run(
        outcome="partial", done=0, failed=1, errors=[{"platform": "lichess", "error": "closed"}]
    )

    assert condition(make_facts(outage, breakers=OPEN), "success_rate") is None
    assert condition(make_facts(waiting, breakers=OPEN), "success_rate") is None
    assert condition(make_facts(throttled, breakers=OPEN), "ratio_429", "lichess") is None
    found = condition(make_facts(other, breakers=OPEN), "success_rate")
    assert found is not None
    assert found.firing


def test_a_missed_slot_fires_once_although_the_next_one_succeeded_at_once() -> None:
    facts = make_facts(make_run(4), missed=(MISSED,))
    alert = Alert(
        cause="missed:sync_games",
        kind="missed",
        state="firing",
        job="sync_games",
        run_id="missed",
        summary="",
        since=NOON,
        revision=1,
    )
    earlier = replace(alert, state="resolved", since=NOON - timedelta(days=1))

    for known, fires in ((None, True), (earlier, True), (alert, False)):
        alerts = {known.cause: known} if known else {}
        found = condition(replace(facts, alerts=alerts), "missed")
        assert found is not None
        assert found.firing is fires


def test_a_cleanup_of_one_rule_does_not_resolve_the_others() -> None:
    other = make_run(1, notes={"deleted_queue": 4}, **CLEANUP)

    found = condition(make_facts(other, INVALID, job="cleanup"), "invalid_timestamps", "sessions")

    assert found is not None
    assert found.firing


def test_one_429_of_many_requests_does_not_fire() -> None:
    found = condition(
        make_facts(make_run(notes={"lichess_requests": 4, "lichess_429": 1})),
        "ratio_429",
        "lichess",
    )

    assert found is not None
    assert not found.firing
