import asyncio

import pytest

from chesscoach.config import Listener
from chesscoach.context import Context
from chesscoach.worker.scheduler.ticker import STALLED_AFTER_S
from chesscoach.worker.shutdown import ShutdownRequest
from tests.web.conftest import (
    ManualClock,
    OpenWeb,
    make_ticker,
    wait_until_ready,
)


@pytest.mark.parametrize("listener", ["admin", "public"])
async def test_both_listeners_are_healthy_and_ready(
    ctx: Context, open_web_server: OpenWeb, listener: Listener
) -> None:
    ask = await open_web_server(ctx, alarm=make_ticker(ManualClock()))

    live, ready = await ask("/healthz", listener), await wait_until_ready(ask, listener)

    assert live.status == 200
    assert live.body.items() >= {"healthy": True, "state": "working", "scheduler_idle_s": 0}.items()
    assert ready.status == 200
    assert (ready.body["ready"], ready.body["state"]) == (True, "working")
    assert ready.body["dependencies"]["mongodb"]["ok"] is True
    assert ready.body["dependencies"]["mongodb"]["took_s"] >= 0


async def test_a_ticker_that_has_stopped_is_unhealthy(
    ctx: Context, open_web_server: OpenWeb
) -> None:
    hands = ManualClock()
    alarm = make_ticker(hands)
    ask = await open_web_server(ctx, alarm=alarm)
    hands.now += STALLED_AFTER_S - 1
    assert (await ask("/healthz")).status == 200

    hands.now += 2
    stale = await ask("/healthz")

    assert (stale.status, stale.body["healthy"]) == (503, False)
    assert stale.body["scheduler_idle_s"] == STALLED_AFTER_S + 1
    await alarm.on_second()
    assert (await ask("/healthz")).status == 200
    await alarm.stop()


async def test_a_tick_that_hangs_stays_healthy(ctx: Context, open_web_server: OpenWeb) -> None:
    """The alarm rings on; it is the store that hangs."""
    hands, go = ManualClock(), asyncio.Event()
    alarm = make_ticker(hands, tick=go.wait)
    ask = await open_web_server(ctx, alarm=alarm)
    for _ in range(50):
        hands.now += 1
        await alarm.on_second()
        await asyncio.sleep(0)

    assert (await ask("/healthz")).status == 200
    assert "chesscoach_tick_age_seconds 50.0" in (await ask("/metrics")).text
    go.set()
    await alarm.stop()


async def test_without_a_scheduler_health_is_the_event_loop_alone(
    ctx: Context, open_web_server: OpenWeb
) -> None:
    answer = await (await open_web_server(ctx))("/healthz")

    assert answer.status == 200
    assert set(answer.body) == {"healthy", "state", "loop_lag_s"}


async def test_while_it_starts_it_is_healthy_and_not_ready(
    ctx: Context, open_web_server: OpenWeb
) -> None:
    hands = ManualClock()
    ask = await open_web_server(ctx, alarm=make_ticker(hands, ringing=False))
    hands.now += 10 * STALLED_AFTER_S  # laying in the schedules may have to wait for the store

    live, ready = await ask("/healthz"), await ask("/readyz")

    assert (live.status, live.body["state"]) == (200, "starting")
    assert (ready.status, ready.body["ready"], ready.body["state"]) == (503, False, "starting")


async def test_while_it_drains_it_is_healthy_and_not_ready(
    ctx: Context, open_web_server: OpenWeb
) -> None:
    stop, hands = ShutdownRequest(), ManualClock()
    alarm = make_ticker(hands)
    ask = await open_web_server(ctx, stop, alarm)
    stop.request()
    await alarm.stop()
    hands.now += 10 * STALLED_AFTER_S

    live, ready = await ask("/healthz"), await ask("/readyz")
    while not ready.body["dependencies"]["mongodb"]["ok"]:  # a busy machine may take over 2 s
        ready = await ask("/readyz")

    assert (live.status, live.body["state"]) == (200, "draining")
    assert (ready.status, ready.body["ready"], ready.body["state"]) == (503, False, "draining")
