"""SendGrid as a transport: every response and every fault has its verdict, after one request."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from chesscoach import __version__, config, log
from chesscoach.config import SendGridSettings
from chesscoach.emails.transports.sendgrid import SendGridTransport
from chesscoach.emails.transports.sendgrid_scopes import check_scopes
from chesscoach.emails.transports.transport import SendResult, Transport
from tests.emails.transports.test_sendgrid_request import ADDRESS, SENDER, make_message
from tests.support.fake_sendgrid import FakeSendGrid, SendGridFault
from tests.support.scripted_server import read_request, scripted_server

KEY = "SG.aaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
async def sendgrid() -> AsyncIterator[FakeSendGrid]:
    """The fake, which knows our key."""
    fake = FakeSendGrid(key=KEY)
    async with fake.serve():
        yield fake


def sendgrid_transport(
    url: str, *, key: str = KEY, lease_s: float = 60, **settings: Any
) -> SendGridTransport:
    """A transport to a URL, to be entered; its clock stands still."""
    chosen = SendGridSettings(base_url=url, **({"timeout_s": 5.0} | settings))
    return SendGridTransport(chosen, key, SENDER, "Chess Coach", lease_s, now=lambda: NOW)


async def send_one(url: str, message: Any = None, **changes: Any) -> SendResult:
    """What becomes of one email."""
    async with sendgrid_transport(url, **changes) as out:
        return await out.send(message or make_message())


def answer_server(status: int, body: bytes = b"", **headers: str) -> Any:
    """A server that answers everything so; what it was asked is in the list."""
    sent_headers = {name.replace("_", "-"): value for name, value in headers.items()}

    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=sent_headers)

    return http_server(handler)


@asynccontextmanager
async def http_server(handler: Any) -> AsyncIterator[str]:
    """A server that answers by a handler; its URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def closing_server(responses: int) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that accepts a number of emails on a connection, then closes it."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(responses + 1):
            heads.append(await read_request(reader))
            if number < responses:
                writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()

    async with scripted_server(serve) as address:
        yield f"http://{address}", heads


def error_body(*listed: tuple[str, object]) -> bytes:
    """A body of errors in SendGrid's form."""
    return json.dumps({"errors": [{"message": m, "field": f} for m, f in listed]}).encode()


async def test_a_202_is_accepted_under_its_message_id(sendgrid: FakeSendGrid) -> None:
    delivery = await send_one(sendgrid.url)
    [taken] = sendgrid.accepted
    assert delivery == SendResult(verdict="accepted", message_id=taken.message_id)
    assert (taken.outbox_id, taken.to) == ("weekly_summary:u1:2026-W47", ADDRESS)
    assert sendgrid.agents == {f"chesscoach/{__version__}"}


async def test_an_email_in_sandbox_mode_is_dry_run(sendgrid: FakeSendGrid) -> None:
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


TO = "personalizations.0.to.0.email"
REFUSALS: list[tuple[int, bytes, bool]] = [
    (400, error_body(("Does not contain a valid address.", TO)), True),
    (400, error_body(("The to array is required.", "personalizations.0.to")), True),
    (400, error_body(("Each address should be unique.", "personalizations.0")), True),
    (400, error_body(("Each address should be unique.", "personalizations")), True),
    (400, error_body((f"Invalid recipient {ADDRESS.upper()}", None)), True),
    (400, error_body((f"The {TO} field is not valid.", "")), True),
    (400, error_body(("no", TO), ("no", "personalizations.0.to")), True),
    (413, b"<html>413 Request Entity Too Large</html>", True),
    (400, error_body(("no", TO), ("no", "from.email")), False),
    (400, error_body(("no", "from.email")), False),
    (400, error_body(("no", "personalizations.0.headers")), False),
    (400, error_body(("no", "personalizations.0.headers.List-Unsubscribe")), False),
    (400, error_body(("no", "personalizations.0.custom_args")), False),
    (400, error_body((f"{ADDRESS} has no header", "personalizations.0.headers")), False),
    (400, error_body(("The personalizations.0.headers are not valid.", None)), False),
    (400, error_body(("Bad Request", None)), False),
    (400, error_body(("no", ["personalizations"])), False),
    (400, error_body(), False),
    (400, b"<p>Bad Request</p>", False),
    (422, error_body(("no", TO)), False),
]


@pytest.mark.parametrize(("status", "body", "isolated"), REFUSALS, ids=range(len(REFUSALS)))
async def test_a_refusal_of_the_recipient_is_the_emails_own(
    status: int, body: bytes, isolated: bool
) -> None:
    async with answer_server(status, body) as url:
        delivery = await send_one(url)
    assert (delivery.verdict, delivery.isolated) == ("refused", isolated)


@pytest.mark.parametrize("fault", ["hang", "late"])
async def test_no_response_by_the_deadline_is_unknown(
    fault: SendGridFault, sendgrid: FakeSendGrid
) -> None:
    sendgrid.faults.append(fault)
    delivery = await send_one(sendgrid.url, timeout_s=0.5)
    assert delivery == SendResult(verdict="unknown", reason="not answered in time (TimeoutError)")
    assert sendgrid.requests == 1
    assert len(sendgrid.accepted) == (fault == "late")


@pytest.mark.parametrize(("timeout_s", "lease_s", "due"), [(9, 60, 9), (9, 30, 9), (9, 10, 3)])
def test_the_deadline_is_below_a_third_of_the_lease(
    timeout_s: float, lease_s: float, due: float
) -> None:
    out = sendgrid_transport("http://127.0.0.1", timeout_s=timeout_s, lease_s=lease_s)
    assert out.deadline_s == pytest.approx(due)
    assert out.deadline_s < lease_s / 3


async def test_the_deadline_counts_the_wait_for_a_free_connection(sendgrid: FakeSendGrid) -> None:
    sendgrid.faults.append("hang")
    async with (
        sendgrid_transport(sendgrid.url, in_flight=1, timeout_s=9) as out,
        asyncio.TaskGroup() as group,
    ):
        holder = group.create_task(out.send(make_message()))
        async with asyncio.timeout(10):
            while not sendgrid.in_flight:
                await asyncio.sleep(0.01)
        out.deadline_s = 0.2
        waiting = await out.send(make_message())
        assert not holder.done()
        holder.cancel()
    assert waiting == SendResult(verdict="not_sent", reason="no connection (TimeoutError)")
    assert sendgrid.requests == 1


async def test_where_no_server_listens_nothing_is_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", "http://sendgrid.invalid"):
        delivery = await send_one(url)
        assert (delivery.verdict, "no connection" in delivery.reason) == ("not_sent", True)


async def test_a_server_that_speaks_no_tls_is_sent_nothing(sendgrid: FakeSendGrid) -> None:
    delivery = await send_one(sendgrid.url.replace("http:", "https:"))
    assert (delivery.verdict, sendgrid.requests) == ("not_sent", 0)


async def test_a_post_on_a_kept_connection_that_hangs_up_is_not_repeated() -> None:
    async with closing_server(responses=1) as (url, heads), sendgrid_transport(url) as out:
        verdicts = [(await out.send(make_message())).verdict for _ in range(2)]
        assert verdicts == ["accepted", "unknown"]
        assert len(heads) == 2


async def test_a_connection_that_was_closed_meanwhile_is_replaced(sendgrid: FakeSendGrid) -> None:
    sendgrid.faults.extend([None, "lost", None])
    async with sendgrid_transport(sendgrid.url, in_flight=1) as out:
        verdicts = [(await out.send(make_message())).verdict for _ in range(3)]
    assert verdicts == ["accepted", "unknown", "accepted"]
    assert sendgrid.requests == 3


async def test_the_caller_that_is_cancelled_hears_of_it(sendgrid: FakeSendGrid) -> None:
    sendgrid.faults.append("hang")
    async with sendgrid_transport(sendgrid.url) as out:
        task = asyncio.create_task(out.send(make_message()))
        async with asyncio.timeout(5):
            while not sendgrid.in_flight:
                await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_no_more_are_in_flight_than_allowed(sendgrid: FakeSendGrid) -> None:
    sendgrid.delay_s = 0.03
    async with sendgrid_transport(sendgrid.url, in_flight=5) as out:
        emails = [make_message(outbox_id=f"weekly_summary:u{n}:2026-W47") for n in range(60)]
        deliveries = await asyncio.gather(*(out.send(one) for one in emails))
    assert {one.verdict for one in deliveries} == {"accepted"}
    assert sendgrid.max_in_flight == 5
    assert len({one.outbox_id for one in sendgrid.accepted}) == 60


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


BODIES = [
    b"",
    b"\xff\xfe",
    b"null",
    b"[]",
    b'{"errors": {}}',
    b'{"errors": [1, null, {"field": 5}]}',
    b"[" * 60_000,
    b"x" * 200_000,
    error_body((f"not valid: {ADDRESS}", ADDRESS), (KEY, KEY), ("", f"content.{ADDRESS}")),
]


@pytest.mark.parametrize("status", [400, 404, 408, 413, 422])
async def test_whatever_a_refusal_says_it_is_not_quoted(status: int) -> None:
    for body in BODIES:
        async with answer_server(status, body) as url:
            delivery = await send_one(url)
        assert delivery.verdict != "accepted"
        assert delivery.reason.startswith(f"{status}: ")
        assert len(delivery.reason) < 200
        assert not re.search(r"@|SG\.|xxx|ann", delivery.reason)


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


async def test_a_refusal_names_the_fields_that_the_schema_knows() -> None:
    listed = ["from.email", "subject", "from.email", "personalizations.0.headers.X-Eve", None]
    async with answer_server(400, error_body(*(("wrong", field) for field in listed))) as url:
        delivery = await send_one(url)
    assert delivery.reason.endswith("(from.email, subject, personalizations.0.headers)")


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
async def test_a_header_that_is_no_ascii_costs_no_email(
    header: bytes, message_id: str | None
) -> None:
    async with raw_server(b"HTTP/1.1 202 Accepted\r\n" + header + b"\r\n") as address:
        delivery = await send_one(f"http://{address}")
    assert delivery == SendResult(verdict="accepted", message_id=message_id)


@pytest.mark.parametrize("name", [b"Retry-After", b"X-RateLimit-Reset"])
async def test_a_wait_that_is_no_ascii_is_the_default(name: bytes) -> None:
    for value in (b"\xff", b"\xd9\xa3", b"9" * 4000, b"Mon, \xff Nov 2026"):
        async with raw_server(b"HTTP/1.1 429 No\r\n" + name + b": " + value + b"\r\n") as address:
            delivery = await send_one(f"http://{address}")
        assert (delivery.verdict, delivery.wait_s) == ("throttled", 60)


WRONG = b'{"errors": [{"message": %s, "field": "personalizations.0.to.0.email"}]}'


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + WRONG % b'"no"',
        WRONG % b"NaN",
        WRONG % b"-Infinity",
        WRONG % rb'"\ud800"',
        WRONG % b'"\xff\xfe"',
        WRONG % b'"a\tb\x00"',
    ],
)
async def test_a_refusal_is_read_around_a_value_that_cannot_be(body: bytes) -> None:
    async with answer_server(400, body) as url:
        delivery = await send_one(url)
    reason = "400: the request is not valid (personalizations.0.to.0.email)"
    assert delivery == SendResult(verdict="refused", reason=reason, isolated=True)


async def test_a_redirect_takes_our_key_nowhere() -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with http_server(handler) as url:
        assert (await send_one(url)).verdict == "stopped"
    assert asked == ["/v3/mail/send"]


@pytest.mark.parametrize("key", ["SG.a\r\nX-Eve: 1", "SG.ä", "SG.a\n"])
async def test_a_key_that_cannot_stand_in_a_header_stops_everything(
    key: str, sendgrid: FakeSendGrid
) -> None:
    delivery = await send_one(sendgrid.url, key=key)
    assert delivery == SendResult(verdict="stopped", reason="the key cannot be sent in a header")
    assert sendgrid.requests == 0


async def test_credentials_in_base_url_stop_everything_and_are_not_shown(
    sendgrid: FakeSendGrid,
) -> None:
    url = sendgrid.url.replace("//", "//eve:hunter2@")
    delivery = await send_one(url)
    assert delivery.verdict == "stopped"
    assert "hunter2" not in delivery.reason + sendgrid_transport(url).describe()
    assert sendgrid.requests == 0


async def test_a_base_url_that_cannot_be_asked_stops_everything() -> None:
    async with sendgrid_transport("https://sendgrid.invalid:99999") as out:
        assert out.describe() == "SendGrid at an invalid base_url"
        assert (await out.send(make_message())).verdict == "stopped"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"text": KEY}, "begins like a key"), ({"subject": "\ud800"}, "its text is not Unicode")],
)
async def test_content_that_cannot_be_sent_is_refused(
    changes: dict[str, str], reason: str, sendgrid: FakeSendGrid
) -> None:
    delivery = await send_one(sendgrid.url, make_message(**changes))
    assert (delivery.verdict, delivery.isolated, sendgrid.requests) == ("refused", True, 0)
    assert reason in delivery.reason
    assert KEY not in delivery.reason


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


def test_it_says_where_email_goes() -> None:
    out: Transport = sendgrid_transport("https://api.sendgrid.com")
    assert out.describe() == "SendGrid at https://api.sendgrid.com"
    assert not out.repeatable
    assert out.in_flight == 20
    sandboxed = sendgrid_transport("https://api.sendgrid.com", sandbox=True)
    assert sandboxed.describe().endswith(", sandbox: nothing is sent")


# Behind a proxy, and texts that are not Unicode


async def test_an_email_goes_through_the_proxy(sendgrid: FakeSendGrid) -> None:
    settings = SendGridSettings(base_url="http://sendgrid.invalid", timeout_s=5.0)
    transport = SendGridTransport(
        settings, KEY, SENDER, "Chess Coach", 60, now=lambda: NOW, proxy=sendgrid.url
    )
    async with transport as out:
        delivery = await out.send(make_message())

    assert delivery.verdict == "accepted"
    assert len(sendgrid.accepted) == 1


async def test_the_scopes_are_asked_for_through_the_proxy() -> None:
    async with answer_server(200, b'{"scopes":["mail.send"]}') as proxy:
        settings = SendGridSettings(base_url="http://sendgrid.invalid")
        check = await check_scopes(settings, KEY, 5.0, proxy)

    assert check.verdict == "may_send"
