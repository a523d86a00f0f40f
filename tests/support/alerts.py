"""A receiver of alerts and pings on loopback, run records that lead to alerts, and a watch."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web
from bson import Timestamp
from msgspec.structs import replace

from chesscoach.alerts import receivers
from chesscoach.alerts.alert import Message
from chesscoach.alerts.context import AlertContext
from chesscoach.alerts.delivery import Delivery
from chesscoach.alerts.pings import Pings
from chesscoach.alerts.receiver_request import open_session
from chesscoach.alerts.watch import AlertWatch
from chesscoach.config import AlertSettings
from tests.conftest import NOON, Clock
from tests.support.sources.server import http_server

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
OLD_SECRET = "whsec_" + "b2xkLXNlY3JldC1vbGQtc2VjcmV0LW9sZC1zZWNyZXQ="

MESSAGE = Message(
    id="msg_1",
    kind="missed",
    state="firing",
    job="sync_games",
    run_id="sync_games:2026-10-21T12:00:00Z",
    summary='a slot, "quoted" - naïve',
    at=NOON,
    cause="missed:sync_games",
)


class ReceivedRequest:
    """A request as it came in."""

    def __init__(self, request: web.Request, body: bytes) -> None:
        self.method = request.method
        self.path = request.path
        self.query = dict(request.query)
        self.headers = dict(request.headers)
        self.body = body
        self.arrived_at = asyncio.get_running_loop().time()


class Receiver:
    """Records requests; `status` is its answer. While it `hangs`, it answers once `released`."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 204
        self.hangs = False
        self.requests: list[ReceivedRequest] = []
        self.arrived = asyncio.Event()
        self.released = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        """Records a request and answers it."""
        self.requests.append(ReceivedRequest(request, await request.read()))
        self.arrived.set()
        if self.hangs:
            await self.released.wait()
        headers = {"Location": f"{self.url}/elsewhere"} if 300 <= self.status < 400 else {}
        return web.Response(status=self.status, headers=headers)

    @property
    def paths(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [request.path for request in self.requests]


@asynccontextmanager
async def open_receiver() -> AsyncIterator[Receiver]:
    """A receiver that accepts everything."""
    receiver = Receiver()
    async with http_server(receiver.handle) as url:
        receiver.url = url
        yield receiver


@asynccontextmanager
async def open_watch(
    ctx: AlertContext, receiver: Receiver | None = None, **settings: Any
) -> AsyncIterator[AlertWatch]:
    """The watch of a process that looks only when it is asked to."""
    alerts = AlertSettings(**settings)
    if receiver is not None:
        alerts = replace(alerts, webhook_url=f"{receiver.url}/hook", webhook_secret=SECRET)
    ctx = replace(ctx, settings=alerts)
    async with open_session() as session:
        delivery = Delivery(ctx, await receivers.open_receivers(alerts, session))
        yield AlertWatch(ctx, delivery, [Pings(ctx.jobs, session, ctx.metrics)])


def run_document(run_id: str, at: datetime, **fields: Any) -> dict[str, Any]:
    """The record of a manual run of the sync that ended well at an instant."""
    return {
        "_id": run_id,
        "job": "sync_games",
        "schedule": None,
        "slot": None,
        "shard": None,
        "outcome": "succeeded",
        "attempt": 1,
        "source": "cli",
        "claim": run_id,
        "owner": {},
        "lease": "sync_games",
        "started_at": at - timedelta(seconds=10),
        "finished_at": at,
        "claimed_at": Timestamp(int(at.timestamp()), 1),
        "duration_s": 10.0,
        "done": 10,
        "failed": 0,
        "exit_code": 0,
        **fields,
    }


def bodies(receiver: Receiver) -> list[dict[str, Any]]:
    """The bodies that were received."""
    return [json.loads(request.body) for request in receiver.requests]


def add_run(db: Any, run_id: str, clock: Clock, **fields: Any) -> None:
    """A record that has just been written."""
    db.job_runs.insert_one(run_document(run_id, clock(), **fields))
