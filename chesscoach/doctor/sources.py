"""The sites: each is asked one thing, in its lane's turn, as a sync would ask it.

A site that is closed or paused is not asked, nor one whose lane somebody has: then a run is asking
it. What a request meets is minded as in a run, for it goes through the same client: after a 403 the
site is closed for all, after a 429 its lane is paused.
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
from chesscoach.sources.client import Lane, SourceClient
from chesscoach.sources.game import Platform
from chesscoach.sources.lichess import Lichess
from chesscoach.sync import archive_months
from chesscoach.sync.store.lanes import LaneStatus
from chesscoach.worker.runner import attempts

RESPONSE_TIMEOUT_S = 10.0
"""So long at most a reply is waited for; twice that for lane, allowance and reply together."""

WELL_KNOWN_PLAYER = "lichess"
"""Lichess's own account, asked about where nobody has linked one."""

NONEXISTENT_PLAYER = "chesscoach-asks-whether-you-answer"
"""A name on Chess.com that no player has: theirs have at most 25 characters."""

ProbeRequest = Callable[[SourceClient], Awaitable[None]]


class SecondRequestBlocked(Exception):
    """A second request would be sent."""


class SingleRequestLane:
    """A lane with one turn: the client would ask again after a pause, or for a second thing."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._used = False

    @property
    def pauses(self) -> int:
        """The lane's own, as all below."""
        return self._lane.pauses

    @pauses.setter
    def pauses(self, count: int) -> None:
        self._lane.pauses = count

    @property
    def closings(self) -> int:
        """In a row."""
        return self._lane.closings

    @closings.setter
    def closings(self, count: int) -> None:
        self._lane.closings = count

    @property
    def fence(self) -> int:
        """The holder's number."""
        return self._lane.fence

    def acquire(self, holder: dict[str, Any]) -> AbstractAsyncContextManager[None]:
        """Takes the lane."""
        return self._lane.acquire(holder)

    @asynccontextmanager
    async def request_slot(self) -> AsyncIterator[None]:
        """The one turn; Enough instead of a second."""
        if self._used:
            raise SecondRequestBlocked
        async with self._lane.request_slot():
            self._used = True
            yield

    async def pause(self, seconds: float) -> None:
        """Puts off everybody's next turn."""
        await self._lane.pause(seconds)

    async def open_breaker(self, seconds: float) -> datetime:
        """Ends everybody's turns for so long."""
        return await self._lane.open_breaker(seconds)

    async def reset(self) -> None:
        """Forgets past pauses and closings."""
        await self._lane.reset()

    async def consume(self, amount: int, limit: int) -> None:
        """Waits for the allowance."""
        await self._lane.consume(amount, limit)


async def lichess(ctx: Context) -> Finding:
    """A bulk request for one linked name, or the site's own account."""
    settings = ctx.config.sources.lichess
    account = await ctx.sync.accounts.any_healthy("lichess")
    name = account.name if account else WELL_KNOWN_PLAYER

    async def ask(site: SourceClient) -> None:
        await Lichess(site, settings.users_per_10min).players([name])

    return await _probe_source(ctx, "lichess", settings.base_url, ask, name)


async def chesscom(ctx: Context) -> Finding:
    """This month of one linked account, if it changed, or of a name that nobody has."""
    if not ctx.config.sources.contact.strip():
        return fail(
            "not asked: it refuses requests that name no contact",
            "set [sources] contact to an address or a page where its operators reach you",
        )
    account = await ctx.sync.accounts.any_healthy("chess.com")
    name, month = (
        account.name if account else NONEXISTENT_PLAYER,
        archive_months.month_of(ctx.now()),
    )
    etag = account.etags.get(month) if account else None

    async def ask(site: SourceClient) -> None:
        try:
            await Chesscom(site).month(name, month, etag)
        except AccountRenamed:
            return
        except SecondRequestBlocked:  # after "not found" it would ask for the profile
            if site.troubles["429"]:
                raise

    about = name if account else "a name that nobody has"
    return await _probe_source(ctx, "chess.com", ctx.config.sources.chesscom.base_url, ask, about)


async def _probe_source(
    ctx: Context, platform: Platform, base_url: str, ask: ProbeRequest, about: str
) -> Finding:
    lane = ctx.sync.lanes[platform]
    if (said := unavailable_finding(await lane.status())) is not None:
        return said
    sources: SourceSettings = ctx.config.sources
    hasty = replace(sources, timeout_s=min(sources.timeout_s, RESPONSE_TIMEOUT_S))
    visit_s = 2 * hasty.timeout_s
    holder = {**attempts.owner_info(), "run_id": "chesscoach doctor"}
    clock = asyncio.get_running_loop().time
    async with SourceClient(
        platform, base_url, SingleRequestLane(lane), hasty, ctx.metrics
    ) as site:
        try:
            kept = ctx.leases.renewing()
            async with asyncio.timeout(visit_s), kept, lane.acquire(holder):
                begun = clock()
                await ask(site)
                return ok(f"answered about {about} in {(clock() - begun) * 1000:.0f} ms")
        except SecondRequestBlocked:
            until = _until((await lane.status()).paused_until)
            return warn(
                f"answered 429: too many requests from this address{until}",
                "nothing; if it repeats, look who else uses your address",
            )
        except SourceError as error:
            until = _until((await lane.status()).closed_until)
            return _error_finding(site, error, until, hasty.timeout_s)
        except LeaseLost:
            return warn("the lane was lost while it was asked", "repeat; look at MongoDB")
        except TimeoutError:
            if site.requests:
                return fail(f"its reply did not end within {visit_s:g} s", "repeat later")
        return unavailable_finding(await lane.status()) or warn(
            f"not asked: neither lane nor allowance were to be had within {visit_s:g} s",
            "repeat in ten minutes",
        )


def unavailable_finding(outlook: LaneStatus) -> Finding | None:
    """Why a site is not to be asked now; None if it may be."""
    if outlook.closed_until is not None:
        return fail(
            f"closed until {_at(outlook.closed_until)}: it refused or failed us",
            "read `reason` of the last source_breaker_opened in the log; then it is asked again by "
            "itself",
        )
    if outlook.paused_until is not None:
        return warn(
            f"not asked: it wanted a pause, until {_at(outlook.paused_until)}",
            "nothing; if it repeats, look who else uses your address",
        )
    if outlook.holder is not None:
        who = outlook.holder
        return warn(
            f"not asked: {who.get('run_id', 'a run')} on {who.get('host')}, pid {who.get('pid')}, "
            "is asking it now",
            "repeat when that is over, or look at its log",
        )
    return None


def _error_finding(site: SourceClient, error: SourceError, until: str, timeout_s: float) -> Finding:
    """What went wrong with the request, in words."""
    (kind,) = list(site.troubles)[-1:] or [""]
    key = f"[sources.{site.platform.replace('.', '')}] base_url"
    if kind == "403":
        return fail(
            f"refused us (403){until}",
            "check [sources] contact, and whether your address is blocked there",
        )
    if kind == "429":
        return fail(
            f"answered 429, the third time in a row{until}",
            "look who else uses your address",
        )
    if isinstance(error, SourceUnavailable):
        return fail(str(error), "nothing: it is asked again by itself then")
    if kind == "no_reply" and isinstance(error.__context__, TimeoutError):
        return fail(f"no answer within {timeout_s:g} s", f"repeat; check the network and {key}")
    if kind == "no_reply":
        return fail(f"cannot be reached: {error}", f"check the network, the DNS and {key}")
    if kind == "html":
        what = "a page of HTML came instead of data: something stands between us and the site"
        return fail(what, f"open it in a browser from here; check a proxy and {key}")
    if kind == "cut":
        return fail(f"the answer broke off: {error}", "repeat; check the network")
    if kind.isdigit():
        return fail(f"answered {kind}: it has trouble of its own", "repeat later")
    return fail(f"answered what we do not understand: {error}", f"repeat later; check {key}")


def _at(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _until(instant: datetime | None) -> str:
    return f", so it is left alone until {_at(instant)}" if instant else ""
