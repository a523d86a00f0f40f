"""SendGrid as a transport: deadlines, connections, addresses and proxies."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from chesscoach.config import SendGridSettings
from chesscoach.emails.transports.sendgrid import SendGridTransport
from chesscoach.emails.transports.sendgrid_scopes import check_scopes
from chesscoach.emails.transports.transport import SendResult, Transport
from tests.emails.transports.conftest import (
    KEY,
    NOW,
    SENDER,
    answer_server,
    make_message,
    send_one,
    sendgrid_transport,
)
from tests.support.fake_sendgrid import FakeSendGrid, SendGridFault
from tests.support.scheduling import wait_until
from tests.support.scripted_server import read_request, scripted_server
from tests.support.sources.server import http_server


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


@pytest.mark.parametrize("fault", ["hang", "late"])
async def test_no_response_by_the_deadline_is_unknown(
    fault: SendGridFault, sendgrid: FakeSendGrid
) -> None:
    sendgrid.faults.append(fault)
    delivery = await send_one(sendgrid.url, timeout_s=3.0)
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
        sendgrid_transport(sendgrid.url, in_flight=1, timeout_s=60, lease_s=600) as out,
        asyncio.TaskGroup() as group,
    ):
        holder = group.create_task(out.send(make_message()))
        async with asyncio.timeout(30):
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


async def test_a_cancelled_caller_gets_the_cancellation(sendgrid: FakeSendGrid) -> None:
    sendgrid.faults.append("hang")
    async with sendgrid_transport(sendgrid.url) as out:
        task = asyncio.create_task(out.send(make_message()))
        async with asyncio.timeout(30):
            while not sendgrid.in_flight:
                await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_no_more_are_in_flight_than_allowed(sendgrid: FakeSendGrid) -> None:
    sendgrid.released.clear()
    async with sendgrid_transport(sendgrid.url, in_flight=5) as out:
        emails = [make_message(outbox_id=f"weekly_summary:u{n}:2026-W47") for n in range(60)]
        sending = asyncio.gather(*(out.send(one) for one in emails))
        await wait_until(lambda: sendgrid.in_flight >= 5)
        sendgrid.delay_s = 0.03
        sendgrid.released.set()
        deliveries = await sending
    assert {one.verdict for one in deliveries} == {"accepted"}
    assert sendgrid.max_in_flight == 5
    assert len({one.outbox_id for one in sendgrid.accepted}) == 60


async def test_a_redirect_does_not_forward_the_key() -> None:
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


def test_the_log_names_the_destination_of_emails() -> None:
    out: Transport = sendgrid_transport("https://api.sendgrid.com")
    assert out.describe() == "SendGrid at https://api.sendgrid.com"
    assert not out.repeatable
    assert out.in_flight == 20
    sandboxed = sendgrid_transport("https://api.sendgrid.com", sandbox=True)
    assert sandboxed.describe().endswith(", sandbox: nothing is sent")


# Behind a proxy


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
