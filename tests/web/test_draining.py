import asyncio
import signal

import aiohttp

from chesscoach.config import Settings
from tests.conftest import FakeSites
from tests.support.processes import line_with, start, wait_for_end
from tests.support.scheduling import EVERY_TWO_SECONDS
from tests.support.sync.sync_members import add_member
from tests.web.conftest import OwnMongod, open_context_on


async def test_the_daemon_answers_until_it_has_drained_also_while_mongodb_hangs(
    environment: dict[str, str], own_settings: Settings, own_mongod: OwnMongod, sites: FakeSites
) -> None:
    async with open_context_on(own_settings, own_mongod) as ctx:
        for number in range(40):
            await add_member(ctx, None, sites, f"P{number}", "chess.com")
    sites.chesscom.delay_s = 0.3
    both = {"MONGO_URL": own_mongod.url, "CHESSCOACH_WEB__PUBLIC": "127.0.0.1:0"}
    daemon = await start({**environment, **EVERY_TWO_SECONDS, **both}, "chesscoach")
    urls = [(await line_with(daemon, "web_listening"))["urls"][0] for _ in range(2)]
    await line_with(daemon, "job_started")

    async with aiohttp.ClientSession() as session:

        async def ask(url: str, path: str) -> tuple[int, str]:
            async with session.get(url + path) as reply:
                return reply.status, (await reply.json())["state"]

        for url in urls:
            assert await ask(url, "/healthz") == (200, "working")
            async with asyncio.timeout(30):
                while await ask(url, "/readyz") != (200, "working"):
                    await asyncio.sleep(0.1)
        own_mongod.send(signal.SIGSTOP)  # what is under way cannot be recorded, nor come to its end
        daemon.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            while (await ask(urls[0], "/healthz"))[1] != "draining":
                await asyncio.sleep(0.05)

        for url in urls:
            assert await ask(url, "/healthz") == (200, "draining")
            assert await ask(url, "/readyz") == (503, "draining")
        assert daemon.returncode is None
        own_mongod.send(signal.SIGCONT)
        done = await wait_for_end(daemon)

    assert done.code == 0
    assert [line["event"] for line in done.lines[-2:]] == ["scheduler_stopped", "daemon_stopped"]
