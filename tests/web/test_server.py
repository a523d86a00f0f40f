import asyncio
import json
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from chesscoach.config import ListenAddress, WebSettings
from chesscoach.context import Context
from chesscoach.errors import ListenError
from chesscoach.metrics import Metrics
from chesscoach.web.server import start_listener
from tests.web.conftest import OpenWeb

ANY_PORT = ListenAddress(host="127.0.0.1", port=0)


async def send_raw(url: str, request: bytes) -> str:
    """What comes back for these very bytes, until the other side hangs up."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        async with asyncio.timeout(30):
            return (await reader.read()).decode()
    finally:
        writer.close()
        await writer.wait_closed()


def requests(metrics: Metrics, listener: str, path: str, status: int) -> float | None:
    labels = {"listener": listener, "path": path, "status": str(status)}
    return metrics.registry.get_sample_value("chesscoach_http_requests_total", labels)


@pytest.fixture
async def small_server() -> AsyncIterator[tuple[str, Metrics]]:
    """A listener with a page that works, one that fails, and one that reads what it is sent."""

    async def fine(_: web.Request) -> web.Response:
        return web.json_response({})

    async def broken(_: web.Request) -> web.Response:
        raise OSError("mongodb://coach:hunter2@db.example/")

    async def reader(request: web.Request) -> web.Response:
        return web.json_response({"bytes": len(await request.read())})

    metrics = Metrics()
    routes = [web.get("/fine", fine), web.get("/broken", broken), web.post("/read", reader)]
    async with start_listener("public", ANY_PORT, routes, metrics) as url:
        yield url, metrics


async def test_no_answer_may_be_kept_or_names_versions(
    ctx: Context, open_web_server: OpenWeb
) -> None:
    ask = await open_web_server(ctx)
    for path in ("/healthz", "/readyz", "/metrics", "/nothing", "/"):
        answer = await ask(path)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Server"] == "chesscoach"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "aiohttp" not in str(answer.headers) + answer.text


async def test_other_paths_are_a_404_and_other_methods_a_405_in_json(
    ctx: Context, open_web_server: OpenWeb
) -> None:
    ask = await open_web_server(ctx)
    for path in ("/nothing", "/healthz/nothing", "/healthz/", "/%2e%2e/etc/passwd", "/healthz%00"):
        answer = await ask(path)
        assert (answer.status, answer.body) == (404, {"error": "not found"}), path
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        for path in ("/healthz", "/readyz", "/metrics"):
            answer = await ask(path, method=method)
            assert (answer.status, answer.body) == (405, {"error": "method not allowed"})
            assert answer.headers["Allow"] == "GET,HEAD"
    head = await ask("/healthz", method="HEAD")
    assert (head.status, head.text) == (200, "")


async def test_metrics_are_for_the_operators_alone(ctx: Context, open_web_server: OpenWeb) -> None:
    assert (await (await open_web_server(ctx))("/metrics", "public")).status == 404


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /fine HTTP/9.9\r\n\r\n",
        b"GET /fine HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /fine HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
        b"GET /fine HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 100 + b"\r\n",
    ],
    ids=["tls", "odd version", "no colon", "long line", "long header", "many headers"],
)
async def test_what_cannot_be_read_is_a_400_in_json_and_counted(
    small_server: tuple[str, Metrics], capsys: pytest.CaptureFixture[str], request_bytes: bytes
) -> None:
    url, metrics = small_server
    capsys.readouterr()

    text = await send_raw(url, request_bytes)

    head, _, body = text.partition("\r\n\r\n")
    assert " 400 " in head.splitlines()[0]
    assert json.loads(body) == {"error": "bad request"}
    assert "Server: chesscoach\r\n" in head
    assert "aiohttp" not in head
    assert requests(metrics, "public", "other", 400) == 1
    assert capsys.readouterr().out == "", "nobody fills the log from outside"


async def test_a_page_that_fails_is_a_500_without_details_and_a_log_line(
    small_server: tuple[str, Metrics], capsys: pytest.CaptureFixture[str]
) -> None:
    url, metrics = small_server
    capsys.readouterr()
    async with aiohttp.ClientSession() as session, session.get(f"{url}/broken") as reply:
        assert (reply.status, await reply.json()) == (500, {"error": "internal server error"})
        assert reply.headers["Cache-Control"] == "no-store"

    (line,) = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert (line["event"], line["error"]) == ("request_failed", "OSError")
    assert "hunter2" not in json.dumps(line)
    assert requests(metrics, "public", "/broken", 500) == 1


async def test_requests_are_counted_by_route_whatever_was_asked_for(
    small_server: tuple[str, Metrics], capsys: pytest.CaptureFixture[str]
) -> None:
    url, metrics = small_server
    capsys.readouterr()
    async with aiohttp.ClientSession() as session:
        for path in ("/fine", "/fine?user=ann", "/ann", "/bob"):
            async with session.get(url + path):
                pass
        async with session.post(f"{url}/fine"):
            pass

    assert requests(metrics, "public", "/fine", 200) == 2
    assert requests(metrics, "public", "other", 404) == 2
    assert requests(metrics, "public", "other", 405) == 1
    assert capsys.readouterr().out == "", "and not logged"


async def test_a_body_that_is_too_large_is_refused(small_server: tuple[str, Metrics]) -> None:
    url, metrics = small_server
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}/read", data=b"a" * 1000) as reply:
            assert await reply.json() == {"bytes": 1000}
        async with session.post(f"{url}/read", data=b"a" * 2**17) as reply:
            assert reply.status == 413
            assert "error" in await reply.json()
    assert requests(metrics, "public", "/read", 413) == 1


async def test_closing_does_not_wait_for_idle_connections() -> None:
    loop = asyncio.get_running_loop()
    took_s = []
    for _ in range(3):  # a busy machine may be slow once
        async with aiohttp.ClientSession() as session:
            async with start_listener("public", ANY_PORT, [], Metrics()) as url:
                async with session.get(url):
                    pass
                host, port = url.removeprefix("http://").split(":")
                _, silent = await asyncio.open_connection(host, int(port))
                begun = loop.time()
            took_s.append(loop.time() - begun)
            silent.close()
            await silent.wait_closed()
    assert min(took_s) < 2, "a request in progress would be waited for three seconds"


async def test_closing_lets_a_response_in_progress_finish() -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        asked.set()
        await go.wait()
        return web.json_response({"done": True})

    async with aiohttp.ClientSession() as session:
        async with start_listener("public", ANY_PORT, [web.get("/slow", slow)], Metrics()) as url:
            reply = asyncio.ensure_future(session.get(f"{url}/slow"))
            await asked.wait()
            asyncio.get_running_loop().call_later(0.1, go.set)
        assert await (await reply).json() == {"done": True}


async def test_a_free_port_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    async with start_listener("admin", ANY_PORT, [], Metrics()) as url:
        line = json.loads(capsys.readouterr().out.splitlines()[-1])

    assert (line["event"], line["listener"], line["urls"]) == ("web_listening", "admin", [url])
    assert not url.endswith(":0")


async def test_an_ipv6_address_stands_in_brackets() -> None:
    listening = start_listener("admin", ListenAddress(host="::1", port=0), [], Metrics())
    if not has_ipv6():  # then it is an address like any other that cannot be had
        with pytest.raises(ListenError, match=r"web.admin: \[::1\]:0 "):
            await listening.__aenter__()
        return
    async with listening as url, aiohttp.ClientSession() as session, session.get(url) as reply:
        assert url.startswith("http://[::1]:")
        assert reply.status == 404


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


async def test_an_address_in_use_names_the_setting(ctx: Context, open_web_server: OpenWeb) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ListenError) as caught:
            await open_web_server(ctx, web=WebSettings(admin="127.0.0.1:0", public=address))

    assert str(caught.value).startswith(
        f"web.public: {address} is in use by another process; set [web] public"
    )


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (ListenAddress(host="192.0.2.1", port=0), "is not an address of this machine"),
        (ListenAddress(host="no.such.host.invalid", port=0), "has an unknown host"),
    ],
)
async def test_an_unusable_address_is_reported_with_the_reason(
    address: ListenAddress, why: str
) -> None:
    with pytest.raises(ListenError, match=why):
        async with start_listener("admin", address, [], Metrics()):
            pytest.fail("it listens")


async def test_an_empty_address_is_not_listened_on(ctx: Context, open_web_server: OpenWeb) -> None:
    ask = await open_web_server(ctx, web=WebSettings(admin="", public="127.0.0.1:0"))
    assert list(ask.urls) == ["public"]
    assert (await open_web_server(ctx, web=WebSettings(admin="", public=""))).urls == {}
    assert list((await open_web_server(ctx, web=WebSettings(admin="127.0.0.1:0"))).urls) == [
        "admin"
    ]
