"""The sources behind a proxy, which the environment names."""

from typing import Any

from aiohttp import web
from msgspec.structs import replace

from chesscoach.config import Settings
from chesscoach.config.proxies import Proxies
from chesscoach.context import open_context
from tests.support.sources.server import Handler, http_server


def proxy_handler(seen: list[tuple[str, str, str | None]]) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        asked = request.headers["Host"], request.path, request.headers.get("Proxy-Authorization")
        seen.append(asked)
        return web.json_response([] if request.path == "/api/users" else {"games": []})

    return handler


def behind_proxy(settings: Settings, proxies: Proxies, *, used: bool, base_url: str) -> Settings:
    sources = settings.config.sources
    sources = replace(
        sources,
        contact="tests@example.org",
        use_environment_proxy=used,
        lichess=replace(sources.lichess, base_url=base_url),
        chesscom=replace(sources.chesscom, base_url=f"{base_url}/pub"),
    )
    return replace(
        settings,
        config=replace(settings.config, sources=sources),
        process=replace(settings.process, proxies=proxies),
    )


async def ask_both(settings: Settings) -> None:
    async with open_context(settings) as ctx, ctx.leases.renewing():
        async with ctx.lichess.client.lane.acquire({}):
            await ctx.lichess.players(["ann"])
        async with ctx.chesscom.client.lane.acquire({}):
            await ctx.chesscom.month("ann", "2026-03", None)


async def test_both_sources_are_asked_through_the_proxy_of_the_environment(
    settings: Settings, db: Any
) -> None:
    seen: list[tuple[str, str, str | None]] = []
    async with http_server(proxy_handler(seen)) as url:
        proxies = Proxies(http=url.replace("http://", "http://user:word@"))
        host = "http://source.invalid"
        await ask_both(behind_proxy(settings, proxies, used=True, base_url=host))

    assert seen == [
        ("source.invalid", "/api/users", "Basic dXNlcjp3b3Jk"),
        ("source.invalid", "/pub/player/ann/games/2026/03", "Basic dXNlcjp3b3Jk"),
    ]


async def test_a_host_in_no_proxy_is_asked_directly_and_so_is_all_without_the_setting(
    settings: Settings, db: Any
) -> None:
    seen: list[tuple[str, str, str | None]] = []
    async with http_server(proxy_handler(seen)) as url:
        nowhere = "http://127.0.0.1:9"
        for proxies, used in (
            (Proxies(http=nowhere, no="localhost,127.0.0.1"), True),
            (Proxies(http=nowhere), False),
        ):
            await ask_both(behind_proxy(settings, proxies, used=used, base_url=url))

    assert len(seen) == 4
