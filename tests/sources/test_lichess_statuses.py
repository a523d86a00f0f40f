import json
from typing import Any

import pytest

from chesscoach.errors import BadResponse, SourceError
from chesscoach.sources.lichess import MAX_BULK_NAMES, Lichess
from chesscoach.sources.lichess_status import LichessStatus
from tests.conftest import NOON
from tests.support.sources.lichess_exports import (
    BORN,
    FAMOUS,
    MISSING,
    fixed_response,
    open_fake_lichess,
    open_lichess,
    unix_ms,
    world_of,
)
from tests.support.sources.server import (
    InMemoryLane,
    http_server,
    open_client,
    scripted_responses,
)

# Who has news


async def test_accounts_are_asked_about_in_bulk_and_those_unknown_are_absent() -> None:
    world = world_of("Ann", "BOB", "Cat")
    world.players["lichess"]["bob"].closed = True
    world.players["lichess"]["cat"].title = "BOT"
    world.add_game("lichess", "Ann", NOON, famous=FAMOUS)

    async with open_fake_lichess(world) as (stand_in, source):
        statuses = await source.players(["cat", "nobody", "ann", "bob"])

    assert statuses.keys() == {"ann", "bob", "cat"}
    assert statuses["ann"].seen_at == NOON
    assert statuses["ann"].fingerprint
    assert (statuses["ann"].closed, statuses["ann"].bot) == (False, False)
    assert (statuses["bob"].closed, statuses["bob"].bot) == (True, False)
    assert statuses["bob"].seen_at is None
    assert (statuses["cat"].closed, statuses["cat"].bot) == (False, True)
    assert {name: player.name for name, player in statuses.items()} == {
        name: name for name in statuses
    }
    (seen,) = stand_in.requests
    assert (seen.method, seen.path) == ("POST", "/api/users")
    assert seen.body == "cat,nobody,ann,bob"
    assert seen.query == {"profile": "false"}


async def test_accounts_are_joined_by_their_lower_cased_id() -> None:
    text = json.dumps([{"id": "AnnRook", "username": "ANNROOK", "title": "GM"}]).encode()
    async with http_server(fixed_response(text)) as url, open_lichess(url) as source:
        statuses = await source.players(["annrook"])

    assert statuses["annrook"].name == "annrook"
    assert statuses["annrook"].bot is False


async def test_a_bulk_request_is_spent_before_it_is_sent() -> None:
    lane = InMemoryLane()
    async with http_server(fixed_response(b"[]")) as url, open_client(url, lane) as site:
        source = Lichess(site, 8000)
        await source.players(["ann", "bob"])

    assert lane.spent == [(2, 8000)]
    assert source.bulk == MAX_BULK_NAMES == 300
    assert Lichess(site, 50).bulk == 50


async def test_the_fingerprint_is_the_same_while_nothing_happens() -> None:
    world = world_of("Ann")
    world.add_game("lichess", "Ann", NOON, famous=FAMOUS)
    async with open_fake_lichess(world) as (_, source):
        assert await source.players(["ann"]) == await source.players(["ann"])


@pytest.mark.parametrize(
    "change",
    [
        {"seenAt": unix_ms(NOON) + 1},
        {"playTime": {"total": 1201, "tv": 0}},
        {"perfs": {"blitz": {"games": 11, "rating": 1500}, "rapid": {"games": 5}}},
        {"perfs": {"blitz": {"games": 10, "rating": 1500}, "correspondence": {"games": 6}}},
    ],
)
async def test_the_fingerprint_changes_with_what_a_player_did(change: dict[str, Any]) -> None:
    assert (await parse_account()).fingerprint != (await parse_account(**change)).fingerprint


async def test_the_fingerprint_does_not_change_with_ratings_and_patronage() -> None:
    same = {
        "perfs": {"blitz": {"games": 10, "rating": 1999}, "rapid": {"games": 5, "prov": True}},
        "patron": True,
        "playTime": {"total": 1200, "tv": 99, "human": 7},
    }
    assert (await parse_account()).fingerprint == (await parse_account(**same)).fingerprint


async def test_an_account_without_any_of_its_optional_fields_is_read() -> None:
    player = await parse_account(seenAt=MISSING, playTime=MISSING, perfs=MISSING, title=None)

    assert player.seen_at is None
    assert player.closed is False


async def test_perfs_without_a_count_of_games_are_read() -> None:
    player = await parse_account(perfs={"storm": {"runs": 12, "score": 30}, "blitz": {"games": 15}})

    assert player.fingerprint == (await parse_account()).fingerprint


async def parse_account(**changes: Any) -> LichessStatus:
    """What is said of one account with these changes."""
    user: dict[str, Any] = {
        "id": "annrook",
        "username": "AnnRook",
        "perfs": {"blitz": {"games": 10, "rating": 1500}, "rapid": {"games": 5}},
        "createdAt": unix_ms(BORN),
        "seenAt": unix_ms(NOON),
        "playTime": {"total": 1200, "tv": 0},
        "tosViolation": True,
    }
    user = {name: value for name, value in (user | changes).items() if value is not MISSING}
    async with (
        http_server(fixed_response(json.dumps([user]).encode())) as url,
        open_lichess(url) as source,
    ):
        return (await source.players(["annrook"]))["annrook"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b'{"error":"no"}',
        b'[{"id":"annrook"',
        b'[{"username":"annrook"}]',
        b"<!DOCTYPE html><html></html>",
        b"[" * 100_000,
        b'[{"id":"annrook","perfs":' + b'{"a":' * 100_000,
    ],
)
async def test_a_bulk_reply_that_is_no_list_of_accounts_is_a_bad_reply(text: bytes) -> None:
    async with http_server(fixed_response(text)) as url, open_lichess(url) as source:
        with pytest.raises(BadResponse) as caught:
            await source.players(["annrook"])

    assert "annrook" not in str(caught.value)


@pytest.mark.parametrize("seen_at", [unix_ms(NOON) // 1000, 0, -1, 10**18, "yesterday"])
async def test_an_instant_that_cannot_be_one_does_not_spoil_the_bulk_reply(
    seen_at: object,
) -> None:
    accounts = [
        {"id": "annrook", "seenAt": seen_at},
        {"id": "bob", "seenAt": unix_ms(NOON)},
    ]
    async with (
        http_server(fixed_response(json.dumps(accounts).encode())) as url,
        open_lichess(url) as source,
    ):
        statuses = await source.players(["annrook", "bob"])

    assert statuses["bob"].seen_at == NOON


@pytest.mark.parametrize("status", [301, 400, 404])
async def test_a_bulk_reply_with_another_status_is_a_bad_reply(status: int) -> None:
    async with (
        http_server(fixed_response(b"[]", status=status)) as url,
        open_lichess(url) as source,
    ):
        with pytest.raises(BadResponse):
            await source.players(["annrook"])


async def test_a_bulk_reply_that_is_cut_is_no_list_of_missing_players() -> None:
    short = b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n[{"id":"annrook"},'
    async with scripted_responses([short]) as url, open_lichess(url) as source:
        with pytest.raises(SourceError):
            await source.players(["annrook", "bob"])
