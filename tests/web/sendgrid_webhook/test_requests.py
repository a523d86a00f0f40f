"""Which requests the webhook refuses, and what becomes of those that break off."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.config import Config, EmailSettings, SendGridSettings
from chesscoach.context import Context
from chesscoach.emails.webhook.signatures import TIMESTAMP, EventSignatures
from chesscoach.errors import ConfigError
from chesscoach.web.sendgrid_webhook import SendGridWebhook
from chesscoach.web.server import start_listener
from tests.conftest import NOON, Clock
from tests.support.emails.webhook_signing import (
    NOON_SECONDS,
    SigningKey,
    event_payload,
    request_body,
)
from tests.web.conftest import OpenWeb
from tests.web.sendgrid_webhook.conftest import (
    ANY_PORT,
    KEY,
    RecordingOutbox,
    WebhookClient,
    remembered_ids,
    suppressed_addresses,
)


def with_key(config: Config, key: str = KEY.public) -> Config:
    return replace(config, emails=EmailSettings(sendgrid=SendGridSettings(events_key=key)))


Request = tuple[bytes, dict[str, str]]
"""The body of a request, and its headers."""

UNSIGNED: dict[str, Callable[[bytes], Request]] = {
    "changed body": lambda body: (body.replace(b"bounce", b"bouncf", 1), KEY.sign(body, NOON)),
    "old": lambda body: (body, KEY.sign(body, NOON - timedelta(hours=24, seconds=1))),
    "other key": lambda body: (body, SigningKey().sign(body, NOON)),
    "no signature": lambda body: (body, {TIMESTAMP: str(NOON_SECONDS)}),
    "no headers": lambda body: (body, {}),
}


@pytest.mark.parametrize("change", UNSIGNED.values(), ids=UNSIGNED.keys())
async def test_a_body_without_a_recent_signature_is_refused_and_writes_nothing(
    webhook: WebhookClient, outbox: RecordingOutbox, db: Any, change: Callable[[bytes], Request]
) -> None:
    body = request_body(event_payload("bounce", "e1", type="bounce", outbox_id="weekly:ann"))

    assert await webhook.post(*change(body)) == 403

    assert (suppressed_addresses(db), remembered_ids(db), outbox.calls) == ({}, set(), 0)
    assert await webhook.post(body, KEY.sign(body, NOON)) == 204
    assert suppressed_addresses(db) == {"ann@example.org": "bounce"}


async def test_a_signed_body_that_is_not_an_array_is_a_bad_request(
    webhook: WebhookClient, db: Any
) -> None:
    for body in (b"", b"{}", b"null", b"[", b"<xml/>", b"\xff\xfe[\x00]\x00"):
        assert await webhook.post(body, KEY.sign(body, NOON)) == 400
    assert remembered_ids(db) == set()
    assert await webhook.post_events() == 204, "an empty batch"


async def test_a_batch_may_be_as_large_as_sendgrids_and_no_larger(
    webhook: WebhookClient, db: Any
) -> None:
    many = [
        event_payload("bounce", f"e{n}", type="bounce", email=f"u{n}@x.org") for n in range(4000)
    ]
    assert len(request_body(*many)) > 2**19
    assert await webhook.post_events(*many) == 204
    assert len(suppressed_addresses(db)) == 4000

    padding = " " * (2**20 - len(request_body("")))
    assert await webhook.post_events(padding) == 204
    assert await webhook.post_events(padding + " ") == 413
    body = b"[" + b" " * 2**21
    assert await webhook.post(body, KEY.sign(body, NOON)) == 413


@pytest.mark.parametrize("collection", ["email_suppressions", "email_events"])
async def test_while_the_store_fails_sendgrid_gets_a_503(
    webhook: WebhookClient, db: Any, capsys: pytest.CaptureFixture[str], collection: str
) -> None:
    event = event_payload("spamreport", "e1")
    db.command("collMod", collection, validator={"never": {"$exists": True}})
    assert await webhook.post_events(event) == 503
    assert remembered_ids(db) == set()
    output = "".join(capsys.readouterr())
    assert '"event": "webhook_failed"' in output
    assert "example.org" not in output.lower()

    db.command("collMod", collection, validator={})
    assert await webhook.post_events(event) == 204
    assert suppressed_addresses(db) == {"ann@example.org": "spam_report"}


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        (b"Content-Length: 1000", b""),
        (b"Transfer-Encoding: chunked", b""),
        (b"Transfer-Encoding: chunked", b"zzz\r\nzzz"),
    ],
)
async def test_a_sender_that_disconnects_or_sends_nonsense_causes_no_error(
    webhook: WebhookClient,
    ctx: Context,
    capsys: pytest.CaptureFixture[str],
    head: bytes,
    rest: bytes,
) -> None:
    host, port = webhook.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    start = b"POST /events/sendgrid HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
    writer.write(start + head + b"\r\n\r\n")
    assert b"100" in await reader.readuntil(b"\r\n\r\n")  # the handler is at it
    writer.write(b"5\r\n[half\r\n" + rest)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(30):
        while not (statuses := _statuses(ctx)):
            await asyncio.sleep(0.01)

    assert statuses == {"400"}
    assert "request_failed" not in "".join(capsys.readouterr())


def _statuses(ctx: Context) -> set[str]:
    (family,) = ctx.metrics.http_requests.collect()
    return {sample.labels["status"] for sample in family.samples}


async def test_an_incomplete_body_is_refused_after_the_time_limit(ctx: Context) -> None:
    signatures = EventSignatures(KEY.public, Clock(NOON))
    events = SendGridWebhook(
        signatures,
        ctx.emails.suppressions,
        RecordingOutbox(),
        ctx.metrics,
        Clock(NOON),
        body_s=0.05,
    )
    async with start_listener("public", ANY_PORT, events.routes(), ctx.metrics) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /events/sendgrid HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n[")
        assert b" 408 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_refusals_do_not_fill_the_log(
    webhook: WebhookClient, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(20):
        assert await webhook.post(b"[]", {}) == 403

    assert "".join(capsys.readouterr()).count("events_refused") == 1


async def test_without_a_key_or_on_the_operators_listener_there_is_no_such_route(
    ctx: Context, open_web_server: OpenWeb
) -> None:
    keyless, ask = (
        await open_web_server(ctx),
        await open_web_server(replace(ctx, config=with_key(ctx.config))),
    )

    assert (await keyless("/events/sendgrid", "public", "POST")).status == 404
    assert (await ask("/events/sendgrid", "admin", "POST")).status == 404
    assert (await ask("/events/sendgrid", "public", "POST")).status == 403
    assert (await ask("/events/sendgrid", "public", "GET")).status == 405


async def test_a_malformed_key_stops_the_start_by_name(
    ctx: Context, open_web_server: OpenWeb
) -> None:
    with pytest.raises(ConfigError, match=r"emails\.sendgrid\.events_key"):
        await open_web_server(replace(ctx, config=with_key(ctx.config, "planted")))
