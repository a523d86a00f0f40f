"""Each message reaches its receivers once, whatever fails and however many processes there are."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.alerts.context import AlertContext
from chesscoach.alerts.watch import open_alerts
from chesscoach.config import AlertSettings
from tests.conftest import Clock
from tests.support.alerts import SECRET, Receiver, add_run, bodies, open_watch
from tests.support.log_lines import Lines


async def test_two_processes_at_once_send_one_message(
    alerts: AlertContext, db: Any, clock: Clock, receiver: Receiver
) -> None:
    add_run(db, "bad", clock, outcome="failed", done=0)
    async with open_watch(alerts, receiver) as one, open_watch(alerts, receiver) as other:
        await asyncio.gather(*(watch.check() for watch in (one, other) * 5))
        add_run(db, "good", clock, finished_at=clock() + timedelta(seconds=1))
        await asyncio.gather(*(watch.check() for watch in (one, other) * 5))

    assert [body["state"] for body in bodies(receiver)] == ["firing", "resolved"]


async def test_an_alert_that_was_stored_by_a_process_that_died_is_sent_by_another(
    alerts: AlertContext, db: Any, clock: Clock, receiver: Receiver
) -> None:
    """It died after it had claimed the message, before or after the receiver got it."""
    add_run(db, "bad", clock, outcome="failed", done=0)
    receiver.hangs = True
    async with open_watch(alerts, receiver) as watch:
        dying = asyncio.create_task(watch.check())
        await asyncio.wait_for(receiver.arrived.wait(), 30)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
    receiver.hangs = False
    async with open_watch(alerts, receiver) as watch:
        await watch.check()
        assert len(receiver.requests) == 1, "the claim of the other process still holds"
        clock.move(seconds=61)
        await watch.check()
        await watch.check()

    first, second = bodies(receiver)
    assert first["id"] == second["id"]
    assert db.alerts.find_one({"_id": "success_rate:sync_games"})["messages"] == []


@pytest.mark.parametrize("status", [500, 302])
async def test_a_message_that_is_refused_is_sent_later_in_its_order(
    alerts: AlertContext, db: Any, clock: Clock, receiver: Receiver, status: int
) -> None:
    add_run(db, "bad", clock, outcome="failed", done=0)
    receiver.status = status
    async with open_watch(alerts, receiver) as watch:
        await watch.check()
        await watch.check()
        assert receiver.paths == ["/hook"], "not again at once"
        clock.move(seconds=31)
        add_run(db, "good", clock)
        receiver.status = 200
        await watch.check()

    assert [body["state"] for body in bodies(receiver)] == ["firing", "firing", "resolved"]


async def test_a_message_that_is_refused_for_a_day_is_given_up(
    alerts: AlertContext, db: Any, clock: Clock, receiver: Receiver, lines: Lines
) -> None:
    add_run(db, "bad", clock, outcome="failed", done=0)
    receiver.status = 500
    async with open_watch(alerts, receiver) as watch:
        await watch.check()
        for _ in range(8):
            clock.move(hours=4)
            await watch.check()

    assert len(receiver.requests) == 6
    assert [line["event"] for line in lines()].count("alert_given_up") == 1


async def test_no_more_than_the_limit_of_an_hour_is_sent_and_the_rest_is_announced(
    alerts: AlertContext, db: Any, clock: Clock, receiver: Receiver, lines: Lines
) -> None:
    for name in ("a", "b", "c", "d", "e"):
        add_run(db, name, clock, outcome="failed", done=0, schedule=name)
    async with open_watch(alerts, receiver, max_per_hour=3) as watch:
        await watch.check()
        await watch.check()
        assert len(receiver.requests) == 3
        assert bodies(receiver)[-1]["summary"].endswith(
            "(2 more held back: [alerts] max_per_hour is 3)"
        )
        clock.move(minutes=59)
        await watch.check()
        assert len(receiver.requests) == 3
        clock.move(minutes=1, seconds=1)
        await watch.check()

    assert len({body["cause"] for body in bodies(receiver)}) == 5
    assert len(receiver.requests) == 5
    held = [line for line in lines() if line["event"] == "alerts_held"]
    assert [line["causes"] for line in held] == [2]


async def test_a_process_without_receivers_leaves_its_message_to_one_that_has_some(
    alerts: AlertContext, db: Any, clock: Clock, receiver: Receiver
) -> None:
    """Such as a manual run in a shell without the settings of the daemon."""
    add_run(db, "bad", clock, outcome="failed", done=0)
    async with open_watch(alerts) as watch:
        await watch.check()
    async with open_watch(alerts, receiver) as watch:
        await watch.check()

    assert [body["run_id"] for body in bodies(receiver)] == ["bad"]


async def test_messages_of_before_the_first_receiver_are_not_sent_later(
    alerts: AlertContext, db: Any, clock: Clock, receiver: Receiver
) -> None:
    add_run(db, "bad", clock, outcome="failed", done=0)
    async with open_watch(alerts) as watch:
        await watch.check()
    clock.move(hours=25)
    async with open_watch(alerts, receiver) as watch:
        await watch.check()

    assert receiver.requests == []


async def test_the_end_of_a_process_waits_for_a_message_that_is_being_sent(
    alerts: AlertContext, db: Any, clock: Clock, receiver: Receiver
) -> None:
    add_run(db, "bad", clock, outcome="failed", done=0)
    settings = AlertSettings(webhook_url=f"{receiver.url}/hook", webhook_secret=SECRET)
    receiver.hangs = True
    async with open_alerts(replace(alerts, settings=settings)) as watch:
        await watch.run_ended(
            {"job": "sync_games", "run_id": "bad", "outcome": "failed", "exit_code": 1}
        )
        await asyncio.wait_for(receiver.arrived.wait(), 30)
        asyncio.get_running_loop().call_later(0.1, receiver.released.set)

    assert receiver.paths == ["/hook"]
    assert db.alerts.find_one({"_id": "success_rate:sync_games"})["messages"] == []
