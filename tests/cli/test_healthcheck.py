import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from chesscoach.config import ListenAddress
from chesscoach.metrics import Metrics
from chesscoach.web.server import start_listener
from tests.support.processes import FinishedProcess, run

UNUSED_URL = "127.0.0.1:1"


async def run_healthcheck(environment: dict[str, str], *args: str) -> FinishedProcess:
    done = await run(environment, "chesscoach.cli", "healthcheck", *args)
    assert len((done.out + done.err).splitlines()) == 1, done
    return done


@asynccontextmanager
async def health_server(live: int = 200, ready: int = 200) -> AsyncIterator[str]:
    """What answers as a process of ours; gives its `host:port`."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"healthy": live == 200}, status=live)

    async def readyz(_: web.Request) -> web.Response:
        return web.json_response({"ready": ready == 200}, status=ready)

    routes = [web.get("/healthz", healthz), web.get("/readyz", readyz)]
    async with start_listener(
        "admin", ListenAddress(host="127.0.0.1", port=0), routes, Metrics()
    ) as url:
        yield url.removeprefix("http://")


@pytest.mark.parametrize(
    ("args", "code", "answer"),
    [
        ((), 0, '/healthz: 200 {"healthy": true}'),
        (("--ready",), 1, '/readyz: 503 {"ready": false}'),
    ],
)
async def test_its_code_is_0_if_all_is_well_and_it_prints_the_answer(
    args: tuple[str, ...], code: int, answer: str
) -> None:
    async with health_server(ready=503) as address:
        done = await run_healthcheck({"CHESSCOACH_WEB__ADMIN": address}, *args)

    assert done.code == code
    assert (done.err if code else done.out) == f"http://{address}{answer}\n"


async def test_it_asks_the_public_listener_where_there_is_one() -> None:
    async with health_server() as address:
        anywhere = f"0.0.0.0:{address.rpartition(':')[2]}"
        environment = {"CHESSCOACH_WEB__ADMIN": UNUSED_URL, "CHESSCOACH_WEB__PUBLIC": anywhere}
        done = await run_healthcheck(environment)

    assert done.code == 0
    assert address in done.out, "0.0.0.0 is listened on, and asked as 127.0.0.1"


async def test_url_option_asks_another_process() -> None:
    async with health_server(ready=503) as address:
        environment = {"CHESSCOACH_WEB__ADMIN": UNUSED_URL}
        assert (await run_healthcheck(environment, "--url", f"http://{address}")).code == 0
        assert (
            await run_healthcheck(environment, "--url", f"http://{address}/", "--ready")
        ).code == 1
        assert (await run_healthcheck(environment, "--url", f"http://{address}/readyz")).code == 1
        assert (await run_healthcheck(environment, "--url", f"http://{address}/nothing")).code == 1


async def test_without_a_listener_it_exits_with_1() -> None:
    done = await run_healthcheck({"CHESSCOACH_WEB__ADMIN": UNUSED_URL})

    assert done.code == 1
    assert done.err == "http://127.0.0.1:1/healthz: ConnectionRefusedError\n"


async def test_healthcheck_waits_three_seconds_at_most() -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = loop.time()
        done = await run_healthcheck(
            {"CHESSCOACH_WEB__ADMIN": f"127.0.0.1:{silent.getsockname()[1]}"}
        )

    assert done.code == 1
    assert "no response within 3 s" in done.err or "TimeoutError" in done.err
    assert loop.time() - begun > 2.5


@pytest.mark.parametrize(
    ("environment", "args", "said"),
    [
        ({"CHESSCOACH_WEB__ADMIN": "127.0.0.1:0"}, (), "web.admin: port 0 is any free port"),
        ({"CHESSCOACH_WEB__ADMIN": ""}, (), "web: neither admin nor public is set"),
        ({"CHESSCOACH_WEB__ADMIN": "nonsense"}, (), "web.admin: expected host:port"),
        ({}, ("--url", "ftp://planted:planted@x/"), "--url: expected http://host:port"),
        ({}, ("--url", "127.0.0.1:8080"), "--url: expected http://host:port"),
        ({}, ("--url", "http://[::1"), "--url: expected http://host:port"),
        ({}, ("--url", "http://x:99999"), "--url: expected http://host:port"),
        ({}, ("--config", "nowhere.toml"), "nowhere.toml: no such file"),
    ],
)
async def test_an_invalid_url_exits_with_1_too(
    environment: dict[str, str], args: tuple[str, ...], said: str
) -> None:
    done = await run_healthcheck(environment, *args)

    assert done.code == 1
    assert said in done.err
    assert "planted" not in done.err


async def test_it_is_listed_among_the_commands() -> None:
    listed = await run({}, "chesscoach.cli", "--help")
    helped = await run({}, "chesscoach.cli", "healthcheck", "--help")

    assert "healthcheck" in listed.out
    assert "web " in listed.out
    assert "chesscoach healthcheck [OPTIONS]" in helped.out


def test_healthcheck_imports_neither_the_database_nor_a_server() -> None:
    code = "import sys, chesscoach.cli, chesscoach.cli.healthcheck; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert not {"motor", "pymongo", "aiohttp", "structlog", "rich"} & set(done.stdout.split())
