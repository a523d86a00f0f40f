"""What the bulk request of Lichess says of accounts."""

import json
from typing import Any

import pytest

from chesscoach.errors import BadResponse, SourceError
from chesscoach.sources import lichess_bulk_payload
from chesscoach.sources.lichess import MAX_BULK_NAMES, Lichess
from chesscoach.sources.lichess_status import LichessStatus
from tests.conftest import NOON
from tests.support.sources.lichess_exports import (
    BORN,
    FAMOUS,
    MISSING,
    fetch_statuses,
    fixed_response,
    open_fake_lichess,
    open_lichess,
    unix_ms,
    world_of,
)
from tests.support.sources.server import InMemoryLane, client_of, scripted_responses


async def test_accounts_are_asked_about_in_bulk_and_those_unknown_are_absent() -> None:
    world = world_of("Ann", "BOB", "Cat")
    world.players["lichess"]["bob"].closed = True
    world.players["lichess"]["cat"].title = "BOT"
    world.add_game("lichess", "Ann", NOON, famous=FAMOUS)

    async with open_fake_lichess(world) as (stand_in, source):
        statuses = await source.players(["cat", "unknown", "ann", "bob"])

    assert statuses.keys() == {"ann", "bob", "cat"}
    assert statuses["ann"].seen_at == NOON
    assert statuses["ann"].fingerprint
    assert (statuses["ann"].closed, statuses["ann"].bot) == (False, False)
    assert (statuses["bob"].closed, statuses["bob"].bot) == (True, False)
    assert statuses["bob"].seen_at is None
    assert (statuses["cat"].closed, statuses["cat"].bot) == (False, True)
    assert all(player.name == name for name, player in statuses.items())
    (seen,) = stand_in.requests
    assert (seen.method, seen.path) == ("POST", "/api/users")
    assert seen.body == "cat,unknown,ann,bob"
    assert seen.query == {"profile": "false"}


def test_accounts_are_joined_by_their_lower_cased_id() -> None:
    player = parse_account(id="AnnRook", username="ANNROOK", title="GM")

    assert (player.name, player.bot) == ("annrook", False)


async def test_a_bulk_request_is_spent_before_it_is_sent() -> None:
    lane = InMemoryLane()
    async with client_of(fixed_response(b"[]"), lane) as client:
        source = Lichess(client, 8000)
        await source.players(["ann", "bob"])

    assert lane.spent == [(2, 8000)]
    assert source.bulk == MAX_BULK_NAMES == 300
    assert Lichess(client, 50).bulk == 50


PERFS = {"blitz": {"games": 10, "rating": 1500}, "rapid": {"games": 5}}


@pytest.mark.parametrize(
    "change",
    [
        {"seenAt": unix_ms(NOON) + 1},
        {"playTime": {"total": 1201, "tv": 0}},
        {"perfs": {**PERFS, "blitz": {"games": 11, "rating": 1500}}},
        {"perfs": {"blitz": PERFS["blitz"], "correspondence": {"games": 6}}},
    ],
)
def test_the_fingerprint_changes_with_what_a_player_did(change: dict[str, Any]) -> None:
    assert parse_account().fingerprint != parse_account(**change).fingerprint


def test_the_fingerprint_does_not_change_with_anything_else() -> None:
    ratings = {"blitz": {"games": 10, "rating": 1999}, "rapid": {"games": 5, "prov": True}}
    more = {"patron": True, "playTime": {"total": 1200, "tv": 99, "human": 7}}
    uncounted = {"storm": {"runs": 12, "score": 30}, "blitz": {"games": 15}}

    fingerprint = parse_account().fingerprint

    assert parse_account(perfs=ratings, **more).fingerprint == fingerprint
    assert parse_account(perfs=uncounted).fingerprint == fingerprint


def test_an_account_without_any_of_its_optional_fields_is_read() -> None:
    player = parse_account(seenAt=MISSING, playTime=MISSING, perfs=MISSING, title=None)

    assert (player.seen_at, player.closed) == (None, False)


def parse_account(**changes: Any) -> LichessStatus:
    """What is said of one account with these changes."""
    user: dict[str, Any] = {
        "id": "annrook",
        "username": "AnnRook",
        "perfs": PERFS,
        "createdAt": unix_ms(BORN),
        "seenAt": unix_ms(NOON),
        "playTime": {"total": 1200, "tv": 0},
        "tosViolation": True,
    }
    user = {name: value for name, value in (user | changes).items() if value is not MISSING}
    return lichess_bulk_payload.parse_statuses(json.dumps([user]).encode(), ["annrook"])["annrook"]


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"{}", b'{"error":"no"}', b'[{"id":"annrook"', b'[{"username":"annrook"}]'),
        b"<!DOCTYPE html><html></html>",
        b"[" * 100_000,
        b'[{"id":"annrook","perfs":' + b'{"a":' * 100_000,
    ],
    ids=lambda text: str(text)[:30],
)
def test_a_bulk_response_that_is_not_a_list_of_accounts_is_a_bad_response(text: bytes) -> None:
    with pytest.raises(BadResponse) as caught:
        lichess_bulk_payload.parse_statuses(text, ["annrook"])

    assert "annrook" not in str(caught.value)


@pytest.mark.parametrize("seen_at", [unix_ms(NOON) // 1000, 0, -1, 10**18, "yesterday"])
def test_an_instant_that_cannot_be_one_does_not_spoil_the_bulk_response(seen_at: object) -> None:
    accounts = [{"id": "annrook", "seenAt": seen_at}, {"id": "bob", "seenAt": unix_ms(NOON)}]
    text = json.dumps(accounts).encode()

    assert lichess_bulk_payload.parse_statuses(text, ["annrook", "bob"])["bob"].seen_at == NOON


@pytest.mark.parametrize("status", [301, 400, 404])
async def test_a_bulk_response_with_another_status_is_a_bad_response(status: int) -> None:
    with pytest.raises(BadResponse):
        await fetch_statuses(fixed_response(b"[]", status=status))


async def test_a_truncated_bulk_response_makes_no_player_missing() -> None:
    short = b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n[{"id":"annrook"},'
    async with scripted_responses([short]) as url, open_lichess(url) as source:
        with pytest.raises(SourceError):
            await source.players(["annrook", "bob"])
