"""The fake SendGrid follows the documentation of the real one."""

import copy
import io
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sendgrid.helpers.eventwebhook import EventWebhook

from tests.support.fake_sendgrid import FakeSendGrid
from tests.support.fake_sendgrid.server import KEY
from tests.support.fake_sendgrid.validation import MAX_BYTES, field_errors

VALID_EMAIL: dict[str, Any] = {
    "personalizations": [
        {
            "to": [{"email": "ann@example.org"}],
            "headers": {"List-Unsubscribe": "<https://coach.example.org/u/1>"},
            "custom_args": {"outbox_id": "weekly_summary:u1:2026-W47"},
        }
    ],
    "from": {"email": "coach@example.org", "name": "Chess Coach"},
    "subject": "Your week",
    "content": [{"type": "text/plain", "value": "Hi"}, {"type": "text/html", "value": "<p>Hi"}],
    "categories": ["weekly_summary"],
}
SANDBOX = {"mail_settings": {"sandbox_mode": {"enable": True}}}
MISSING = object()


class SendGridClient:
    """A plain client of the fake."""

    def __init__(self, session: aiohttp.ClientSession, sendgrid: FakeSendGrid) -> None:
        self.session = session
        self.sendgrid = sendgrid

    async def post(
        self, body: object = VALID_EMAIL, **changes: Any
    ) -> tuple[int, str, dict[str, str]]:
        """The status, body and headers of a response."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        url = f"{self.sendgrid.url}/v3/mail/send"
        async with self.session.post(
            url, data=io.BytesIO(data), headers=headers | changes, allow_redirects=False
        ) as response:
            return response.status, await response.text(), dict(response.headers)


@pytest.fixture
async def client() -> AsyncIterator[SendGridClient]:
    """A client with a session, and the fake that it asks."""
    fake = FakeSendGrid()
    async with fake.serve(), aiohttp.ClientSession() as session:
        yield SendGridClient(session, fake)


def recipients(count: int, first: int = 0) -> list[dict[str, str]]:
    return [{"email": f"p{n}@example.org"} for n in range(first, first + count)]


def changed_email(*changes: tuple[str, Any]) -> dict[str, Any]:
    """A copy of the valid email with values set, or removed, at dotted paths."""
    email: Any = copy.deepcopy(VALID_EMAIL)
    for path, value in changes:
        *parents, name = path.replace("personal.", "personalizations.0.").split(".")
        target = email
        for step in parents:
            target = target[int(step)] if step.isdigit() else target[step]
        if value is MISSING:
            del target[name]
        else:
            target[name] = value
    changed: dict[str, Any] = email
    return changed


async def test_a_valid_email_is_accepted_and_kept(client: SendGridClient) -> None:
    before = time.time()
    status, text, headers = await client.post()
    [accepted] = client.sendgrid.accepted
    assert (status, text, headers["X-Message-Id"]) == (202, "", accepted.message_id)
    assert (accepted.outbox_id, accepted.to) == ("weekly_summary:u1:2026-W47", "ann@example.org")
    assert (accepted.subject, accepted.payload) == ("Your week", VALID_EMAIL)
    assert before <= accepted.at <= time.time()


async def test_sandbox_mode_checks_and_keeps_nothing(client: SendGridClient) -> None:
    assert (await client.post(VALID_EMAIL | SANDBOX))[0] == 200
    assert (await client.post(VALID_EMAIL | SANDBOX | {"subject": ""}))[0] == 400
    assert (client.sendgrid.accepted, client.sendgrid.sandboxed) == ([], 1)


@pytest.mark.parametrize("key", ["", KEY, "Bearer ", "Bearer SG.other", f"bearer{KEY}"])
async def test_a_wrong_key_is_a_401(key: str, client: SendGridClient) -> None:
    status, text, _ = await client.post(Authorization=key)
    assert (status, "authorization grant is invalid" in text) == (401, True)


async def test_it_lists_the_scopes_of_its_key_and_of_no_other(client: SendGridClient) -> None:
    url = f"{client.sendgrid.url}/v3/scopes"
    for key, expected in ((KEY, 200), ("SG.other", 401)):
        headers = {"Authorization": f"Bearer {key}"}
        async with client.session.get(url, headers=headers) as response:
            body = await response.json()
        assert response.status == expected
        assert ("mail.send" in body.get("scopes", [])) is (expected == 200)
    assert (client.sendgrid.scope_requests, client.sendgrid.requests) == (2, 0)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
async def test_a_body_that_is_not_an_object_is_a_400(body: bytes, client: SendGridClient) -> None:
    assert (await client.post(body))[0] == 400


async def test_thirty_megabytes_are_too_much(client: SendGridClient) -> None:
    def email_of_size(size: int) -> bytes:
        content = [{"type": "text/plain", "value": ""}]
        content[0]["value"] = "x" * (size - len(json.dumps(VALID_EMAIL | {"content": content})))
        return json.dumps(VALID_EMAIL | {"content": content}).encode()

    status, text, _ = await client.post(email_of_size(MAX_BYTES))
    assert (status, text.startswith("<html>")) == (413, True)
    assert (await client.post(email_of_size(MAX_BYTES - 1)))[0] == 202


INVALID: list[tuple[str, str, Any]] = [
    ("nonsense", "nonsense", 1),
    ("from", "from", MISSING),
    ("from.email", "from.email", MISSING),
    ("from.email", "from.email", "no-at-sign"),
    ("from.email", "from.email", "jörg@example.org"),
    ("from.name", "from.name", "Coach, Chess"),
    ("from.name", "from.name", "Coach; Chess"),
    ("subject", "subject", MISSING),
    ("subject", "subject", ""),
    ("personalizations", "personalizations", MISSING),
    ("personalizations", "personalizations", []),
    ("personalizations", "personalizations", [{"to": recipients(501), "cc": recipients(500, 501)}]),
    ("personalizations", "personal.cc", [{"email": "ANN@example.org"}]),
    ("personalizations.0.to", "personal.to", MISSING),
    ("personalizations.0.to", "personal.to", []),
    ("personalizations.0.to.0", "personal.to", ["ann@example.org"]),
    ("personalizations.0.to.0.email", "personal.to.0.email", "a,b@c"),
    ("personalizations.0.to.0.email", "personal.to.0.email", "A <a@c>"),
    ("personalizations.0.to.0.name", "personal.to.0.name", "A, B"),
    ("personalizations.0.nonsense", "personal.nonsense", 1),
    ("personalizations.0.headers", "personal.headers", []),
    ("personalizations.0.headers.To", "personal.headers.To", "x"),
    ("personalizations.0.headers.X-A", "personal.headers.X-A", 1),
    ("headers.reply-to", "headers", {"reply-to": "x"}),
    ("headers.DKIM-Signature", "headers", {"DKIM-Signature": "x"}),
    ("headers.X-Ä", "headers", {"X-Ä": "x"}),
    ("personalizations.0.custom_args.n", "personal.custom_args.n", 1),
    ("personalizations.0.custom_args", "personal.custom_args.n", "x" * 9970),
    ("custom_args", "custom_args", {"n": "x"}),  # the published schema says: a string
    ("content", "content", MISSING),
    ("content", "content", []),
    ("content", "content", VALID_EMAIL["content"][::-1]),
    ("content.0.value", "content.0.value", ""),
    ("content.1.type", "content.1.type", MISSING),
    ("categories", "categories", "weekly_summary"),
    ("categories", "categories", ["a", "a"]),
    ("categories", "categories", [str(n) for n in range(11)]),
    ("categories.0", "categories", ["x" * 256]),
    ("mail_settings.sandbox_mode.enable", "mail_settings", {"sandbox_mode": {"enable": "true"}}),
]


def test_each_rule_names_its_field() -> None:
    for field, path, value in INVALID:
        assert [name for _, name in field_errors(changed_email((path, value)))] == [field], path


VALID: list[list[tuple[str, Any]]] = [
    [("personalizations", [{"to": [recipient]} for recipient in recipients(1000)])],
    [("personal.to", recipients(500)), ("personal.bcc", recipients(500, 500))],
    [("personal.subject", "Your week"), ("subject", MISSING)],
    [("template_id", "d-1"), ("content", MISSING), ("subject", MISSING)],
    [("categories", [*map(str, range(9)), "x" * 255])],
    [("personal.custom_args.n", "x" * 9900)],
    [("from.name", "Zürich ♔")],
]


def test_a_payload_within_the_limits_is_valid() -> None:
    assert [field_errors(changed_email(*changes)) for changes in VALID] == [[]] * len(VALID)


async def test_a_batch_of_events_is_signed_over_its_very_bytes(client: SendGridClient) -> None:
    received: list[tuple[str, Any]] = []

    async def receive(request: web.Request) -> web.Response:
        received.append(((await request.read()).decode(), request.headers))
        return web.Response(status=204)

    await client.post()
    [accepted] = client.sendgrid.accepted
    event = client.sendgrid.processed_event(accepted)
    assert (event["outbox_id"], event["email"]) == (accepted.outbox_id, "ann@example.org")
    assert event["sg_message_id"].startswith(f"{accepted.message_id}.")

    app = web.Application()
    app.router.add_post("/events", receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
        before = time.time()
        assert await client.sendgrid.report(url, [event, event]) == 204
        after = time.time()
    finally:
        await runner.cleanup()

    [(body, headers)] = received
    webhook = EventWebhook(client.sendgrid.events_key)
    signature = headers["X-Twilio-Email-Event-Webhook-Signature"]
    timestamp = headers["X-Twilio-Email-Event-Webhook-Timestamp"]
    assert webhook.verify_signature(body, signature, timestamp)
    assert not webhook.verify_signature(body.strip(), signature, timestamp)
    assert int(before) <= int(timestamp) <= after
    assert json.loads(body) == [event, event]
    assert body.count("\r\n") == 2
