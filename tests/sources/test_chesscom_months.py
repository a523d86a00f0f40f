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
    fixed_response,
    make_game,
    open_chesscom,
    open_fake_chesscom,
    parse_games,
    world_of,
)
from tests.support.sources.server import (
    Handler,
    http_server,
)

# How a month is asked for


async def test_a_month_comes_with_its_etag() -> None:
    etag = 'W/"59035ea262f2b14549892c7ed8166109"'
    async with (
        http_server(fixed_response({"games": [make_game()]}, headers={"ETag": etag})) as url,
        open_chesscom(url) as source,
    ):
        month = await source.month("annrook", "2026-03", None)

    assert (month.changed, month.etag, len(month.games)) == (True, etag, 1)


async def test_a_month_without_an_etag_has_none() -> None:
    assert (await parse_games()).etag is None


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

    assert echoed == [[], [etag]]
    assert second == ArchiveMonth(changed=False, etag=etag)


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


async def test_the_address_has_the_month_in_two_digits() -> None:
    world = world_of("Ann")
    async with open_fake_chesscom(world) as (stand_in, source):
        await source.month("ann", "2026-03", None)

    assert [seen.path for seen in stand_in.requests] == ["/pub/player/ann/games/2026/03"]


async def test_a_redirect_is_a_bad_reply_and_not_followed() -> None:
    asked = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        raise web.HTTPMovedPermanently("/elsewhere")

    async with http_server(handler) as url, open_chesscom(url) as source:
        with pytest.raises(BadResponse) as caught:
            await source.month("annrook", "2026-03", None)

    assert asked == ["/player/annrook/games/2026/03"]
    assert not caught.value.permanent


# 404 in its three meanings


async def test_a_404_for_want_of_the_player_says_that_he_is_missing() -> None:
    reply = {"code": 0, "message": 'User "nosuchuser" not found.'}
    async with http_server(fixed_response(reply, status=404)) as url, open_chesscom(url) as source:
        with pytest.raises(AccountNotFound) as caught:
            await source.month("nosuchuser", "2026-03", None)

    assert caught.value.permanent


async def test_a_404_for_an_internal_error_says_nothing_of_the_player() -> None:
    text = "An internal error has occurred. Please contact Chess.com Developer's Forum for help"
    handler = fixed_response({"code": 0, "message": text}, status=404)
    async with http_server(handler) as url, open_chesscom(url) as source:
        with pytest.raises(SourceError) as caught:
            await source.month("annrook", "2026-03", None)

    assert type(caught.value) is BadResponse
    assert not caught.value.permanent


async def test_a_404_for_a_month_that_has_not_come_is_an_empty_month() -> None:
    handler = fixed_response({"code": 0, "message": "Date cannot be set in the future"}, status=404)
    async with http_server(handler) as url, open_chesscom(url) as source:
        assert await source.month("annrook", "2026-03", None) == ArchiveMonth(changed=True)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"{}",
        b"[]",
        b'{"code":0,"message":"Data provider not found"}',
        b'{"code":0,"message":null}',
        b"<!DOCTYPE html><html>User page not found</html>",
        b"[" * 60_000,
        b'{"message":"' + b"User x not found " * 10_000 + b'"}',
    ],
)
async def test_any_other_404_says_nothing_of_the_player(reply: bytes) -> None:
    async with http_server(fixed_response(reply, status=404)) as url, open_chesscom(url) as source:
        with pytest.raises(BadResponse):
            await source.month("annrook", "2026-03", None)


async def test_a_month_that_will_never_have_anything_is_an_empty_month() -> None:
    async with (
        http_server(fixed_response(b"gone", status=410)) as url,
        open_chesscom(url) as source,
    ):
        assert await source.month("annrook", "2026-03", None) == ArchiveMonth(
            changed=True, gone=True
        )


@pytest.mark.parametrize("status", [204, 206, 302, 400, 401, 418])
async def test_another_status_is_a_bad_reply(status: int) -> None:
    async with http_server(fixed_response(b"", status=status)) as url, open_chesscom(url) as source:
        with pytest.raises(BadResponse):
            await source.month("annrook", "2026-03", None)


# The profile of a player whose months are not found


def profile_only(profile: Any, *, status: int = 200, location: str = "") -> Handler:
    """Months are not found; this is what there is of the profile."""
    missing = {"code": 0, "message": 'User "annrook" not found.'}
    months = fixed_response(missing, status=404)
    about = fixed_response(
        profile, status=status, headers={"Location": location} if location else None
    )

    async def handler(request: web.Request) -> web.StreamResponse:
        return await (months if "/games/" in request.path else about)(request)

    return handler


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
        ({"message": 'User "annrook" not found.'}, 404, AccountNotFound),
        (b"404: Not Found", 404, AccountNotFound),
        (b"", 410, AccountNotFound),
        ({"message": "An internal error has occurred."}, 404, BadResponse),
        (b"", 400, BadResponse),
    ],
)
async def test_the_profile_says_why_the_months_are_not_found(
    profile: Any, status: int, error: type[SourceError]
) -> None:
    async with (
        http_server(profile_only(profile, status=status)) as url,
        open_chesscom(url) as source,
    ):
        with pytest.raises(SourceError) as caught:
            await source.month("annrook", "2026-03", None)

    assert type(caught.value) is error
    assert "annette" not in str(caught.value).lower(), "what a site says is not logged"


async def test_a_profile_that_is_elsewhere_is_a_new_name() -> None:
    handler = profile_only(b"", status=301, location="/pub/player/annette")
    async with http_server(handler) as url, open_chesscom(url) as source:
        with pytest.raises(AccountRenamed) as caught:
            await source.month("annrook", "2026-03", None)

    assert caught.value.name == "annette"


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


async def test_the_faults_of_the_stand_in_are_told_apart() -> None:
    world = world_of("Ann", ENDED)
    async with open_fake_chesscom(world) as (stand_in, source):
        stand_in.faults.extend(["internal", "cut", None])
        with pytest.raises(BadResponse):
            await source.month("ann", "2026-03", None)
        with pytest.raises(StreamTruncated):
            await source.month("ann", "2026-03", None)
        assert len((await source.month("ann", "2026-03", None)).games) == 1
        with pytest.raises(AccountNotFound):
            await source.month("nobody", "2026-03", None)
        assert await source.month("ann", "2999-01", None) == ArchiveMonth(changed=True)
