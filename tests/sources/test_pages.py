"""A page of HTML comes from something before the source, whatever its status."""

import pytest
from aiohttp import web

from chesscoach.errors import AccountRenamed, BadResponse, SourceError, SourceUnavailable
from tests.support.sources.chesscom_months import fixed_response, open_chesscom
from tests.support.sources.lichess_exports import open_lichess
from tests.support.sources.server import InMemoryLane, fetch_body, http_server, open_client

PAGE = "<!DOCTYPE html><html><title>Sign in to the network</title></html>"
STATUSES = (200, 302, 400, 401, 404, 407, 410, 451, 500, 503, 511)


@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=utf-8", "application/xhtml+xml"])
@pytest.mark.parametrize("status", STATUSES)
async def test_a_page_is_a_failure_of_the_source_whatever_its_status(
    status: int, kind: str
) -> None:
    handler = fixed_response(PAGE, status=status, headers={"Content-Type": kind})
    lane = InMemoryLane()
    async with http_server(handler) as url, open_client(url, lane) as client:
        for _ in range(2):
            with pytest.raises(BadResponse) as caught:
                await fetch_body(client)
            assert caught.value.source_wide
        with pytest.raises(SourceUnavailable):
            await fetch_body(client)

    assert len(lane.closed) == 1
    assert client.answered == 0


async def test_a_403_with_a_page_opens_the_breaker() -> None:
    lane = InMemoryLane()
    handler = fixed_response(PAGE, status=403, headers={"Content-Type": "text/html"})
    async with http_server(handler) as url, open_client(url, lane) as client:
        with pytest.raises(SourceUnavailable):
            await fetch_body(client)

    assert len(lane.closed) == 1


@pytest.mark.parametrize("status", [404, 410, 401])
@pytest.mark.parametrize("month_status", [404, None])
async def test_a_page_says_nothing_of_a_player_or_a_month(
    status: int, month_status: int | None
) -> None:
    """As the response to a month, and as that to the profile of a player who was not found."""
    page = fixed_response(PAGE, status=status, headers={"Content-Type": "text/html"})
    missing = fixed_response({"message": 'User "annrook" not found.'}, status=404)

    async def handler(request: web.Request) -> web.StreamResponse:
        is_month = "/games/" in request.path
        return await (missing if is_month and month_status else page)(request)

    async with http_server(handler) as url, open_chesscom(url) as source:
        with pytest.raises(SourceError) as caught:
            await source.month("annrook", "2026-03", None)

    assert type(caught.value) is BadResponse
    assert caught.value.source_wide


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("month_status", [404, None])
@pytest.mark.parametrize("kind", ["application/json", "application/octet-stream", "text/plain"])
async def test_a_page_that_does_not_say_so_says_nothing_of_a_player_or_a_month(
    kind: str, status: int, month_status: int | None
) -> None:
    page = fixed_response("\n" + PAGE, status=status, headers={"Content-Type": kind})
    missing = fixed_response({"message": 'User "annrook" not found.'}, status=404)

    async def handler(request: web.Request) -> web.StreamResponse:
        is_month = "/games/" in request.path
        return await (missing if is_month and month_status else page)(request)

    async with http_server(handler) as url, open_chesscom(url) as source:
        with pytest.raises(SourceError) as caught:
            await source.month("annrook", "2026-03", None)

    assert type(caught.value) is BadResponse


@pytest.mark.parametrize("status", [404, 410])
async def test_a_page_says_nothing_of_the_players_of_lichess(status: int) -> None:
    page = fixed_response(PAGE, status=status, headers={"Content-Type": "text/html"})
    async with http_server(page) as url, open_lichess(url) as source:
        with pytest.raises(BadResponse) as caught:
            await source.players(["annrook"])

    assert caught.value.source_wide


async def test_a_redirect_of_the_source_is_a_new_name_though_it_comes_with_a_page() -> None:
    headers = {"Content-Type": "text/html", "Location": "/player/annette/games/2026/03"}
    handler = fixed_response(PAGE, status=301, headers=headers)
    async with http_server(handler) as url, open_chesscom(url) as source:
        with pytest.raises(AccountRenamed) as caught:
            await source.month("annrook", "2026-03", None)

    assert caught.value.name == "annette"


@pytest.mark.parametrize(
    "location",
    ["http://portal.example/player/annette", "//portal.example/player/annette", "http://[", ""],
)
async def test_a_redirect_to_another_host_with_a_page_is_a_failure_of_the_source(
    location: str,
) -> None:
    headers = {"Content-Type": "text/html", "Location": location}
    handler = fixed_response(PAGE, status=302, headers=headers)
    async with http_server(handler) as url, open_chesscom(url) as source:
        with pytest.raises(BadResponse) as caught:
            await source.month("annrook", "2026-03", None)

    assert caught.value.source_wide


async def test_a_304_has_no_page_though_its_header_says_so() -> None:
    handler = fixed_response(b"", status=304, headers={"Content-Type": "text/html"})
    async with http_server(handler) as url, open_chesscom(url) as source:
        month = await source.month("annrook", "2026-03", '"e"')

    assert (month.changed, month.etag) == (False, '"e"')


async def test_a_304_that_was_not_asked_for_is_no_month_without_games() -> None:
    async with http_server(fixed_response(b"", status=304)) as url, open_chesscom(url) as source:
        with pytest.raises(BadResponse):
            await source.month("annrook", "2026-03", None)


@pytest.mark.parametrize("status", [401, 407])
async def test_a_demand_for_a_login_is_a_failure_of_the_source(status: int) -> None:
    handler = fixed_response({"error": "No such token"}, status=status)
    async with http_server(handler) as url, open_chesscom(url) as source:
        with pytest.raises(BadResponse) as caught:
            await source.month("annrook", "2026-03", None)

    assert caught.value.source_wide
    assert source.client.troubles == {str(status): 1}
