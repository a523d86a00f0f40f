"""What aiocron alone does wrong, and ours must not: numbers are those of the scheduling facts."""

import asyncio
import json
import threading
import time

import pytest

from chesscoach.metrics import Metrics
from chesscoach.worker.scheduler.ticker import Ticker, Watchdog
from tests.support.scheduling import ManualClocks, make_ticker, wait_until


async def test_the_ticker_wakes_each_second_in_the_running_loop() -> None:
    rung: list[float] = []

    async def tick() -> None:
        rung.append(time.time())

    clock = Ticker(tick, Metrics())
    clock.start()
    # A busy machine is late, but not each time.
    await wait_until(lambda: len(rung) > 2 and min(at % 1 for at in rung) < 0.2)
    await clock.stop()

    assert len({int(at) for at in rung}) == len(rung), "once a second, right after it begins"


async def test_a_slow_tick_is_never_overlapped_by_the_next() -> None:
    """Pitfalls 1 and 3."""
    at_work = most = 0
    go = asyncio.Event()

    async def tick() -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await go.wait()
        at_work -= 1

    hands = ManualClocks()
    clock = make_ticker(tick, hands)
    for _ in range(4):
        hands.advance(1)
        await clock.on_second()
        await asyncio.sleep(0)
    go.set()
    await clock.stop()

    assert most == 1


async def test_a_tick_that_raises_does_not_end_the_ticking(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Pitfall 11, and the store error that stops APScheduler for ever."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        ticks += 1
        raise OSError("the store is gone")

    hands, metrics = ManualClocks(), Metrics()
    clock = make_ticker(tick, hands, metrics)
    for _ in range(3):
        hands.advance(1)
        await clock.on_second()
        await asyncio.sleep(0.01)
    await clock.stop()

    assert ticks == 3
    assert metrics.registry.get_sample_value("chesscoach_tick_errors_total") == 3
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["tick_failed"] * 3


@pytest.mark.parametrize("step", [-30.4, 3600.0, 0.5])
async def test_a_clock_step_is_counted_and_the_cron_restarted(step: float) -> None:
    """Pitfall 4: aiocron reads its anchor once."""

    async def tick() -> None:
        """Nothing is due."""

    hands, metrics = ManualClocks(), Metrics()
    clock = make_ticker(tick, hands, metrics)
    hands.advance(1)
    await clock.on_second()
    assert metrics.registry.get_sample_value("chesscoach_clock_steps_total") == 0

    hands.advance(1, step=step)
    await clock.on_second()
    hands.advance(1)
    await clock.on_second()
    await clock.stop()

    assert metrics.registry.get_sample_value("chesscoach_clock_steps_total") == 1


async def test_the_watchdog_reports_a_stopped_loop_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def tick() -> None:
        """Never called."""

    clock = Ticker(tick, Metrics())  # never started
    dog = Watchdog(clock, stale_s=0.1, every_s=0.05)
    dog.start()
    lines: list[str] = []

    def has_reported() -> bool:
        lines.extend(capsys.readouterr().out.splitlines())
        return bool(lines)

    await wait_until(has_reported)
    await asyncio.sleep(0.3)
    dog.stop()
    await wait_until(lambda: "watchdog" not in [thread.name for thread in threading.enumerate()])

    lines += capsys.readouterr().out.splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["loop_stalled"]
