"""SendGrid as a transport: every response has its verdict, after one request."""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import pytest
from aiohttp import web

from chesscoach import __version__, config, log
from chesscoach.emails.transports.transport import SendResult
from tests.emails.transports.conftest import (
    ADDRESS,
    KEY,
    NOW,
    answer_server,
    error_body,
    make_message,
    send_one,
    sendgrid_transport,
)
from tests.support.fake_sendgrid import FakeSendGrid, SendGridFault
from tests.support.scripted_server import read_request, scripted_server
from tests.support.sources.server import http_server


async def test_a_202_is_accepted_under_its_message_id(sendgrid: FakeSendGrid) -> None:
    delivery = await send_one(sendgrid.url)
    [taken] = sendgrid.accepted
    assert delivery == SendResult(verdict="accepted", message_id=taken.message_id)
    assert (taken.outbox_id, taken.to) == ("weekly_summary:u1:2026-W47", ADDRESS)
    assert sendgrid.agents == {f"chesscoach/{__version__}"}


async def test_an_email_in_sandbox_mode_is_checked_and_discarded(sendgrid: FakeSendGrid) -> None:
    assert await send_one(sendgrid.url, sandbox=True) == SendResult(verdict="sandboxed")
    assert (sendgrid.accepted, sendgrid.sandboxed) == ([], 1)


VERDICTS: list[tuple[SendGridFault, str, str]] = [
    ("400", "refused", "400: the request is not valid (personalizations.0.to.0.email)"),
    ("invalid", "refused", "400: the request is not valid (content.1.value)"),
    ("413", "refused", "413: the email is too large"),
    ("401", "stopped", "401: the key is not accepted"),
    ("403", "stopped", "403: the sender is not verified, or the account is blocked"),
    ("credits", "stopped", "401: the account's credits are used up"),
    ("404", "stopped", "404: the server at base_url does not know the path"),
    ("302", "stopped", "302: base_url redirects"),
    ("500", "unknown", "500: SendGrid may have accepted it or not"),
    ("503", "unknown", "503: SendGrid may have accepted it or not"),
    ("html", "unknown", "200: SendGrid may have accepted it or not"),
    ("garbage", "unknown", "not answered (ClientResponseError)"),
    ("reset", "unknown", ""),
    ("cut", "unknown", ""),
    ("lost", "unknown", ""),
]


@pytest.mark.parametrize(("fault", "verdict", "reason"), VERDICTS)
async def test_every_response_has_its_verdict_after_one_request(
    fault: SendGridFault, verdict: str, reason: str, sendgrid: FakeSendGrid
) -> None:
    sendgrid.faults.append(fault)
    delivery = await send_one(sendgrid.url)
    assert delivery.verdict == verdict
    assert delivery.reason == reason if reason else delivery.reason.startswith("not answered (")
    assert sendgrid.requests == 1
    assert len(sendgrid.accepted) == (fault == "lost")


SOON = int((NOW + timedelta(seconds=30)).timestamp())
WAITS: list[tuple[dict[str, str], float]] = [
    ({}, 60),
    ({"X_RateLimit_Reset": str(SOON)}, 30),
    ({"X_RateLimit_Reset": str(SOON), "Retry_After": "7"}, 30),
    ({"Retry_After": "7"}, 7),
    ({"Retry_After": "0"}, 1),
    ({"Retry_After": "Mon, 23 Nov 2026 09:02:00 GMT"}, 120),
    ({"Retry_After": "Mon, 23 Nov 2026 09:02:00 -0000"}, 120),
    ({"Retry_After": "in a while"}, 60),
    ({"X_RateLimit_Reset": str(SOON - 10**6)}, 1),
    ({"X_RateLimit_Reset": str(SOON + 10**6)}, 3600),
    ({"X_RateLimit_Reset": "nan"}, 60),
    ({"X_RateLimit_Reset": "-5", "Retry_After": "-5"}, 60),
    ({"Retry_After": "9" * 400}, 60),
]


@pytest.mark.parametrize(("headers", "wait_s"), WAITS)
async def test_a_wait_has_sane_bounds(headers: dict[str, str], wait_s: float) -> None:
    async with answer_server(429, b"", **headers) as url:
        delivery = await send_one(url)
    assert (delivery.verdict, delivery.wait_s) == ("throttled", wait_s)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b"<p>Maximum credits exceeded</p>"),
        (401, b'{"errors":[{"message":"Maximum credits exceeded \xff\x01"}]}'),
        (429, error_body(("MAXIMUM credits Exceeded", None))),
    ],
)
async def test_credits_that_are_used_up_stop_everything(status: int, body: bytes) -> None:
    async with answer_server(status, body) as url:
        delivery = await send_one(url)
    reason = f"{status}: the account's credits are used up"
    assert delivery == SendResult(verdict="stopped", reason=reason)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 406, 415])
async def test_what_cannot_be_the_emails_own_fault_stops_everything(status: int) -> None:
    async with answer_server(status, error_body(("no", "subject"))) as url:
        delivery = await send_one(url)
    assert delivery.verdict == "stopped"
    assert delivery.reason.startswith(f"{status}: ")


async def test_a_request_that_arrived_too_late_is_made_again_soon() -> None:
    async with answer_server(408, b"") as url:
        delivery = await send_one(url)
    assert (delivery.verdict, delivery.wait_s) == ("throttled", 2)


@pytest.mark.parametrize(("status", "verdict"), [(202, "accepted"), (403, "stopped")])
async def test_a_response_that_breaks_off_or_cannot_be_unpacked_counts_by_its_status(
    status: int, verdict: str
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        await response.write(b"{")
        assert request.transport is not None
        request.transport.abort()
        return response

    async with http_server(handler) as url:
        assert (await send_one(url)).verdict == verdict
    async with answer_server(status, b"no gzip", Content_Encoding="gzip") as url:
        assert (await send_one(url)).verdict == verdict


def raw_server(head: bytes, body: bytes = b"") -> AbstractAsyncContextManager[str]:
    """A server whose responses have these very bytes."""
    length = f"Content-Length: {len(body)}\r\n\r\n".encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(head + length + body)
        await writer.drain()

    return scripted_server(serve)


@pytest.mark.parametrize(
    ("header", "message_id"),
    [
        (b"X-Message-Id: abc.DEF-1", "abc.DEF-1"),
        (b"X-Message-Id: a\xffb", None),
        (b"X-Message-Id: \xc3\xa9", None),
        (b"X-Message-Id: " + b"x" * 300, None),
        (b"X-Message-Id: a b", None),
        (b"X-Message-Id:", None),
        (b"Server: caf\xe9", None),
        (b"Set-Cookie: caf\xe9=\xff", None),
        (b"Content-Type: \xff", None),
    ],
)
async def test_a_header_that_is_not_ascii_does_not_fail_the_email(
    header: bytes, message_id: str | None
) -> None:
    async with raw_server(b"HTTP/1.1 202 Accepted\r\n" + header + b"\r\n") as address:
        delivery = await send_one(f"http://{address}")
    assert delivery == SendResult(verdict="accepted", message_id=message_id)


@pytest.mark.parametrize("name", [b"Retry-After", b"X-RateLimit-Reset"])
async def test_a_retry_after_that_is_not_ascii_means_the_default_wait(name: bytes) -> None:
    for value in (b"\xff", b"\xd9\xa3", b"9" * 4000, b"Mon, \xff Nov 2026"):
        async with raw_server(b"HTTP/1.1 429 No\r\n" + name + b": " + value + b"\r\n") as address:
            delivery = await send_one(f"http://{address}")
        assert (delivery.verdict, delivery.wait_s) == ("throttled", 60)


async def test_neither_key_nor_address_is_logged(
    sendgrid: FakeSendGrid, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure(config.LogSettings(level="debug", format="json"))
    sendgrid.faults.extend(fault for fault, *_ in VERDICTS)
    async with sendgrid_transport(sendgrid.url) as out:
        deliveries = [await out.send(make_message()) for _ in VERDICTS]
        output = " ".join([repr(deliveries), repr(out), out.describe(), *capsys.readouterr()])
    assert KEY not in output
    assert ADDRESS not in output
