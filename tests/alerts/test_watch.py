"""The watch on a real database: once per cause, whatever happens in between."""

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from chesscoach.alerts.context import AlertContext
from chesscoach.schedules.schedule import Schedule
from tests.conftest import NOON, Clock
from tests.support.alerts import Receiver, add_run, bodies, open_watch, run_document
from tests.support.log_lines import Lines


async def test_an_alert_fires_once_and_resolves_once(
    alerts: AlertContext, db: Any, clock: Clock, receiver: Receiver
) -> None:
    add_run(db, "bad", clock, outcome="partial", done=1, failed=9)
    async with open_watch(alerts, receiver) as watch:
        for _ in range(3):
            await watch.check()
            clock.move(seconds=30)
        add_run(db, "good", clock)
        for _ in range(3):
            await watch.check()

    fired, resolved = bodies(receiver)
    assert (fired["kind"], fired["state"], fired["run_id"]) == ("success_rate", "firing", "bad")
    assert fired["summary"] == "sync_games: 1 of 10 succeeded (10%)"
    assert fired["at"] == "2026-10-21T12:00:00Z"
    assert (resolved["kind"], resolved["state"]) == ("success_rate", "resolved")
    assert fired["cause"] == resolved["cause"]
    assert fired["id"] != resolved["id"]


async def test_a_good_run_fires_no_alert_and_stores_nothing(
    alerts: AlertContext, db: Any, clock: Clock, receiver: Receiver
) -> None:
    add_run(db, "good", clock)
    async with open_watch(alerts, receiver) as watch:
        await watch.check()

    assert receiver.requests == []
    assert db.alerts.count_documents({}) == 0


async def test_each_alert_is_a_line_of_the_log_and_a_metric_without_any_receiver(
    alerts: AlertContext, db: Any, clock: Clock, lines: Lines
) -> None:
    add_run(db, "slow", clock, duration_s=400.0)
    async with open_watch(alerts) as watch:
        await watch.check()
        add_run(db, "fast", clock, finished_at=clock() + timedelta(seconds=1))
        await watch.check()

    assert [(line["event"], line["level"], line["kind"], line["run_id"]) for line in lines()] == [
        ("alert_firing", "warning", "duration", "slow"),
        ("alert_resolved", "info", "duration", "fast"),
    ]
    counted = {
        (sample.labels["kind"], sample.labels["state"]): sample.value
        for metric in alerts.metrics.alerts.collect()
        for sample in metric.samples
        if sample.name == "chesscoach_alerts_total"
    }
    assert counted == {("duration", "firing"): 1, ("duration", "resolved"): 1}


def with_schedule(alerts: AlertContext, **fields: Any) -> AlertContext:
    schedule = Schedule(job="sync_games", cron="0 * * * *", **fields)
    return replace(alerts, configured_schedules={"sync_games": schedule})


async def test_a_schedule_without_a_daemon_is_overdue_when_its_next_slot_has_not_begun(
    alerts: AlertContext, db: Any, clock: Clock, receiver: Receiver
) -> None:
    alerts = with_schedule(alerts)
    async with open_watch(alerts, receiver) as watch:
        await watch.check()  # it has never run, so perhaps no process is meant to run it
        add_run(db, "sync_games:11", clock, schedule="sync_games", slot=NOON - timedelta(hours=1))
        clock.move(minutes=4)
        await watch.check()
        assert receiver.requests == []
        clock.move(minutes=2)
        await watch.check()
        add_run(db, "sync_games:12", clock, schedule="sync_games", slot=NOON, outcome="running")
        await watch.check()

    fired, resolved = bodies(receiver)
    assert (fired["kind"], fired["state"], fired["job"]) == ("overdue", "firing", "sync_games")
    assert fired["summary"] == "sync_games: the slot 2026-10-21T12:00:00Z has not begun"
    assert (resolved["kind"], resolved["state"]) == ("overdue", "resolved")


async def test_a_run_that_was_left_open_is_overdue_until_it_runs_again(
    alerts: AlertContext, db: Any, clock: Clock, receiver: Receiver
) -> None:
    alerts = with_schedule(alerts)
    record = {"schedule": "sync_games", "slot": NOON, "outcome": "cancelled"}
    async with open_watch(alerts, receiver) as watch:
        add_run(db, "sync_games:12", clock, **record)
        clock.move(minutes=4)
        await watch.check()
        assert receiver.requests == []
        clock.move(minutes=2)
        await watch.check()

    (fired,) = bodies(receiver)
    assert (fired["kind"], fired["run_id"]) == ("overdue", "sync_games:12")


async def test_an_alert_about_a_schedule_that_was_removed_resolves(
    alerts: AlertContext, db: Any, clock: Clock, receiver: Receiver
) -> None:
    missed = {"schedule": "sync_games", "slot": NOON, "outcome": "missed", "done": 0}
    add_run(db, "sync_games:12", clock, **missed)
    async with open_watch(with_schedule(alerts), receiver) as watch:
        await watch.check()
    async with open_watch(alerts, receiver) as watch:
        await watch.check()

    states = [(body["kind"], body["state"]) for body in bodies(receiver)]
    assert states == [("missed", "firing"), ("missed", "resolved")]


async def test_unknown_emails_and_an_open_breaker_come_from_the_database(
    alerts: AlertContext, db: Any, clock: Clock, receiver: Receiver
) -> None:
    email = {"_id": "weekly:ann:2026-W43", "state": "unknown", "week": "2026-W43"}
    old = {**email, "_id": "weekly:ann:2026-W30", "week": "2026-W30"}
    db.email_outbox.insert_many([email, old])
    db.job_leases.insert_one({"_id": "lane:lichess", "closings": 1, "closed_until": NOON})
    async with open_watch(alerts, receiver) as watch:
        await watch.check()
        db.email_outbox.update_one({"_id": email["_id"]}, {"$set": {"state": "sent"}})
        await watch.check()
        db.job_leases.update_one({"_id": "lane:lichess"}, {"$set": {"closings": 0}})
        await watch.check()

    states = [(body["kind"], body["state"]) for body in bodies(receiver)]
    assert sorted(states[:2]) == [("breaker_open", "firing"), ("unknown_emails", "firing")]
    assert states[2:] == [("unknown_emails", "resolved"), ("breaker_open", "resolved")]


async def test_documents_of_other_programs_stay_and_stop_nothing(
    alerts: AlertContext, db: Any, clock: Clock, receiver: Receiver
) -> None:
    odd = [
        {"_id": "odd:1", "kind": "sung", "state": "firing", "send_at": NOON, "messages": [7]},
        {"_id": "odd:2", "state": 3, "since": "soon", "messages": {"a": 1}},
        {"_id": 5, "send_at": NOON, "messages": [{"message": {"id": "x"}}]},
    ]
    db.alerts.insert_many(odd)
    add_run(db, "bad", clock, outcome="failed", done=0)
    db.job_runs.insert_one({**run_document("odd", clock()), "outcome": "failed", "done": "many"})
    async with open_watch(alerts, receiver) as watch:
        await watch.check()

    assert [body["run_id"] for body in bodies(receiver)] == ["bad"]
    assert db.alerts.count_documents({"_id": {"$in": [5, "odd:1", "odd:2"]}}) == 3


async def test_an_old_alert_is_deleted_and_may_fire_again(
    alerts: AlertContext, db: Any, clock: Clock, receiver: Receiver
) -> None:
    async with open_watch(alerts, receiver) as watch:
        for outcome in ("failed", "succeeded"):
            clock.move(minutes=1)
            add_run(db, f"{outcome}-1", clock, outcome=outcome)
            await watch.check()
        clock.move(days=31)
        await watch.check()
        assert db.alerts.count_documents({"_id": {"$ne": "#sent"}}) == 0
        add_run(db, "failed-2", clock, outcome="failed")
        await watch.check()

    ids = [body["id"] for body in bodies(receiver)]
    assert len(set(ids)) == 3
