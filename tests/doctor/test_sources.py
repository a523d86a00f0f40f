"""One request to each source, with the effects of a run's."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from chesscoach import config
from chesscoach.config import Settings
from chesscoach.context import Context, open_context, utc_now
from chesscoach.demo.fake_site import SiteFault
from chesscoach.doctor import sources
from chesscoach.doctor.finding import Finding
from chesscoach.doctor.sources import NONEXISTENT_PLAYER, WELL_KNOWN_PLAYER
from tests.conftest import FakeSites
from tests.doctor.conftest import failed_line, problems, run_checks, run_doctor
from tests.support.sources.server import http_server
from tests.support.sync.sync_members import add_member, run_sync


async def test_each_source_gets_one_request_about_a_linked_account(
    settings: Settings, ctx: Context, db: Any, sites: FakeSites
) -> None:
    await add_member(ctx, db, sites, "Ann", "lichess", "chess.com")
    sites.world.add_game("chess.com", "Ann", utc_now() - timedelta(seconds=1))
    await run_sync(ctx)
    spent = len(db.job_leases.find_one({"_id": "lane:lichess"})["spent"])
    sites.clear_requests()

    findings = await run_checks(settings)

    assert problems(findings) == {}
    assert "responded about ann in" in findings["lichess"].what
    assert [(seen.path, seen.body) for seen in sites.lichess.requests] == [("/api/users", "ann")]
    (asked,) = sites.chesscom.requests
    assert asked.path.startswith("/pub/player/ann/games/")
    assert asked.status == 304, "what we have of the month is not sent again"
    rows = {row["_id"]: row for row in db.job_leases.find()}
    assert rows["lane:lichess"]["owner"] is rows["lane:chess.com"]["owner"] is None
    assert len(rows["lane:lichess"]["spent"]) == spent + 1, "it is part of the allowance"


async def test_without_linked_accounts_an_unused_name_shows_that_chesscom_responds(
    settings: Settings, ctx: Context, sites: FakeSites
) -> None:
    findings = await run_checks(settings)

    assert problems(findings) == {}
    assert [seen.body for seen in sites.lichess.requests] == [WELL_KNOWN_PLAYER]
    (asked,) = sites.chesscom.requests
    assert asked.path.startswith(f"/pub/player/{NONEXISTENT_PLAYER}/games/")
    assert asked.status == 404
    assert "responded about an unused name" in findings["chess.com"].what


async def ask_sources(environment: dict[str, str]) -> dict[str, Finding]:
    """The findings of the two checks alone."""
    settings = await asyncio.to_thread(config.load, None, environment)
    async with open_context(settings) as ctx:
        return {"lichess": await sources.lichess(ctx), "chess.com": await sources.chesscom(ctx)}


FAULTS: list[tuple[SiteFault, str, str]] = [
    ("403", "fail", "refused the request (403)"),
    ("429", "warn", "responded 429"),
    ("500", "fail", "responded 500"),
    ("503", "fail", "responded 503"),
    ("hang", "fail", "no response within 2 s"),
    ("reset", "fail", "the response broke off"),
]


@pytest.mark.parametrize(("fault", "level", "text"), FAULTS)
async def test_another_response_of_each_source_is_described_after_one_request(
    environment: dict[str, str],
    ctx: Context,
    sites: FakeSites,
    db: Any,
    fault: SiteFault,
    level: str,
    text: str,
) -> None:
    repeated = 2 if fault == "reset" else 1  # aiohttp repeats a GET of its own accord
    sites.lichess.faults.append(fault)
    sites.chesscom.faults.extend([fault] * repeated)

    findings = await ask_sources({**environment, "CHESSCOACH_SOURCES__TIMEOUT_S": "2"})

    assert problems(findings) == dict.fromkeys(("lichess", "chess.com"), level)
    for source in ("lichess", "chess.com"):
        assert text in findings[source].what
        assert findings[source].do
    assert (len(sites.lichess.requests), len(sites.chesscom.requests)) == (1, repeated)
    assert db.job_leases.count_documents({"owner": {"$ne": None}}) == 0


async def test_a_403_opens_the_breaker_for_all_processes_as_in_a_run(
    environment: dict[str, str], ctx: Context, sites: FakeSites
) -> None:
    long = {"CHESSCOACH_SOURCES__BREAKER_OPEN_S": "3600"}
    sites.lichess.faults.append("403")
    first = await run_doctor({**environment, **long})
    sites.clear_requests()

    second = await run_doctor({**environment, **long})

    assert (first.code, second.code) == (1, 1)
    assert '"event": "source_breaker_opened"' in first.err
    line = failed_line(second)
    assert "lichess" in line
    assert "breaker open until 20" in line
    assert sites.lichess.requests == []
    assert len(sites.chesscom.requests) == 1


async def test_a_429_pauses_the_lane_for_all_processes(
    environment: dict[str, str], ctx: Context, sites: FakeSites
) -> None:
    long = {**environment, "CHESSCOACH_SOURCES__FIRST_PAUSE_S": "3600"}
    sites.chesscom.faults.append("429")
    first = await run_checks(long)
    sites.clear_requests()

    second = await run_checks(long)

    assert "no request is sent until 20" in first["chess.com"].what
    assert problems(second) == {"chess.com": "warn"}
    assert "the source wants a pause until 20" in second["chess.com"].what
    assert sites.chesscom.requests == []


async def test_the_third_429_in_a_row_opens_the_breaker_as_in_a_run(
    environment: dict[str, str], ctx: Context, sites: FakeSites
) -> None:
    lane = ctx.sync.lanes["lichess"]
    async with lane.acquire({}):
        await lane.pause(0)
        await lane.pause(0)
    sites.lichess.faults.append("429")

    findings = await run_checks(environment, CHESSCOACH_SOURCES__BREAKER_OPEN_S="3600")

    assert problems(findings) == {"lichess": "fail"}
    assert "the third time in a row, so no request is sent until 20" in findings["lichess"].what
    assert len(sites.lichess.requests) == 1


async def test_a_source_whose_lane_a_run_holds_gets_no_request(
    settings: Settings, ctx: Context, sites: FakeSites
) -> None:
    holder = {"host": "elsewhere", "pid": 7, "run_id": "sync_games:manual:1"}
    async with ctx.leases.renewing(), ctx.sync.lanes["lichess"].acquire(holder):
        findings = await run_checks(settings)

    assert problems(findings) == {"lichess": "warn"}
    assert "sync_games:manual:1 on elsewhere, pid 7, uses the lane" in findings["lichess"].what
    assert sites.lichess.requests == []
    assert len(sites.chesscom.requests) == 1


async def test_a_source_that_cannot_be_reached_fails_with_its_setting(
    environment: dict[str, str], ctx: Context
) -> None:
    nowhere = {
        "CHESSCOACH_SOURCES__LICHESS__BASE_URL": "http://127.0.0.1:1",
        "CHESSCOACH_SOURCES__CHESSCOM__BASE_URL": "http://127.0.0.1:1/pub",
    }

    findings = await run_checks({**environment, **nowhere})

    assert problems(findings) == {"lichess": "fail", "chess.com": "fail"}
    assert "cannot be reached" in findings["lichess"].what
    assert "[sources.lichess] base_url" in findings["lichess"].do
    assert "[sources.chesscom] base_url" in findings["chess.com"].do


@pytest.mark.parametrize(
    ("status", "body", "content_type", "text"),
    [
        (200, "<html>Sign in to this network</html>", "text/html", "a page of HTML"),
        (404, "<html>Not found</html>", "text/html", "a page of HTML"),
        (404, '{"code":0,"message":"No provider"}', "application/json", "is not valid"),
        (200, "[1", "application/json", "the response is not valid"),
    ],
)
async def test_a_response_that_is_not_the_sources_own_proves_nothing(
    environment: dict[str, str], ctx: Context, status: int, body: str, content_type: str, text: str
) -> None:
    async def handle(_: web.BaseRequest) -> web.Response:
        return web.Response(status=status, text=body, content_type=content_type)

    async with http_server(handle) as url:
        instead = {
            "CHESSCOACH_SOURCES__LICHESS__BASE_URL": url,
            "CHESSCOACH_SOURCES__CHESSCOM__BASE_URL": url,
        }
        findings = await ask_sources({**environment, **instead})

    assert problems(findings) == {"lichess": "fail", "chess.com": "fail"}
    assert text in findings["lichess"].what
    assert text in findings["chess.com"].what


async def test_an_allowance_that_is_spent_for_the_day_fails(
    environment: dict[str, str], ctx: Context, sites: FakeSites, db: Any
) -> None:
    lane = ctx.sync.lanes["lichess"]
    async with lane.acquire({}):
        await lane.consume(15, 15)
    long_ago = utc_now() - timedelta(hours=3)
    spent = [{"at": long_ago, "amount": 15, "token": "x"}]
    db.job_leases.update_one({"_id": "lane:lichess"}, {"$set": {"spent": spent}})
    one = {"CHESSCOACH_SOURCES__LICHESS__USERS_PER_10MIN": "1"}

    findings = await run_checks({**environment, **one})

    assert problems(findings) == {"lichess": "fail"}
    assert "the day's allowance is spent" in findings["lichess"].what
    assert sites.lichess.requests == []


async def test_it_does_not_wait_long_for_an_allowance(
    environment: dict[str, str], ctx: Context, sites: FakeSites
) -> None:
    lane = ctx.sync.lanes["lichess"]
    async with lane.acquire({}):
        await lane.consume(1, 1)

    findings = await run_checks(
        environment,
        CHESSCOACH_SOURCES__LICHESS__USERS_PER_10MIN="1",
        CHESSCOACH_SOURCES__TIMEOUT_S="1",
    )

    assert problems(findings) == {"lichess": "warn"}
    assert "no free lane and allowance within 2 s" in findings["lichess"].what
    assert sites.lichess.requests == []


async def test_a_response_that_never_ends_has_a_deadline(
    environment: dict[str, str], ctx: Context
) -> None:
    async def drip(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.1)

    async with http_server(drip) as url:
        findings = await run_checks(
            environment,
            CHESSCOACH_SOURCES__LICHESS__BASE_URL=url,
            CHESSCOACH_SOURCES__TIMEOUT_S="1",
        )

    assert problems(findings) == {"lichess": "fail"}
    assert "the response did not end within 2 s" in findings["lichess"].what
