"""A polite client of a source: one request at a time, which waits as the source asks.

This is the one place that retries a request: after a 429 the lane pauses, and the client sends the
same request again. A third 429 in a row, a 403, or a third failure in a row opens the breaker for a
while; then `SourceUnavailable` ends the run on that source. A page of HTML is such a failure,
whatever its status: it comes from a proxy before the source. `Retry-After` makes a pause longer.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import aiohttp
from yarl import URL

from chesscoach import __version__, log
from chesscoach.config import SourceSettings
from chesscoach.errors import BadResponse, SourceError, SourceUnavailable, StreamTruncated
from chesscoach.metrics import Metrics
from chesscoach.sources.game import Platform
from chesscoach.sources.lane import Lane
from chesscoach.sources.response import error_message, is_page
from chesscoach.sources.retry_after import retry_after_s

BREAKER_ESCALATION = (1, 2, 5, 15)
"""What the first pause or closing is multiplied by, the first to the fourth time in a row."""

MAX_CONSECUTIVE_FAILURES = 3
"""Refusals, or failures, in a row before the breaker opens."""

_CREDENTIAL_STATUSES = (401, 407)
"""No request of ours needs a login, so a proxy asks for it, or the source has changed."""

_JITTER = 0.1
"""A pause is longer by up to this share, so that refused clients do not all return at once."""


def user_agent(contact: str) -> str:
    """Who we are, for a source's operators; Chess.com refuses requests without a contact."""
    product = f"chesscoach/{__version__}"
    return f"{product} (contact: {contact})" if contact else product


class SourceClient:
    """One source: its session, its lane, and what has been sent to it (`requests`).

    `answered` counts responses that were read to their end, `troubles` what else came, by kind: a
    status, `cut`, `no_reply`, `html`, `unusable`, `repeated` (by the client, on a dropped
    connection). An asynchronous context manager that closes the session.
    """

    def __init__(
        self,
        platform: Platform,
        base_url: str,
        lane: Lane,
        config: SourceSettings,
        metrics: Metrics,
        proxy: str | None = None,
    ) -> None:
        self.platform = platform
        self.lane = lane
        self.requests = 0
        self.answered = 0
        self.troubles: Counter[str] = Counter()
        self._base_url = base_url.rstrip("/")
        self._config = config
        self._metrics = metrics
        self._failures = 0
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": user_agent(config.contact)},
            proxy=proxy,
            read_bufsize=256 * 1024,
            trace_configs=[self._trace()],
        )

    async def __aenter__(self) -> "SourceClient":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._session.close()

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        data: str | None = None,
        total_s: float | None = None,
        general: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Sends a request in a turn of the lane; the turn lasts while the response is read.

        This method handles the statuses that concern the source, and yields all others. The
        connection is closed if the response was not read to its end: Lichess counts an open stream
        for an hour.

        Args:
            method: GET or POST.
            path: what follows the base URL.
            headers: besides the User-Agent.
            params: the query.
            data: a text body.
            total_s: seconds for the whole response; `[sources] timeout_s` between two parts of it.
            general: it concerns no single account, so that whatever is wrong with the response is a
                failure of the source.

        Raises:
            SourceUnavailable: the source must be left alone.
            SourceError: no response, or one that speaks of a fault of the source.
            StreamTruncated: the response ended before its end.
        """
        timeout = aiohttp.ClientTimeout(
            total=total_s,
            sock_connect=self._config.timeout_s,
            sock_read=self._config.timeout_s,
        )
        while True:
            async with self.lane.request_slot():
                try:
                    async with self._session.request(
                        method,
                        self._base_url + path,
                        headers=headers,
                        params=params,
                        data=data,
                        timeout=timeout,
                        allow_redirects=False,
                    ) as response:
                        try:
                            if await self._handle_status(response):
                                yield response
                                await self._record_success()
                                return
                        finally:
                            if not response.content.at_eof():
                                response.close()
                except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError) as error:
                    cut = StreamTruncated(_describe("response cut", error))
                    raise await self._record_failure("cut", cut) from None
                except (aiohttp.ClientError, TimeoutError, OSError) as error:
                    silent = SourceError(_describe("no response", error))
                    raise await self._record_failure("no_reply", silent) from None
                except SourceError as error:
                    raise await self._classify(error, general) from None

    async def _handle_status(self, response: aiohttp.ClientResponse) -> bool:
        """Whether the response speaks of what was asked; False to ask again after a pause."""
        status = response.status
        wait_s = retry_after_s(response.headers, datetime.now(UTC))
        if status == 429:
            self.troubles["429"] += 1
            await self._pause(await error_message(response), wait_s)
            return False
        if status == 403:
            self.troubles["403"] += 1
            raise await self._open_breaker("403: the source refuses us", wait_s)
        if status >= 500 or status in _CREDENTIAL_STATUSES:
            error = BadResponse(f"the source answered {status}")
            raise await self._record_failure(str(status), error, wait_s)
        if is_page(response, URL(self._base_url)):
            error = BadResponse(f"the source answered {status} with a page of HTML")
            raise await self._record_failure("html", error, wait_s)
        return True

    async def _record_success(self) -> None:
        self.answered += 1
        self._failures = 0
        if self.lane.pauses or self.lane.closings:
            await self.lane.reset()

    async def _pause(self, message: str, wait_s: float) -> None:
        if self.lane.pauses + 1 >= MAX_CONSECUTIVE_FAILURES:
            reason = f"429, {MAX_CONSECUTIVE_FAILURES} times in a row"
            raise await self._open_breaker(reason, wait_s)
        seconds = (
            self._config.first_pause_s
            * BREAKER_ESCALATION[min(self.lane.pauses, len(BREAKER_ESCALATION) - 1)]
        )
        seconds *= 1 + random.uniform(0, _JITTER)  # noqa: S311  # no secret
        # Lichess counts a stream that was not closed for an hour: then this is not our rate.
        crowded = "request(s) at a time" in message
        await self._pause_lane(max(seconds, wait_s), "concurrency" if crowded else "rate")

    async def _pause_lane(self, seconds: float, reason: str) -> None:
        await self.lane.pause(seconds)
        log.get_logger().warning(
            "source_rate_limited",
            platform=self.platform,
            pause_s=round(seconds, 1),
            reason=reason,
        )

    async def _record_failure(
        self, kind: str, error: SourceError, wait_s: float = 0.0
    ) -> SourceError:
        """Counts a failure; returns the error to raise, SourceUnavailable after the last one.

        `wait_s` is how long the source asks us to wait.
        """
        self.troubles[kind] += 1
        self._failures += 1
        if self._failures >= MAX_CONSECUTIVE_FAILURES:
            return await self._open_breaker(
                f"{MAX_CONSECUTIVE_FAILURES} failures in a row, the last: {error}", wait_s
            )
        if wait_s:
            await self._pause_lane(wait_s, "retry_after")
        error.source_wide = True
        return error

    async def _classify(self, error: SourceError, general: bool) -> SourceError:
        """The error to raise for one that a response led to: the source's, or one account's."""
        if error.source_wide or isinstance(error, SourceUnavailable):
            return error
        if isinstance(error, StreamTruncated):
            return await self._record_failure("cut", error)
        if general:
            return await self._record_failure("unusable", error)
        if error.permanent:
            await self._record_success()
        else:
            self.troubles["unusable"] += 1
        return error

    async def _open_breaker(self, reason: str, wait_s: float = 0.0) -> SourceUnavailable:
        self._failures = 0
        factor = BREAKER_ESCALATION[min(self.lane.closings, len(BREAKER_ESCALATION) - 1)]
        until = await self.lane.open_breaker(max(self._config.breaker_open_s * factor, wait_s))
        message = f"{self.platform} gets no request until {until:%Y-%m-%dT%H:%M:%SZ} ({reason})"
        log.get_logger().error(
            "source_breaker_opened", platform=self.platform, reason=reason, until=until
        )
        return SourceUnavailable(message)

    def _trace(self) -> aiohttp.TraceConfig:
        """Counts what goes over the wire: aiohttp repeats a GET on a dropped connection itself."""
        trace = aiohttp.TraceConfig()
        count = self._metrics.upstream_requests

        async def sent(_: object, context: SimpleNamespace, __: object) -> None:
            self.requests += 1
            if getattr(context, "sent", False):
                count.labels(self.platform, "repeated").inc()
                self.troubles["repeated"] += 1
            context.sent = True

        async def answered(
            _: object, __: SimpleNamespace, params: aiohttp.TraceRequestEndParams
        ) -> None:
            count.labels(self.platform, str(params.response.status)).inc()

        async def broke(_: object, __: SimpleNamespace, ___: object) -> None:
            count.labels(self.platform, "error").inc()

        trace.on_request_headers_sent.append(sent)
        trace.on_request_end.append(answered)
        trace.on_request_exception.append(broke)
        return trace


def _describe(what: str, error: BaseException) -> str:
    """An error without its text, which can quote the response or the address."""
    return f"{what} ({type(error).__name__})"
