import json
import signal
import socket

import aiohttp

from tests.support.processes import kill, line_with, run, start


async def test_the_listeners_run_without_the_daemon_until_a_signal(
    environment: dict[str, str],
) -> None:
    process = await start(environment, "chesscoach.cli", "web")
    (url,) = (await line_with(process, "web_listening"))["urls"]
    async with aiohttp.ClientSession() as session:
        for path in ("/healthz", "/readyz", "/metrics"):
            async with session.get(url + path) as reply:
                assert reply.status == 200

        done = await kill(process, signal.SIGTERM)

    assert (done.code, done.err) == (0, "")


async def test_an_address_in_use_is_one_line_and_code_1(environment: dict[str, str]) -> None:
    for args in (("chesscoach.cli", "web"), ("chesscoach",)):
        await run(environment, "chesscoach.cli", "db", "init")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            done = await run({**environment, "CHESSCOACH_WEB__ADMIN": address}, *args)

        assert done.code == 1
        assert len(done.err.splitlines()) == 1
        assert f"web.admin: {address} is in use" in done.err
        last = json.loads(done.out.splitlines()[-1])
        assert (last["event"], "exception" in last) == ("startup_failed", False)


async def test_with_nothing_to_listen_on_it_says_so(environment: dict[str, str]) -> None:
    done = await run({**environment, "CHESSCOACH_WEB__ADMIN": ""}, "chesscoach.cli", "web")

    assert done.code == 2
    assert "web: neither admin nor public is set" in done.err
