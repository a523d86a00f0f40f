"""The check of SendGrid and its key."""

import pytest
from aiohttp import web

from chesscoach.context import Context
from chesscoach.doctor import emails
from tests.doctor.conftest import check_context, failed_line, run_doctor
from tests.support.fake_sendgrid import FakeSendGrid, SendGridFault
from tests.support.sources.server import http_server


async def test_a_key_that_sendgrid_does_not_know_fails_and_is_not_shown(
    production: dict[str, str], ctx: Context
) -> None:
    done = await run_doctor({**production, "SENDGRID_API_KEY": "SG.another-key"})

    assert done.code == 1
    line = failed_line(done)
    assert "refuses the key (401)" in line
    assert "another-key" not in done.out + done.err


async def test_a_key_that_may_not_send_fails(
    production: dict[str, str], sendgrid: FakeSendGrid
) -> None:
    sendgrid.scopes = ["templates.read"]

    finding = await emails.sendgrid(await check_context(**production))

    assert finding.level == "fail"
    assert "Mail Send" in finding.do


@pytest.mark.parametrize(
    ("fault", "level", "said"),
    [
        ("403", "fail", "refuses the key (403)"),
        ("500", "warn", "is not valid (500)"),
        ("302", "warn", "is not valid (302)"),
        ("429", "warn", "is not valid (429)"),
        ("html", "warn", "200 with a body that is not SendGrid's"),
        ("cut", "fail", "cannot be reached"),
        ("garbage", "fail", "cannot be reached"),
    ],
)
async def test_another_response_of_sendgrid_is_described(
    production: dict[str, str], sendgrid: FakeSendGrid, fault: SendGridFault, level: str, said: str
) -> None:
    sendgrid.faults.extend([fault, fault])  # aiohttp repeats a GET whose connection is cut

    finding = await emails.sendgrid(await check_context(**production))

    assert finding.level == level
    assert said in finding.what
    assert finding.do


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"SENDGRID_API_KEY": "SG.schlüssel"}, ""),
        ({"CHESSCOACH_EMAILS__SENDGRID__BASE_URL": "http://sendgrid.invalid"}, "is not https"),
    ],
)
async def test_a_key_that_no_header_can_hold_or_for_a_plain_network_is_not_sent(
    production: dict[str, str], sendgrid: FakeSendGrid, changed: dict[str, str], text: str
) -> None:
    finding = await emails.sendgrid(await check_context(**(production | changed)))

    assert (finding.level, sendgrid.scope_requests) == ("fail", 0)
    assert text in finding.what


async def test_a_response_that_never_ends_is_cut_off(production: dict[str, str]) -> None:
    async def flood(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65_536)

    async with http_server(flood) as url:
        given = {**production, "CHESSCOACH_EMAILS__SENDGRID__BASE_URL": url}
        finding = await emails.sendgrid(await check_context(**given))

    assert finding.level == "warn"
