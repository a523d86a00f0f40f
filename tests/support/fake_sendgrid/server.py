"""The server: it accepts emails as SendGrid documents it, and sends nothing."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec
from aiohttp import web
from msgspec import Struct

from tests.support.emails.webhook_signing import SigningKey
from tests.support.fake_sendgrid import faults, validation
from tests.support.fake_sendgrid.faults import SendGridFault

KEY = "SG.fake"
_POST_TIMEOUT = aiohttp.ClientTimeout(total=10)


class AcceptedEmail(Struct, frozen=True, kw_only=True):
    """An email to one recipient that was accepted at `at` (Unix seconds) as `message_id`."""

    outbox_id: str
    to: str
    subject: str
    message_id: str
    payload: dict[str, Any]
    at: float


class FakeSendGrid:
    """SendGrid on loopback.

    - `accepted`: the accepted emails
    - `requests`: the number of requests, `sandboxed`: those in sandbox mode, `max_in_flight`: the
      largest number at a time, `scope_requests`: those for the scopes of the key
    - `faults`: each request uses one up (None: no fault); then `decide` chooses one by the payload
    - `scopes`: the scopes of its key
    - `delay_s`: how long a response takes; `reset_s`: how far off the reset of a 429 is
    - `released`: while it is cleared, no request gets a response
    - `events_key`: the verification key of its Event Webhook, as SendGrid shows it

    As with the real one, an email that arrived whole is accepted even if its sender has died.
    """

    def __init__(self, *, key: str = KEY, delay_s: float = 0.0) -> None:
        self.accepted: list[AcceptedEmail] = []
        self.requests = 0
        self.sandboxed = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self.agents: set[str] = set()
        self.faults: deque[SendGridFault | None] = deque()
        self.decide: Callable[[dict[str, Any]], SendGridFault | None] | None = None
        self.scopes = ["mail.send", "sender_verification_eligible", "2fa_required"]
        self.scope_requests = 0
        self.delay_s = delay_s
        self.released = asyncio.Event()
        self.released.set()
        self.reset_s = 1.0
        self.key = key
        self.url = ""
        self._signing_key = SigningKey()
        self.events_key = self._signing_key.public

    def processed_event(self, email: AcceptedEmail) -> dict[str, Any]:
        """The webhook event about an email that SendGrid has processed, with an id of its own."""
        return {
            "email": email.to,
            "timestamp": int(email.at),
            "event": "processed",
            "category": email.payload.get("categories", []),
            "sg_event_id": uuid4().hex,
            "sg_message_id": f"{email.message_id}.recvd-5d8f-1-{uuid4().hex[:8]}.0",
            "outbox_id": email.outbox_id,
        }

    async def report(self, url: str, events: Iterable[Mapping[str, Any]]) -> int:
        """Post events to a webhook in one signed batch, in order; return the response's status.

        The body has the line breaks of SendGrid's: a receiver must verify the very bytes.
        """
        body = b"[" + b",\r\n".join(msgspec.json.encode(event) for event in events) + b"]\r\n"
        headers = {"Content-Type": "application/json"}
        headers |= self._signing_key.sign(body, str(int(time.time())))
        async with (
            aiohttp.ClientSession(timeout=_POST_TIMEOUT) as session,
            session.post(url, data=body, headers=headers) as response,
        ):
            return response.status

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Serve on 127.0.0.1 while it is entered, at `url`."""
        app = web.Application(client_max_size=validation.MAX_BYTES - 1)
        app.add_routes(
            [web.post("/v3/mail/send", self._count_request), web.get("/v3/scopes", self._scopes)]
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
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
        await self.released.wait()
        email = _decode(body)
        if rejection := self._reject_request(request):
            return rejection
        if wrong := validation.field_errors(email):
            return faults.error_response(400, wrong)
        if fault is None and self.decide is not None:
            fault = self.decide(email)
        to = validation.recipients(email)[0]
        if faulty := await faults.inject_fault(request, fault, to=to, reset_s=self.reset_s):
            return faulty
        return await self._accept(request, email, fault)

    async def _scopes(self, request: web.Request) -> web.StreamResponse:
        """Answer with the scopes of its key."""
        self.scope_requests += 1
        fault = self.faults.popleft() if self.faults else None
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return faults.error_response(401, [(faults.REVOKED, None)])
        if faulty := await faults.inject_fault(request, fault, to="", reset_s=self.reset_s):
            return faulty
        return web.json_response({"scopes": self.scopes})

    def _reject_request(self, request: web.Request) -> web.Response | None:
        """The response to a request with wrong headers, if they are wrong."""
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return faults.error_response(401, [(faults.REVOKED, None)])
        if request.content_type != "application/json":
            return faults.error_response(415, [("Content-Type should be application/json.", None)])
        if "Accept" not in request.headers:
            return faults.error_response(406, [("Accept is missing.", None)])
        return None

    async def _accept(
        self, request: web.Request, email: dict[str, Any], fault: SendGridFault | None
    ) -> web.Response:
        """The response to a valid email."""
        if validation.is_sandboxed(email):
            self.sandboxed += 1
            return web.Response(status=200)
        message_id = self._record_email(email)
        if fault == "late":
            await faults.wait_for_disconnect(request)
        if fault in ("late", "lost"):
            faults.reset_connection(request)
        return web.Response(status=202, headers={"X-Message-Id": message_id})

    def _record_email(self, email: dict[str, Any]) -> str:
        """Keep an email, once for each personalization; return the id of the request."""
        message_id = uuid4().hex[:22]
        for personalization in email["personalizations"]:
            accepted = AcceptedEmail(
                outbox_id=personalization.get("custom_args", {}).get("outbox_id", ""),
                to=personalization["to"][0]["email"],
                subject=personalization.get("subject") or email.get("subject", ""),
                message_id=message_id,
                payload=email,
                at=time.time(),
            )
            self.accepted.append(accepted)
        return message_id


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
