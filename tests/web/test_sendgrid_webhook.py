import asyncio
import io
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from chesscoach.config import Config, EmailSettings, ListenAddress, SendGridSettings
from chesscoach.context import Context
from chesscoach.emails.webhook.signatures import TIMESTAMP, EventSignatures
from chesscoach.errors import ConfigError, StoreFailed
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

KEY = SigningKey()
ANY_PORT = ListenAddress(host="127.0.0.1", port=0)


class RecordingOutbox:
    """An outbox that keeps what it hears; it may fail once."""

    def __init__(self) -> None:
        self.accepted: dict[str, datetime] = {}
        self.calls = 0
        self.failing = False

    async def confirm_accepted(self, accepted: Mapping[str, datetime]) -> int:
        """Takes it in."""
        self.calls += 1
        if self.failing:
            self.failing = False
            raise StoreFailed("MongoDB refused an operation")
        self.accepted |= accepted
        return len(accepted)


class WebhookClient:
    """SendGrid's side."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        """The status that a request gets."""
        async with self._session.post(
            f"{self.url}/events/sendgrid", data=io.BytesIO(body), headers=headers
        ) as response:
            await response.read()
            return response.status

    async def post_events(self, *events: object, at: datetime = NOON) -> int:
        """The status that a signed batch gets."""
        body = request_body(*events)
        return await self.post(body, KEY.sign(body, at))


def with_key(config: Config, key: str = KEY.public) -> Config:
    return replace(config, emails=EmailSettings(sendgrid=SendGridSettings(events_key=key)))


@pytest.fixture
def outbox() -> RecordingOutbox:
    """What has been heard of emails."""
    return RecordingOutbox()


@pytest.fixture
async def webhook(ctx: Context, outbox: RecordingOutbox) -> AsyncIterator[WebhookClient]:
    """The public listener with an events key, at noon."""
    signatures = EventSignatures(KEY.public, Clock(NOON))
    events = SendGridWebhook(signatures, ctx.emails.suppressions, outbox, ctx.metrics, Clock(NOON))
    routes = events.routes()
    async with (
        start_listener("public", ANY_PORT, routes, ctx.metrics) as url,
        aiohttp.ClientSession() as session,
    ):
        yield WebhookClient(session, url)


def suppressed_addresses(db: Any) -> dict[str, str]:
    return {row["_id"]: row["reason"] for row in db.email_suppressions.find()}


def remembered_ids(db: Any) -> set[str]:
    return {row["_id"] for row in db.email_events.find()}


def event_counts(ctx: Context, kind: str) -> float:
    labels = {"event": kind}
    found = ctx.metrics.registry.get_sample_value("chesscoach_email_events_total", labels)
    return found or 0


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
async def test_what_sendgrid_has_not_just_signed_is_refused_and_writes_nothing(
    webhook: WebhookClient, outbox: RecordingOutbox, db: Any, change: Callable[[bytes], Request]
) -> None:
    body = request_body(event_payload("bounce", "e1", type="bounce", outbox_id="weekly:ann"))

    assert await webhook.post(*change(body)) == 403

    assert (suppressed_addresses(db), remembered_ids(db), outbox.calls) == ({}, set(), 0)
    assert await webhook.post(body, KEY.sign(body, NOON)) == 204
    assert suppressed_addresses(db) == {"ann@example.org": "bounce"}


async def test_a_suppression_says_when_and_by_which_event(webhook: WebhookClient, db: Any) -> None:
    await webhook.post_events(event_payload("spamreport", "e1", timestamp=NOON_SECONDS - 60))

    assert db.email_suppressions.find_one() == {
        "_id": "ann@example.org",
        "reason": "spam_report",
        "at": NOON - timedelta(minutes=1),
        "event_id": "e1",
    }
    assert db.email_events.find_one() == {"_id": "e1", "at": NOON}


async def test_the_outbox_hears_of_each_email_that_sendgrid_has(
    webhook: WebhookClient, outbox: RecordingOutbox
) -> None:
    later = {"timestamp": NOON_SECONDS + 9}
    await webhook.post_events(
        event_payload("delivered", "e1", outbox_id="one", **later),
        event_payload("processed", "e2", outbox_id="one"),
        event_payload("delivered", "e3", outbox_id="two"),
        event_payload("bounce", "e4", outbox_id="three", type="blocked"),
        event_payload("processed", "e5"),
        event_payload("processed", "e6", outbox_id=7),
        event_payload("processed", "e7", outbox_id=""),
    )

    assert outbox.accepted == {"one": NOON, "two": NOON, "three": NOON}


async def test_the_same_batch_again_or_in_another_order_does_nothing_more(
    webhook: WebhookClient, outbox: RecordingOutbox, ctx: Context, db: Any
) -> None:
    events = [
        event_payload("spamreport", "e1", timestamp=NOON_SECONDS + 9),
        event_payload("bounce", "e2", type="bounce", email="bob@example.org"),
        event_payload("processed", "e3", outbox_id="one"),
        event_payload("delivered", "e4", outbox_id="one"),
    ]
    assert await webhook.post_events(*reversed(events), events[0]) == 204
    was = (list(db.email_events.find()), dict(outbox.accepted), 1)
    await ctx.emails.suppressions.remove("bob@example.org")

    for order in (events, events[::-1], events[1:3]):
        assert await webhook.post_events(*order, at=NOON - timedelta(hours=1)) == 204

    assert suppressed_addresses(db) == {"ann@example.org": "spam_report"}
    assert (list(db.email_events.find()), outbox.accepted, outbox.calls) == was
    assert {event_counts(ctx, kind) for kind in ("spamreport", "bounce", "processed")} == {1}
    assert event_counts(ctx, "duplicate") == 1 + 4 + 4 + 2


async def test_garbage_in_a_batch_is_skipped_and_counted_and_the_rest_taken(
    webhook: WebhookClient, ctx: Context, db: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    garbage = [None, 7, {}, event_payload("", "g"), {**event_payload("bounce", "g"), "event": 7}]
    good = event_payload("bounce", "e1", type="bounce", extra={"deep": [1, {"$set": 2}]})

    assert (
        await webhook.post_events(*garbage, good, event_payload("bounce", "e2", email=7), *garbage)
        == 204
    )

    assert suppressed_addresses(db) == {"ann@example.org": "bounce"}
    assert remembered_ids(db) == {"e1", "e2"}
    assert event_counts(ctx, "unreadable") == 2 * len(garbage)
    output = "".join(capsys.readouterr())
    assert '"event": "events_skipped"' in output
    assert "example.org" not in output.lower()


async def test_events_without_an_id_or_with_a_text_as_timestamp_act_once(
    webhook: WebhookClient, outbox: RecordingOutbox, ctx: Context, db: Any
) -> None:
    nameless = event_payload("bounce", "e", type="bounce", outbox_id="one")
    del nameless["sg_event_id"]
    text = event_payload("spamreport", "e2", email="bob@example.org") | {"timestamp": "soon"}

    for _ in range(2):
        assert await webhook.post_events(nameless, text) == 204

    assert suppressed_addresses(db).keys() == {"ann@example.org", "bob@example.org"}
    assert outbox.accepted == {"one": NOON}
    counts = [event_counts(ctx, kind) for kind in ("bounce", "spamreport", "duplicate")]
    assert counts == [1, 1, 2]


async def test_bytes_that_are_no_json_cost_their_element_of_a_signed_batch(
    webhook: WebhookClient, ctx: Context, db: Any
) -> None:
    good = request_body(event_payload("bounce", "e1", type="bounce")).strip()[1:-1]
    spoilt = (
        b'{"event": "bounce", "email": "\xff@x.org", "sg_event_id": "e2", "type": "bounce"}',
        b'{"event": "open", "sg_event_id": "\\ud800", "score": NaN}',
        b"{broken}",
        b"[" * 100_000 + b"]" * 100_000,
    )
    body = b"\xef\xbb\xbf[" + b",\r\n".join((*spoilt, good)) + b"]\r\n"

    assert await webhook.post(body, KEY.sign(body, NOON)) == 204

    assert suppressed_addresses(db) == {"ann@example.org": "bounce"}
    assert event_counts(ctx, "unreadable") == 2
    assert event_counts(ctx, "open") == 1


async def test_emails_that_sendgrid_did_not_send_are_reported_to_operators_without_an_address(
    webhook: WebhookClient, db: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await webhook.post_events(
        event_payload("dropped", "e1", reason="Spam Content (if spam checker app enabled)"),
        event_payload("dropped", "e2", reason="for ann@example.org"),
        event_payload("dropped", "e3", reason="Bounced Address"),
    )

    (line,) = [line for line in capsys.readouterr().out.splitlines() if "emails_dropped" in line]
    assert '"count": 2' in line
    assert "Spam Content" in line
    assert "ann@example.org" not in line
    assert suppressed_addresses(db) == {"ann@example.org": "drop"}


async def test_a_signed_body_that_is_no_array_is_a_bad_request(
    webhook: WebhookClient, db: Any
) -> None:
    for body in (b"", b"{}", b"null", b"[", b"<xml/>", b"\xff\xfe[\x00]\x00"):
        assert await webhook.post(body, KEY.sign(body, NOON)) == 400
    assert remembered_ids(db) == set()
    assert await webhook.post_events() == 204, "an empty batch"


async def test_kinds_that_we_do_not_know_are_one_in_the_metrics(
    webhook: WebhookClient, ctx: Context
) -> None:
    await webhook.post_events(
        *(event_payload(f"new{n}", f"e{n}") for n in range(50)), event_payload("open", "o")
    )

    assert [event_counts(ctx, kind) for kind in ("other", "open", "new1")] == [50, 1, 0]


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


async def test_a_batch_that_failed_between_two_writes_is_taken_when_it_comes_again(
    webhook: WebhookClient, outbox: RecordingOutbox, ctx: Context, db: Any
) -> None:
    events = (
        event_payload("bounce", "e1", type="bounce"),
        event_payload("processed", "e2", outbox_id="one"),
    )
    outbox.failing = True

    assert await webhook.post_events(*events) == 503
    assert (remembered_ids(db), outbox.accepted, event_counts(ctx, "bounce")) == (set(), {}, 0)

    assert await webhook.post_events(*events) == 204
    assert (remembered_ids(db), outbox.accepted) == ({"e1", "e2"}, {"one": NOON})
    assert suppressed_addresses(db) == {"ann@example.org": "bounce"}
    assert event_counts(ctx, "bounce") == 1


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
async def test_a_sender_who_breaks_off_or_sends_nonsense_is_no_failure_of_ours(
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
    async with asyncio.timeout(10):
        while not (statuses := _statuses(ctx)):
            await asyncio.sleep(0.01)

    assert statuses == {"400"}
    assert "request_failed" not in "".join(capsys.readouterr())


def _statuses(ctx: Context) -> set[str]:
    (family,) = ctx.metrics.http_requests.collect()
    return {sample.labels["status"] for sample in family.samples}


async def test_a_body_that_does_not_come_to_its_end_is_not_waited_for(ctx: Context) -> None:
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


async def test_a_key_that_is_none_stops_the_start_by_name(
    ctx: Context, open_web_server: OpenWeb
) -> None:
    with pytest.raises(ConfigError, match=r"emails\.sendgrid\.events_key"):
        await open_web_server(replace(ctx, config=with_key(ctx.config, "planted")))
