"""The stand-in for SendGrid behaves as the real one is documented to."""

import asyncio
import base64
import copy
import io
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sendgrid.helpers.eventwebhook import EventWebhook

from chesscoach.demo.fake_sendgrid import FakeSendGrid, SendGridFault
from chesscoach.demo.fake_sendgrid.validation import MAX_BYTES
from chesscoach.demo.fake_sendgrid.webhook import SIGNATURE, TIMESTAMP, EventKind, batch, event

KEY = "SG.tests"
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
Change = Callable[[dict[str, Any]], object]


class Client:
    """A plain client of the stand-in."""

    def __init__(self, session: aiohttp.ClientSession, sendgrid: FakeSendGrid) -> None:
        self.session = session
        self.sendgrid = sendgrid

    async def post(
        self, body: object = VALID_EMAIL, **changes: Any
    ) -> tuple[int, str, dict[str, str]]:
        """The status, body and headers of a reply."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        url = f"{self.sendgrid.url}/v3/mail/send"
        async with self.session.post(
            url, data=io.BytesIO(data), headers=headers | changes, allow_redirects=False
        ) as response:
            return response.status, await response.text(), dict(response.headers)

    async def invalid_fields(self, change: Change) -> list[str | None]:
        """The fields that a 400 names after a change of the good mail."""
        mail = copy.deepcopy(VALID_EMAIL)
        change(mail)
        status, text, _ = await self.post(mail)
        if status == 202:
            return []
        assert status == 400
        return [error["field"] for error in json.loads(text)["errors"]]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A client with a session, and the stand-in that it asks."""
    stand_in = FakeSendGrid(key=KEY)
    async with stand_in.serve(), aiohttp.ClientSession() as session:
        yield Client(session, stand_in)


async def wait_until(true: Callable[[], bool]) -> None:
    """Waits for something that happens in the stand-in."""
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.001)


def recipients(count: int, first: int = 0) -> list[dict[str, str]]:
    return [{"email": f"p{n}@example.org"} for n in range(first, first + count)]


def only_personalization(mail: dict[str, Any]) -> dict[str, Any]:
    """The only personalization."""
    listed: list[dict[str, Any]] = mail["personalizations"]
    return listed[0]


async def test_a_good_mail_is_taken_and_kept(client: Client) -> None:
    before = time.time()
    status, text, headers = await client.post()
    [taken] = client.sendgrid.accepted
    assert (status, text, headers["X-Message-Id"]) == (202, "", taken.message_id)
    assert (taken.outbox_id, taken.to) == ("weekly_summary:u1:2026-W47", "ann@example.org")
    assert (taken.subject, taken.payload) == ("Your week", VALID_EMAIL)
    assert before <= taken.at <= time.time()


async def test_sandbox_mode_checks_and_keeps_nothing(client: Client) -> None:
    sandbox = {"mail_settings": {"sandbox_mode": {"enable": True}}}
    assert (await client.post(VALID_EMAIL | sandbox))[0] == 200
    assert (await client.post(VALID_EMAIL | sandbox | {"subject": ""}))[0] == 400
    assert (client.sendgrid.accepted, client.sendgrid.sandboxed) == ([], 1)


@pytest.mark.parametrize("key", ["", KEY, "Bearer ", "Bearer SG.other", f"bearer{KEY}"])
async def test_a_wrong_key_is_a_401(key: str, client: Client) -> None:
    status, text, _ = await client.post(Authorization=key)
    assert (status, "authorization grant is invalid" in text) == (401, True)


async def test_it_tells_what_its_key_may_do_and_nobody_else(client: Client) -> None:
    url = f"{client.sendgrid.url}/v3/scopes"
    for key, expected in ((KEY, 200), ("SG.other", 401)):
        headers = {"Authorization": f"Bearer {key}"}
        async with client.session.get(url, headers=headers) as response:
            told = await response.json()
        assert response.status == expected
        assert ("mail.send" in told.get("scopes", [])) is (expected == 200)
    assert (client.sendgrid.asked, client.sendgrid.requests) == (2, 0)


async def test_a_body_that_is_not_told_to_be_json_is_a_415(client: Client) -> None:
    assert (await client.post(**{"Content-Type": "text/plain"}))[0] == 415


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff"])
async def test_a_body_that_is_no_object_is_a_400(body: bytes, client: Client) -> None:
    assert (await client.post(body))[0] == 400


async def test_thirty_megabytes_are_too_much(client: Client) -> None:
    def weighing(size: int) -> bytes:
        empty = {**VALID_EMAIL, "content": [{"type": "text/plain", "value": ""}]}
        room = size - len(json.dumps(empty))
        return json.dumps(
            {**VALID_EMAIL, "content": [{"type": "text/plain", "value": "x" * room}]}
        ).encode()

    status, text, _ = await client.post(weighing(MAX_BYTES))
    assert (status, text.startswith("<html>")) == (413, True)
    assert (await client.post(weighing(MAX_BYTES - 1)))[0] == 202


async def test_a_sender_that_it_does_not_know_is_a_403(client: Client) -> None:
    client.sendgrid.senders = frozenset({"other@example.org"})
    assert (await client.post())[0] == 403
    client.sendgrid.senders = frozenset({"coach@example.org"})
    assert (await client.post())[0] == 202


RULES: list[tuple[str, Change]] = [
    ("nonsense", lambda mail: mail.update(nonsense=1)),
    ("from", lambda mail: mail.pop("from")),
    ("from.email", lambda mail: mail["from"].pop("email")),
    ("from.email", lambda mail: mail["from"].update(email="nobody")),
    ("from.email", lambda mail: mail["from"].update(email="jörg@example.org")),
    ("from.name", lambda mail: mail["from"].update(name="Coach, Chess")),
    ("from.name", lambda mail: mail["from"].update(name="Coach; Chess")),
    ("subject", lambda mail: mail.pop("subject")),
    ("subject", lambda mail: mail.update(subject="")),
    ("personalizations", lambda mail: mail.pop("personalizations")),
    ("personalizations", lambda mail: mail.update(personalizations=[])),
    (
        "personalizations",
        lambda mail: mail.update(personalizations=[{"to": [who]} for who in recipients(1001)]),
    ),
    (
        "personalizations",
        lambda mail: only_personalization(mail).update(to=recipients(501), cc=recipients(500, 501)),
    ),
    (
        "personalizations",
        lambda mail: only_personalization(mail).update(cc=[{"email": "ANN@example.org"}]),
    ),
    ("personalizations", lambda mail: mail["personalizations"].append(only_personalization(mail))),
    ("personalizations.0.to", lambda mail: only_personalization(mail).pop("to")),
    ("personalizations.0.to", lambda mail: only_personalization(mail).update(to=[])),
    (
        "personalizations.0.to.0",
        lambda mail: only_personalization(mail).update(to=["ann@example.org"]),
    ),
    (
        "personalizations.0.to.0.email",
        lambda mail: only_personalization(mail)["to"][0].update(email="a,b@c"),
    ),
    (
        "personalizations.0.to.0.email",
        lambda mail: only_personalization(mail)["to"][0].update(email="A <a@c>"),
    ),
    (
        "personalizations.0.to.0.name",
        lambda mail: only_personalization(mail)["to"][0].update(name="A, B"),
    ),
    ("personalizations.0.nonsense", lambda mail: only_personalization(mail).update(nonsense=1)),
    ("personalizations.0.headers", lambda mail: only_personalization(mail).update(headers=[])),
    (
        "personalizations.0.headers.To",
        lambda mail: only_personalization(mail)["headers"].update(To="x"),
    ),
    (
        "personalizations.0.headers.X-A",
        lambda mail: only_personalization(mail)["headers"].update({"X-A": 1}),
    ),
    ("headers.reply-to", lambda mail: mail.update(headers={"reply-to": "x"})),
    ("headers.DKIM-Signature", lambda mail: mail.update(headers={"DKIM-Signature": "x"})),
    (
        "personalizations.0.custom_args",
        lambda mail: only_personalization(mail)["custom_args"].update(n=1),
    ),
    (
        "personalizations.0.custom_args",
        lambda mail: only_personalization(mail)["custom_args"].update(n="x" * 9970),
    ),
    ("personalizations.0.custom_args", lambda mail: mail.update(custom_args={"n": "x" * 9970})),
    ("content", lambda mail: mail.pop("content")),
    ("content", lambda mail: mail.update(content=[])),
    ("content", lambda mail: mail["content"].reverse()),
    ("content.0.value", lambda mail: mail["content"][0].update(value="")),
    ("content.1.type", lambda mail: mail["content"][1].pop("type")),
    ("categories", lambda mail: mail.update(categories="weekly_summary")),
    ("categories", lambda mail: mail.update(categories=["a", "a"])),
    ("categories", lambda mail: mail.update(categories=[str(n) for n in range(11)])),
    ("categories", lambda mail: mail.update(categories=["x" * 256])),
    (
        "mail_settings.sandbox_mode.enable",
        lambda mail: mail.update(mail_settings={"sandbox_mode": {"enable": "true"}}),
    ),
]


@pytest.mark.parametrize(("field", "change"), RULES, ids=range(len(RULES)))
async def test_each_rule_is_enforced(field: str, change: Change, client: Client) -> None:
    assert await client.invalid_fields(change) == [field]
    assert client.sendgrid.accepted == []


ALLOWED: list[Change] = [
    lambda mail: mail.update(personalizations=[{"to": [who]} for who in recipients(1000)]),
    lambda mail: only_personalization(mail).update(to=recipients(500), bcc=recipients(500, 500)),
    lambda mail: only_personalization(mail).update(subject=mail.pop("subject")),
    lambda mail: (mail.update(template_id="d-1"), mail.pop("content"), mail.pop("subject")),
    lambda mail: mail.update(categories=[str(n) for n in range(9)] + ["x" * 255]),
    lambda mail: only_personalization(mail)["custom_args"].update(n="x" * 9900),
    lambda mail: mail["from"].update(name="Zürich ♔"),
]


@pytest.mark.parametrize("change", ALLOWED, ids=range(len(ALLOWED)))
async def test_what_is_within_the_limits_is_taken(change: Change, client: Client) -> None:
    assert await client.invalid_fields(change) == []


ANSWERED: list[tuple[SendGridFault, int]] = [
    ("400", 400), ("401", 401), ("403", 403), ("404", 404), ("413", 413), ("429", 429),
    ("500", 500), ("503", 503), ("302", 302), ("credits", 401), ("html", 200),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "status"), ANSWERED)
async def test_a_fault_answers_one_request(
    fault: SendGridFault, status: int, client: Client
) -> None:
    client.sendgrid.faults.extend([None, fault])
    assert [(await client.post())[0] for _ in range(3)] == [202, status, 202]
    assert len(client.sendgrid.accepted) == 2


@pytest.mark.parametrize("fault", ["reset", "cut", "garbage", "lost"])
async def test_a_connection_is_cut_before_or_after_a_mail_is_taken(
    fault: SendGridFault, client: Client
) -> None:
    client.sendgrid.faults.append(fault)
    with pytest.raises(aiohttp.ClientError):
        await client.post()
    assert len(client.sendgrid.accepted) == (fault == "lost")


@pytest.mark.parametrize("fault", ["hang", "late"])
async def test_silence_lasts_until_the_client_has_gone(
    fault: SendGridFault, client: Client
) -> None:
    client.sendgrid.faults.append(fault)
    task = asyncio.create_task(client.post())
    await wait_until(lambda: client.sendgrid.in_flight == 1)
    if fault == "late":
        await wait_until(lambda: len(client.sendgrid.accepted) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await wait_until(lambda: client.sendgrid.in_flight == 0)
    assert len(client.sendgrid.accepted) == (fault == "late")


async def test_a_429_tells_when_it_ends(client: Client) -> None:
    client.sendgrid.faults.append("429")
    client.sendgrid.reset_s = 30
    _, text, headers = await client.post()
    assert "too many requests" in text
    assert 28 < int(headers["X-RateLimit-Reset"]) - time.time() < 32


async def test_credits_that_are_used_up_are_a_401_that_says_so(client: Client) -> None:
    client.sendgrid.faults.append("credits")
    assert "Maximum credits exceeded" in (await client.post())[1]


async def test_somebody_may_decide_by_what_is_sent(client: Client) -> None:
    client.sendgrid.decide = lambda mail: "500" if "bob" in str(mail) else None
    bob = {**VALID_EMAIL, "personalizations": [{"to": [{"email": "bob@example.org"}]}]}
    assert [(await client.post(mail))[0] for mail in (VALID_EMAIL, bob, VALID_EMAIL)] == [
        202,
        500,
        202,
    ]


async def test_a_mail_that_arrived_whole_is_taken_though_the_client_has_gone(
    client: Client,
) -> None:
    client.sendgrid.delay_s = 0.1
    task = asyncio.create_task(client.post())
    await wait_until(lambda: client.sendgrid.in_flight == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client.sendgrid.accepted == []
    await wait_until(lambda: len(client.sendgrid.accepted) == 1)


async def test_the_record_has_a_line_for_each_mail_before_the_reply() -> None:
    record = io.StringIO()
    stand_in = FakeSendGrid(key=KEY, keep=False, record=record)
    async with stand_in.serve(), aiohttp.ClientSession() as session:
        client = Client(session, stand_in)
        stand_in.faults.extend([None, "400", "lost"])
        assert [(await client.post())[0] for _ in range(2)] == [202, 400]
        with pytest.raises(aiohttp.ClientError):
            await client.post()
    assert record.getvalue() == "weekly_summary:u1:2026-W47\n" * 2
    assert stand_in.accepted == []


async def test_it_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    record = tmp_path / "record"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chesscoach.demo.fake_sendgrid", "--port", "0", "--delay", "0.05"),
        *("--key", KEY, "--record", str(record)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        stand_in = FakeSendGrid(key=KEY)
        stand_in.url = (await process.stdout.readline()).decode().strip()
        EventWebhook((await process.stdout.readline()).decode().strip())
        async with aiohttp.ClientSession() as session:
            before = time.monotonic()
            assert (await Client(session, stand_in).post())[0] == 202
            assert time.monotonic() - before > 0.05
        text = await asyncio.to_thread(record.read_text, "utf-8")
        assert text == "weekly_summary:u1:2026-W47\n"
    finally:
        process.terminate()
        assert await process.wait() == 0


class Receiver:
    """A webhook on loopback that keeps what it was sent."""

    def __init__(self) -> None:
        self.batches: list[tuple[bytes, dict[str, str]]] = []
        self.url = ""

    async def receive(self, request: web.Request) -> web.Response:
        """Keeps a batch."""
        self.batches.append((await request.read(), dict(request.headers)))
        return web.Response(status=204)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """It listens while a test lasts."""
    hook = Receiver()
    app = web.Application()
    app.router.add_post("/events", hook.receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
    yield hook
    await runner.cleanup()


async def test_a_batch_of_events_is_signed_over_its_very_bytes(
    client: Client, receiver: Receiver
) -> None:
    await client.post()
    [taken] = client.sendgrid.accepted
    told = client.sendgrid.event("processed", taken)
    assert await client.sendgrid.report(receiver.url, [told, told]) == 204
    [(body, headers)] = receiver.batches
    hook = EventWebhook(client.sendgrid.events_key)
    assert hook.verify_signature(body.decode(), headers[SIGNATURE], headers[TIMESTAMP])
    assert not hook.verify_signature(body.decode() + " ", headers[SIGNATURE], headers[TIMESTAMP])
    assert not hook.verify_signature(body.decode().strip(), headers[SIGNATURE], headers[TIMESTAMP])
    assert abs(int(headers[TIMESTAMP]) - time.time()) < 5
    assert json.loads(body) == [told, told]


async def test_an_event_tells_of_its_mail(client: Client) -> None:
    await client.post()
    [taken] = client.sendgrid.accepted
    told = client.sendgrid.event("processed", taken, at=1_795_424_400)
    assert told["outbox_id"] == taken.outbox_id
    assert (told["event"], told["email"]) == ("processed", "ann@example.org")
    assert (told["timestamp"], told["category"]) == (1_795_424_400, ["weekly_summary"])
    assert told["sg_message_id"].startswith(f"{taken.message_id}.")


def test_events_have_ids_of_their_own() -> None:
    kinds: list[EventKind] = ["processed", "bounce", "blocked", "dropped", "spamreport"]
    told = [event(kind, "weekly_summary:u1:2026-W47", "ann@example.org") for kind in kinds]
    assert len({one["sg_event_id"] for one in told}) == len(kinds)
    assert [one["event"] for one in told] == ["processed", "bounce", "bounce", *kinds[3:]]
    assert [one.get("type") for one in told] == [None, "bounce", "blocked", None, None]
    assert "outbox_id" not in event("open", "", "ann@example.org")


def test_a_batch_is_json_with_line_breaks_that_count() -> None:
    told = [event("processed", f"weekly_summary:u{n}:2026-W47", "ann@example.org") for n in (1, 2)]
    random.shuffle(told)
    body = batch(told)
    assert json.loads(body) == told
    assert body.endswith(b"]\r\n")
    assert body.count(b"\r\n") == 2


def test_the_key_of_events_is_der_in_base64() -> None:
    assert len(base64.b64decode(FakeSendGrid().events_key, validate=True)) == 91
