"""The server: it takes mail as SendGrid is documented to, and sends nothing."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TextIO
from uuid import uuid4

import msgspec
from aiohttp import web
from msgspec import Struct

from chesscoach.demo.fake_sendgrid import faults, validation
from chesscoach.demo.fake_sendgrid.faults import SendGridFault
from chesscoach.demo.fake_sendgrid.webhook import EventKind, WebhookSender, event


class AcceptedEmail(Struct, frozen=True, kw_only=True):
    """A mail to one recipient that was taken at `at`, in Unix seconds, under `message_id`."""

    outbox_id: str
    to: str
    subject: str
    message_id: str
    payload: dict[str, Any]
    at: float


class FakeSendGrid:
    """SendGrid on loopback.

    `accepted` is what it took, unless `keep` is false; `requests` counts all that came in,
    `sandboxed` those of sandbox mode, `max_in_flight` is the largest number at a time. `faults`
    are used up one a request, None standing for none; then `decide` is asked about each payload.
    `senders`, if given, are those whom it knows; `scopes` are what its key may do, and `asked` is
    how often somebody wanted to know that. A reply takes `delay_s`, and the reset of a 429 is
    `reset_s` off. `record` gets the outbox id of each mail it takes, a line each, before the
    reply goes out. As with the real one, a mail that arrived whole is taken even if whoever
    posted it has died meanwhile.
    """

    def __init__(
        self,
        *,
        key: str = "SG.stand-in",
        delay_s: float = 0.0,
        keep: bool = True,
        record: TextIO | None = None,
    ) -> None:
        self.accepted: list[AcceptedEmail] = []
        self.requests = 0
        self.sandboxed = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self.agents: set[str] = set()
        self.faults: deque[SendGridFault | None] = deque()
        self.decide: Callable[[dict[str, Any]], SendGridFault | None] | None = None
        self.senders: frozenset[str] | None = None
        self.scopes = ["mail.send", "sender_verification_eligible", "2fa_required"]
        self.asked = 0
        self.delay_s = delay_s
        self.reset_s = 1.0
        self.key = key
        self.url = ""
        self.events = WebhookSender()
        self._keep = keep
        self._record = record

    @property
    def events_key(self) -> str:
        """The verification key of its Event Webhook, as SendGrid shows it: DER in base64."""
        return self.events.key

    def event(
        self, kind: EventKind, mail: AcceptedEmail, at: float | None = None
    ) -> dict[str, Any]:
        """An event about a mail that was taken; as `events.event` makes it."""
        return event(
            kind,
            mail.outbox_id,
            mail.to,
            message_id=mail.message_id,
            categories=mail.payload.get("categories", ()),
            at=at,
        )

    async def report(self, url: str, events: Iterable[dict[str, Any]]) -> int:
        """Posts events to a webhook in one signed batch, in this order; the reply's status."""
        return await self.events.post(url, list(events))

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncIterator[None]:
        """Answers on 127.0.0.1 while it is entered; `url` tells where."""
        app = web.Application(client_max_size=validation.MAX_BYTES - 1)
        app.add_routes(
            [web.post("/v3/mail/send", self._count_request), web.get("/v3/scopes", self._scopes)]
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield
        finally:
            await runner.cleanup()

    async def _count_request(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        self.agents.add(request.headers.get("User-Agent", ""))
        try:
            return await self._answer(request)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.popleft() if self.faults else None
        if fault == "reset":
            faults.reset_connection(request)
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return faults.proxy_error_page(413, "413 Request Entity Too Large")
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        mail = _decode(body)
        if refused := self._reject_request(request) or self._reject_payload(mail):
            return refused
        if fault is None and self.decide is not None:
            fault = self.decide(mail)
        to = validation.recipients(mail)[0]
        if spoilt := await faults.inject_fault(request, fault, to=to, reset_s=self.reset_s):
            return spoilt
        return await self._accept(request, mail, fault)

    async def _scopes(self, request: web.Request) -> web.StreamResponse:
        """What its key may do."""
        self.asked += 1
        fault = self.faults.popleft() if self.faults else None
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return faults.error_response(401, [(faults.REVOKED, None)])
        if spoilt := await faults.inject_fault(request, fault, to="", reset_s=self.reset_s):
            return spoilt
        return web.json_response({"scopes": self.scopes})

    def _reject_request(self, request: web.Request) -> web.Response | None:
        """The reply to a request that is wrong whatever it carries."""
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return faults.error_response(401, [(faults.REVOKED, None)])
        if request.content_type != "application/json":
            return faults.error_response(415, [("Content-Type should be application/json.", None)])
        if "Accept" not in request.headers:
            return faults.error_response(406, [("Accept is missing.", None)])
        return None

    def _reject_payload(self, mail: Any) -> web.Response | None:
        """The reply to a payload that is not as it must be."""
        if wrong := validation.field_errors(mail):
            return faults.error_response(400, wrong)
        if self.senders is not None and mail["from"]["email"] not in self.senders:
            return faults.error_response(403, [(faults.UNVERIFIED, "from")])
        return None

    async def _accept(
        self, request: web.Request, mail: dict[str, Any], fault: SendGridFault | None
    ) -> web.Response:
        """The reply to a mail with which nothing is wrong."""
        if validation.is_sandboxed(mail):
            self.sandboxed += 1
            return web.Response(status=200)
        message_id = self._record_email(mail)
        if fault == "late":
            await faults.wait_for_disconnect(request)
        if fault in ("late", "lost"):
            faults.reset_connection(request)
        return web.Response(status=202, headers={"X-Message-Id": message_id})

    def _record_email(self, mail: dict[str, Any]) -> str:
        """Keeps a mail, once for each personalization; the id of the request."""
        message_id = uuid4().hex[:22]
        for one in mail["personalizations"]:
            taken = AcceptedEmail(
                outbox_id=(mail.get("custom_args", {}) | one.get("custom_args", {})).get(
                    "outbox_id", ""
                ),
                to=one["to"][0]["email"],
                subject=one.get("subject") or mail.get("subject", ""),
                message_id=message_id,
                payload=mail,
                at=time.time(),
            )
            if self._keep:
                self.accepted.append(taken)
            if self._record is not None:
                self._record.write(f"{taken.outbox_id}\n")
                self._record.flush()
        return message_id


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
