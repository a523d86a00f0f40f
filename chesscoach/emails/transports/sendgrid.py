"""SendGrid: one POST for each email, never repeated here.

SendGrid has no idempotency key, so after a failure it matters whether the email may have left. It
may have left once the headers were given to the socket; without an address, a connection or TLS it
has not. A request has one deadline, below a third of the lease: a process that loses its lease has
no request in flight any more.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from types import SimpleNamespace, TracebackType
from typing import Self

import aiohttp
import msgspec
from yarl import URL

from chesscoach import __version__
from chesscoach.config import SendGridSettings
from chesscoach.emails.transports.sendgrid_request import request_body
from chesscoach.emails.transports.sendgrid_response import interpret_response
from chesscoach.emails.transports.transport import Message, SendResult

PATH = "/v3/mail/send"
MAX_RESPONSE_BYTES = 64 * 1024
LEASE_SHARE = 0.9 / 3
"""The maximum deadline as a share of the lease: below a third, with a margin."""


class SendGridTransport:
    """SendGrid's Web API as a transport; `deadline_s` is the time limit of one email.

    While it is entered, it holds one session with up to `in_flight` connections.
    """

    repeatable = False

    def __init__(
        self,
        settings: SendGridSettings,
        key: str,
        sender: str,
        sender_name: str,
        lease_s: float,
        now: Callable[[], datetime],
        proxy: str | None = None,
    ) -> None:
        self.in_flight = settings.in_flight
        self.deadline_s = min(settings.timeout_s, lease_s * LEASE_SHARE)
        self._settings = settings
        self._key = key
        self._sender = sender
        self._sender_name = sender_name
        self._now = now
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.in_flight),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=self._proxy,
            headers={
                "Accept": "application/json",
                "Content-Type": "application/json",
                "User-Agent": f"chesscoach/{__version__}",
            },
            # The deadline is ours: aiohttp rounds those above 5 s up to a whole second.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            trace_configs=[_on_headers_sent()],
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def describe(self) -> str:
        """Name the URL, and whether emails are only checked there (sandbox)."""
        try:
            url = str(URL(self._settings.base_url).with_user(None).with_query(None))
        except ValueError:  # such as an invalid port; the first email reports it
            url = "an invalid base_url"
        return f"SendGrid at {url}{', sandbox: nothing is sent' if self._sandbox else ''}"

    @property
    def _sandbox(self) -> bool:
        return self._settings.sandbox

    async def send(self, message: Message) -> SendResult:
        """Post an email once, when a connection is free, and return the result."""
        if not (self._key.isascii() and self._key.isprintable()):
            return SendResult(verdict="stopped", reason="the key cannot be sent in a header")
        try:
            built = request_body(message, self._sender, self._sender_name, sandbox=self._sandbox)
        except ValueError as error:
            return SendResult(verdict="refused", reason=str(error), isolated=True)
        try:
            data = msgspec.json.encode(built)
        except UnicodeEncodeError:  # half of a surrogate pair; the error would quote the text
            return SendResult(verdict="refused", reason="its text is not Unicode", isolated=True)
        return await self._post(data, message.to)

    async def _post(self, data: bytes, recipient: str) -> SendResult:
        if self._session is None:
            msg = "a transport must be entered before it is used"
            raise RuntimeError(msg)
        traced = SimpleNamespace(left=False)
        head: tuple[int, Mapping[str, str]] | None = None
        body = b""
        try:
            async with (
                asyncio.timeout(self.deadline_s),
                self._session.post(
                    self._settings.base_url.rstrip("/") + PATH,
                    data=data,
                    headers={"Authorization": f"Bearer {self._key}"},
                    allow_redirects=False,
                    trace_request_ctx=traced,
                ) as response,
            ):
                head = response.status, response.headers
                if 400 <= response.status < 500:
                    body = await _read_limited(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            if head is None:  # otherwise the status decides
                return _failed_send(error, left=traced.left)
        return interpret_response(
            *head, body, recipient=recipient, sandbox=self._sandbox, now=self._now()
        )


def _failed_send(error: Exception, *, left: bool) -> SendResult:
    """The result without a response; the error's text is left out, for it can quote the key."""
    kind = type(error).__name__
    if left:
        what = "not answered in time" if isinstance(error, TimeoutError) else "not answered"
        return SendResult(verdict="unknown", reason=f"{what} ({kind})")
    if isinstance(error, ValueError):
        return SendResult(verdict="stopped", reason=f"base_url is invalid ({kind})")
    return SendResult(verdict="not_sent", reason=f"no connection ({kind})")


async def _read_limited(response: aiohttp.ClientResponse) -> bytes:
    """Read at most `MAX_RESPONSE_BYTES`; a longer body closes the connection."""
    try:
        return await response.content.readexactly(MAX_RESPONSE_BYTES)
    except asyncio.IncompleteReadError as error:
        return error.partial


def _on_headers_sent() -> aiohttp.TraceConfig:
    """Record when a request begins to leave: just before its first byte goes to the socket."""
    trace = aiohttp.TraceConfig()

    async def leaving(_: object, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.left = True

    trace.on_request_headers_sent.append(leaving)
    return trace
