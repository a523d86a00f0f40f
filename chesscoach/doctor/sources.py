"""Checks of the sources: one request each, through the lane, as a sync sends it.

A check sends no request while the source's breaker is open, its lane is paused, or a run holds the
lane. The request goes through the client of a run, so it has the same effects. A 403 opens the
breaker for all processes, and a 429 pauses the lane.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from chesscoach.config import SourceSettings
from chesscoach.context import Context
from chesscoach.doctor.finding import Finding, fail, ok, warn
from chesscoach.errors import AccountRenamed, LeaseLost, SourceError, SourceUnavailable
from chesscoach.sources.chesscom import Chesscom
from chesscoach.sources.client import SourceClient
from chesscoach.sources.game import Platform
from chesscoach.sources.lane import Lane
from chesscoach.sources.lichess import Lichess
from chesscoach.sources.source import SOURCES
from chesscoach.sync.fetching import archive_months
from chesscoach.sync.store.lanes import LaneStatus
from chesscoach.worker.runner import attempts

RESPONSE_TIMEOUT_S = 10.0
"""Timeout of a response; the lane, the allowance and the response together may take twice that."""

WELL_KNOWN_PLAYER = "lichess"
"""Lichess's own account, for an installation without linked accounts."""

NONEXISTENT_PLAYER = "chesscoach-asks-whether-you-answer"
"""A name on Chess.com that no player has: theirs have at most 25 characters."""

ProbeRequest = Callable[[SourceClient], Awaitable[None]]


class SecondRequestBlocked(Exception):
    """The client is about to send a second request."""


class SingleRequestLane:
    """A lane for one request: the client alone would repeat it after a pause, or send another."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._used = False

    @property
    def pauses(self) -> int:
        """Consecutive pauses of the lane."""
        return self._lane.pauses

    @pauses.setter
    def pauses(self, count: int) -> None:
        self._lane.pauses = count

    @property
    def closings(self) -> int:
        """Consecutive openings of the breaker."""
        return self._lane.closings

    @closings.setter
    def closings(self, count: int) -> None:
        self._lane.closings = count

    @property
    def fence(self) -> int:
        """The holder's fence."""
        return self._lane.fence

    def acquire(self, holder: dict[str, Any]) -> AbstractAsyncContextManager[None]:
        """Takes the lane."""
        return self._lane.acquire(holder)

    @asynccontextmanager
    async def request_slot(self) -> AsyncIterator[None]:
        """Waits for the turn of the one request; raises SecondRequestBlocked for another."""
        if self._used:
            raise SecondRequestBlocked
        async with self._lane.request_slot():
            self._used = True
            yield

    async def pause(self, seconds: float) -> None:
        """Pauses the lane for all processes."""
        await self._lane.pause(seconds)

    async def open_breaker(self, seconds: float) -> datetime:
        """Opens the breaker for all processes."""
        return await self._lane.open_breaker(seconds)

    async def reset(self) -> None:
        """Resets the counts of pauses and openings."""
        await self._lane.reset()

    async def consume(self, amount: int, limit: int) -> None:
        """Waits for the allowance."""
        await self._lane.consume(amount, limit)


async def lichess(ctx: Context) -> Finding:
    """Sends a bulk request for one linked name, or for Lichess's own account."""
    settings = ctx.config.sources.lichess
    account = await ctx.sync.accounts.any_healthy("lichess")
    name = account.name if account else WELL_KNOWN_PLAYER

    async def ask(client: SourceClient) -> None:
        await Lichess(client, settings.users_per_10min).players([name])

    return await _probe_source(ctx, "lichess", settings.base_url, ask, name)


async def chesscom(ctx: Context) -> Finding:
    """Requests the current month of one linked account, if it changed, or of an unused name."""
    if not ctx.config.sources.contact.strip():
        return fail(
            "not asked: Chess.com refuses requests without a contact",
            "set [sources] contact to an address or a page where its operators reach you",
        )
    account = await ctx.sync.accounts.any_healthy("chess.com")
    name, month = (
        account.name if account else NONEXISTENT_PLAYER,
        archive_months.month_of(ctx.now()),
    )
    etag = account.etags.get(month) if account else None

    async def ask(client: SourceClient) -> None:
        try:
            await Chesscom(client).month(name, month, etag)
        except AccountRenamed:
            return
        except SecondRequestBlocked:  # after "not found" the client requests the profile
            if client.troubles["429"]:
                raise

    about = name if account else "an unused name"
    return await _probe_source(ctx, "chess.com", ctx.config.sources.chesscom.base_url, ask, about)


async def _probe_source(
    ctx: Context, platform: Platform, base_url: str, ask: ProbeRequest, about: str
) -> Finding:
    lane = ctx.sync.lanes[platform]
    if (finding := unavailable_finding(await lane.status())) is not None:
        return finding
    sources: SourceSettings = ctx.config.sources
    impatient = replace(sources, timeout_s=min(sources.timeout_s, RESPONSE_TIMEOUT_S))
    probe_s = 2 * impatient.timeout_s
    holder = {**attempts.owner_info(), "run_id": "chesscoach doctor"}
    clock = asyncio.get_running_loop().time
    proxy = ctx.process.proxies.url_for(base_url, used=sources.use_environment_proxy)
    async with SourceClient(
        platform, base_url, SingleRequestLane(lane), impatient, ctx.metrics, proxy
    ) as client:
        try:
            kept = ctx.leases.renewing()
            async with asyncio.timeout(probe_s), kept, lane.acquire(holder):
                started = clock()
                await ask(client)
                return ok(f"responded about {about} in {(clock() - started) * 1000:.0f} ms")
        except SecondRequestBlocked:
            until = _until((await lane.status()).paused_until)
            return warn(
                f"responded 429: too many requests from this address{until}",
                "nothing; if it happens again, check what else uses your address",
            )
        except SourceError as error:
            until = _until((await lane.status()).closed_until)
            return _error_finding(client, error, until, impatient.timeout_s)
        except LeaseLost:
            return warn("the lane was lost during the request", "run doctor again; check MongoDB")
        except TimeoutError:
            if client.requests:
                return fail(
                    f"the response did not end within {probe_s:g} s", "run doctor again later"
                )
        return unavailable_finding(await lane.status()) or warn(
            f"not asked: no free lane and allowance within {probe_s:g} s",
            "run doctor again in ten minutes",
        )


def unavailable_finding(status: LaneStatus) -> Finding | None:
    """Why the check may not send a request now; None if it may."""
    if status.closed_until is not None:
        return fail(
            f"breaker open until {_at(status.closed_until)}: the source refused requests or failed",
            "read `reason` of the last source_breaker_opened in the log; runs then continue by "
            "themselves",
        )
    if status.paused_until is not None:
        return warn(
            f"not asked: the source wants a pause until {_at(status.paused_until)}",
            "nothing; if it happens again, check what else uses your address",
        )
    if status.holder is not None:
        holder = status.holder
        name, host, pid = holder.get("run_id", "a run"), holder.get("host"), holder.get("pid")
        return warn(
            f"not asked: {name} on {host}, pid {pid}, uses the lane now",
            "run doctor again after that run, or read its log",
        )
    return None


def _error_finding(
    client: SourceClient, error: SourceError, until: str, timeout_s: float
) -> Finding:
    """Describes why the request failed."""
    (kind,) = list(client.troubles)[-1:] or [""]
    key = f"[sources.{SOURCES[client.platform].key}] base_url"
    if kind == "403":
        return fail(
            f"refused the request (403){until}",
            "check [sources] contact, and whether the source blocks your address",
        )
    if kind == "429":
        return fail(
            f"responded 429, the third time in a row{until}",
            "check what else uses your address",
        )
    if isinstance(error, SourceUnavailable):
        return fail(str(error), "nothing: runs continue by themselves then")
    if kind == "no_reply" and isinstance(error.__context__, TimeoutError):
        return fail(f"no response within {timeout_s:g} s", f"check the network and {key}")
    if kind == "no_reply":
        return fail(f"cannot be reached: {error}", f"check the network, the DNS and {key}")
    if kind == "html":
        what = "the response is a page of HTML: something is between this machine and the source"
        return fail(what, f"open {key} in a browser on this machine; check proxies")
    if kind == "cut":
        return fail(f"the response broke off: {error}", "run doctor again; check the network")
    if kind.isdigit():
        return fail(f"responded {kind}: the source has a problem", "run doctor again later")
    return fail(f"the response is not valid: {error}", f"run doctor again later; check {key}")


def _at(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _until(instant: datetime | None) -> str:
    return f", so no request is sent until {_at(instant)}" if instant else ""
