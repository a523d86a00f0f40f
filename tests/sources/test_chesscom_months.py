"""How a month of Chess.com is asked for, and what its response says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from chesscoach.errors import (
    AccountClosed,
    AccountNotFound,
    AccountRenamed,
    BadResponse,
    SourceError,
    StreamTruncated,
)
from chesscoach.sources.archive_month import ArchiveMonth
from tests.support.sources.chesscom_months import (
    ENDED,
    FAMOUS,
    fetch_month,
    fixed_response,
    make_game,
    month_error,
    open_chesscom,
    open_fake_chesscom,
    profile_only,
    world_of,
)
from tests.support.sources.server import http_server

# How a month is asked for


@pytest.mark.parametrize("etag", ['W/"59035ea262f2b145"', '"strong"', "W/unquoted", 'w/"odd"'])
async def test_an_etag_is_echoed_as_it_came_and_a_304_is_no_change(etag: str) -> None:
    echoed = []

    async def handler(request: web.Request) -> web.StreamResponse:
        echoed.append(request.headers.getall("If-None-Match", []))
        known = request.headers.get("If-None-Match") == etag
        if known:
            return web.Response(status=304)
        return web.json_response({"games": [make_game()]}, headers={"ETag": etag})

    async with http_server(handler) as url, open_chesscom(url) as source:
        first = await source.month("annrook", "2026-03", None)
        second = await source.month("annrook", "2026-03", first.etag)

    assert (first.changed, first.etag, len(first.games)) == (True, etag, 1)
    assert echoed == [[], [etag]]
    assert second == ArchiveMonth(changed=False, etag=etag)


async def test_a_month_without_an_etag_has_none() -> None:
    assert (await fetch_month(fixed_response({"games": []}))).etag is None


async def test_a_304_leaves_the_connection_in_use() -> None:
    connections = set()

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        connections.add(request.transport.get_extra_info("peername"))
        return web.Response(status=304)

    async with http_server(handler) as url, open_chesscom(url) as source:
        for _ in range(3):
            await source.month("annrook", "2026-03", 'W/"1"')

    assert len(connections) == 1


async def test_a_redirect_is_a_bad_response_and_not_followed() -> None:
    asked = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        raise web.HTTPMovedPermanently("/elsewhere")

    error = await month_error(handler)

    assert asked == ["/player/annrook/games/2026/03"], "the month has two digits"
    assert type(error) is BadResponse
    assert not error.permanent


# What a status means


def missing(message: object) -> dict[str, Any]:
    return {"code": 0, "message": message}


INTERNAL_ERROR = missing("An internal error has occurred. Please contact Chess.com's Forum")
NO_MONTH: dict[str, tuple[int, Any, type[SourceError]]] = {
    "the player is missing": (404, missing('User "annrook" not found.'), AccountNotFound),
    "an internal error": (404, INTERNAL_ERROR, BadResponse),
    "another message": (404, missing("Data provider not found"), BadResponse),
    "a message that is null": (404, missing(None), BadResponse),
    "no message": (404, b"{}", BadResponse),
    "no object": (404, b"[]", BadResponse),
    "no body": (404, b"", BadResponse),
    "a page": (404, b"<!DOCTYPE html><html>User page not found</html>", BadResponse),
    "nested too deep": (404, b"[" * 60_000, BadResponse),
    "too long": (404, missing("User x not found " * 10_000), BadResponse),
    **{
        f"the status {status}": (status, b"", BadResponse)
        for status in (204, 206, 302, 400, 401, 418)
    },
}


@pytest.mark.parametrize(("status", "body", "error"), NO_MONTH.values(), ids=NO_MONTH.keys())
async def test_a_response_without_a_month_is_an_error(
    status: int, body: Any, error: type[SourceError]
) -> None:
    raised = await month_error(fixed_response(body, status=status))

    assert type(raised) is error
    assert raised.permanent is (error is AccountNotFound)


@pytest.mark.parametrize(
    ("status", "body", "month"),
    [
        (404, missing("Date cannot be set in the future"), ArchiveMonth(changed=True)),
        (410, b"gone", ArchiveMonth(changed=True, gone=True)),
    ],
)
async def test_a_month_that_has_not_come_or_is_gone_is_an_empty_month(
    status: int, body: Any, month: ArchiveMonth
) -> None:
    assert await fetch_month(fixed_response(body, status=status)) == month


# The profile of a player whose months are not found


@pytest.mark.parametrize(
    ("profile", "status", "error"),
    [
        ({"username": "annrook", "status": "closed"}, 200, AccountClosed),
        ({"username": "annrook", "status": "closed:fair_play_violations"}, 200, AccountClosed),
        ({"username": "Annette", "status": "premium"}, 200, AccountRenamed),
        ({"username": "AnnRook", "status": "basic"}, 200, BadResponse),
        ({}, 200, BadResponse),
        (b"[]", 200, BadResponse),
        (b"not json", 200, BadResponse),
        ({"username": 7}, 200, BadResponse),
        (b"404: Not Found", 404, AccountNotFound),
        (b"", 410, AccountNotFound),
        (INTERNAL_ERROR, 404, BadResponse),
        (b"", 400, BadResponse),
    ],
)
async def test_the_profile_says_why_the_months_are_not_found(
    profile: Any, status: int, error: type[SourceError]
) -> None:
    raised = await month_error(profile_only(fixed_response(profile, status=status)))

    assert type(raised) is error
    assert "annette" not in str(raised).lower(), "what a source says is not logged"


async def test_a_profile_that_is_elsewhere_is_a_new_name() -> None:
    elsewhere = fixed_response(b"", status=301, headers={"Location": "/pub/player/annette"})
    error = await month_error(profile_only(elsewhere))

    assert isinstance(error, AccountRenamed)
    assert error.name == "annette"


# Against the stand-in


async def test_the_games_that_ended_in_a_month_come_in_their_order() -> None:
    inside = [ENDED - timedelta(days=1), ENDED, datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)]
    world = world_of("Ann", ENDED, *inside[::2], datetime(2026, 4, 1, tzinfo=UTC))
    async with open_fake_chesscom(world) as (_, source):
        march = await source.month("ann", "2026-03", None)
        april = await source.month("ann", "2026-04", None)
        may = await source.month("ann", "2026-05", None)

    assert [game.ended_at for game in march.games] == inside
    assert len(april.games) == 1
    assert may.games == ()
    assert march.unreadable == ()
    assert all(game.plies == len(FAMOUS.moves.split()) for game in march.games)
    assert all(game.result == FAMOUS.result for game in march.games)


async def test_a_month_is_sent_again_only_when_it_has_changed() -> None:
    world = world_of("Ann", ENDED)
    async with open_fake_chesscom(world) as (stand_in, source):
        first = await source.month("ann", "2026-03", None)
        same = await source.month("ann", "2026-03", first.etag)
        world.add_game("chess.com", "Ann", ENDED + timedelta(hours=1), famous=FAMOUS)
        more = await source.month("ann", "2026-03", first.etag)

    assert same == ArchiveMonth(changed=False, etag=first.etag)
    assert more.changed
    assert more.etag != first.etag
    assert [game.external_id for game in more.games][:1] == [first.games[0].external_id]
    assert len(more.games) == 2
    assert [seen.status for seen in stand_in.requests] == [200, 304, 200]


async def test_the_faults_of_the_stand_in_are_different_errors() -> None:
    world = world_of("Ann", ENDED)
    async with open_fake_chesscom(world) as (stand_in, source):
        stand_in.faults.extend(["internal", "cut", None])
        with pytest.raises(BadResponse):
            await source.month("ann", "2026-03", None)
        with pytest.raises(StreamTruncated):
            await source.month("ann", "2026-03", None)
        assert len((await source.month("ann", "2026-03", None)).games) == 1
        with pytest.raises(AccountNotFound):
            await source.month("unknown", "2026-03", None)
        assert await source.month("ann", "2999-01", None) == ArchiveMonth(changed=True)
