"""A page of HTML comes from something before the source, whatever its status."""

import pytest

from chesscoach.errors import AccountRenamed, BadResponse, SourceUnavailable
from tests.support.sources.chesscom_months import (
    fetch_month,
    fixed_response,
    month_error,
    profile_only,
)
from tests.support.sources.lichess_exports import fetch_statuses
from tests.support.sources.server import Handler, InMemoryLane, client_of, fetch_body

STATUSES = (200, 302, 400, 401, 404, 407, 410, 451, 500, 503, 511)


def page(status: int, kind: str = "text/html", **headers: str) -> Handler:
    """Always a page of HTML that calls itself `kind`."""
    text = "\n<!DOCTYPE html><html><title>Sign in to the network</title></html>"
    return fixed_response(text, status=status, headers={"Content-Type": kind, **headers})


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, "text/html") for status in STATUSES),
        (200, "text/html; charset=utf-8"),
        (404, "application/xhtml+xml"),
    ],
)
async def test_a_page_is_a_failure_of_the_source_whatever_its_status(
    status: int, kind: str
) -> None:
    lane = InMemoryLane()
    async with client_of(page(status, kind), lane) as client:
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
    async with client_of(page(403), lane) as client:
        with pytest.raises(SourceUnavailable):
            await fetch_body(client)

    assert len(lane.closed) == 1


@pytest.mark.parametrize(
    ("status", "kind", "source_wide"),
    [
        *((status, "text/html", True) for status in (404, 410, 401)),
        (404, "application/json", False),
        (410, "application/octet-stream", False),
        (404, "text/plain", False),
    ],
)
@pytest.mark.parametrize("is_profile", [False, True])
async def test_a_page_says_nothing_of_a_player_or_a_month_though_its_header_hides_it(
    status: int, kind: str, source_wide: bool, is_profile: bool
) -> None:
    """As the response to a month, and as that to the profile of a player who was not found."""
    handler = page(status, kind)
    error = await month_error(profile_only(handler) if is_profile else handler)

    assert type(error) is BadResponse
    assert error.source_wide is source_wide


@pytest.mark.parametrize("status", [404, 410])
async def test_a_page_says_nothing_of_the_players_of_lichess(status: int) -> None:
    with pytest.raises(BadResponse) as caught:
        await fetch_statuses(page(status))

    assert caught.value.source_wide


async def test_a_redirect_of_the_source_is_a_new_name_though_it_comes_with_a_page() -> None:
    error = await month_error(page(301, Location="/player/annette/games/2026/03"))

    assert isinstance(error, AccountRenamed)
    assert error.name == "annette"


@pytest.mark.parametrize(
    "location",
    ["http://portal.example/player/annette", "//portal.example/player/annette", "http://[", ""],
)
async def test_a_redirect_to_another_host_with_a_page_is_a_failure_of_the_source(
    location: str,
) -> None:
    error = await month_error(page(302, Location=location))

    assert type(error) is BadResponse
    assert error.source_wide


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
async def test_a_304_has_no_page_and_is_no_month_unless_it_was_asked_for(kind: str) -> None:
    handler = fixed_response(b"", status=304, headers={"Content-Type": kind})
    month = await fetch_month(handler, '"e"')

    assert (month.changed, month.etag) == (False, '"e"')
    assert type(await month_error(handler)) is BadResponse


@pytest.mark.parametrize("status", [401, 407])
async def test_a_demand_for_a_login_is_a_failure_of_the_source(status: int) -> None:
    handler = fixed_response({"error": "No such token"}, status=status)
    async with client_of(handler) as client:
        with pytest.raises(BadResponse) as caught:
            await fetch_body(client)

    assert caught.value.source_wide
    assert client.troubles == {str(status): 1}
