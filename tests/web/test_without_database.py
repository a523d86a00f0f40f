"""While MongoDB hangs or is gone: each part of the web says so in time, and recovers."""

import asyncio
import json
import signal

from msgspec.structs import replace

from chesscoach.config import Settings
from tests.support.web.admin_client import API, OPEN
from tests.web.conftest import (
    Answer,
    HttpClient,
    ManualClock,
    OpenWeb,
    OwnMongod,
    make_ticker,
    open_context_on,
    wait_until_ready,
)

DEADLINE_S = 2.0
BOTH = replace(OPEN, public="127.0.0.1:0")
READS = tuple(f"{API}/{name}" for name in ("schedules", "runs", "momentum/board", "accounts"))
PAGES = ("/", "/schedules", "/runs", "/sources", "/emails", "/players")


async def test_a_mongodb_that_hangs_is_named_in_time_and_all_recovers(
    own_settings: Settings, own_mongod: OwnMongod, open_web_server: OpenWeb
) -> None:
    """Also behind forty operations that wait in Motor's ten threads."""
    async with open_context_on(own_settings, own_mongod) as ctx:
        alarm = make_ticker(ManualClock())
        ask = await open_web_server(ctx, alarm=alarm, web=BOTH, deadline_s=DEADLINE_S)
        await _wait_until_all_answer(ask)
        own_mongod.send(signal.SIGSTOP)
        ctx.metrics.clock_steps.inc()
        stuck = [asyncio.ensure_future(ctx.users.exists("ann")) for _ in range(40)]
        await asyncio.sleep(1.1)  # what was known is no longer taken for granted

        await _require_unready(ask)
        many = await asyncio.gather(*(ask("/readyz", "public") for _ in range(30)))
        assert {answer.status for answer in many} == {503}
        assert max(answer.took_s for answer in many) < 30, "and not one after the other"
        waiting = [each for each in stuck if not each.done()]
        assert len(waiting) >= 30  # one or the other may have been answered before the signal came
        await _require_own_metrics(ask)
        await _require_unavailable(ask)

        own_mongod.send(signal.SIGCONT)
        await asyncio.gather(*stuck, return_exceptions=True)
        await _wait_until_all_answer(ask)


async def test_a_mongodb_that_is_gone_is_named_in_time(
    own_settings: Settings, own_mongod: OwnMongod, open_web_server: OpenWeb
) -> None:
    config = own_settings.config
    brief = replace(config, database=replace(config.database, timeout_s=1.0))  # Motor's farewell
    async with open_context_on(replace(own_settings, config=brief), own_mongod) as ctx:
        alarm = make_ticker(ManualClock())
        ask = await open_web_server(ctx, alarm=alarm, web=BOTH, deadline_s=DEADLINE_S)
        await _wait_until_all_answer(ask)
        own_mongod.send(signal.SIGKILL)
        ctx.metrics.clock_steps.inc()
        await asyncio.sleep(1.1)
        await _require_unready(ask)
        await _require_own_metrics(ask)
        await _require_unavailable(ask)


async def _wait_until_all_answer(ask: HttpClient) -> None:
    """On a busy machine a read may take longer than the deadline."""
    await wait_until_ready(ask)
    async with asyncio.timeout(120):
        for path in (*PAGES, *READS):
            while (answer := await ask(path)).status != 200:
                assert answer.status == 503, path
            assert "does not answer" not in answer.text
        while "chesscoach_store_up 1.0" not in (await ask("/metrics")).text:
            pass


async def _require_unready(ask: HttpClient) -> None:
    ready = await ask("/readyz")
    several = [await ask("/healthz") for _ in range(5)]
    assert ready.status == 503
    mongodb = ready.body["dependencies"]["mongodb"]
    assert mongodb["ok"] is False
    assert mongodb["why"].startswith("MongoDB did")
    assert ready.took_s < 30
    assert {live.status for live in several} == {200}
    assert min(live.took_s for live in several) < 2, "MongoDB is not asked"


async def _require_own_metrics(ask: HttpClient) -> None:
    answer = await ask("/metrics")
    assert answer.took_s < 30
    for sample in ("store_up 0.0", "clock_steps_total 1.0", "scheduler_idle_seconds 0.0"):
        assert f"chesscoach_{sample}\n" in answer.text, sample
    assert 'chesscoach_schedules{state="active"}' not in answer.text


async def _require_unavailable(ask: HttpClient) -> None:
    """There is one limit for all queries of a request, and for those that wait for a turn."""
    answers = await asyncio.gather(*(ask(path) for path in READS * 2))
    for answer in answers:
        assert answer.status == 503
        assert "the database does not answer" in json.loads(answer.text)["detail"]
        assert answer.took_s < 15
    assert (await ask(f"{API}/jobs")).status == 200, "it needs no database"
    for path in PAGES:
        page = await _refused_page(ask, path)
        assert "does not answer" in page.text, path
        assert page.took_s < 15
    assert "What is below was read at" in (await ask("/")).text


async def _refused_page(ask: HttpClient, path: str) -> Answer:
    """A page that says so; one that is kept may be a few seconds old before."""
    async with asyncio.timeout(60):
        while (page := await ask(path)).status == 200:
            await asyncio.sleep(0.1)
    assert page.status == 503
    return page
