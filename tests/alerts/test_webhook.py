"""Webhooks, verified by the library of Standard Webhooks itself."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from chesscoach.alerts.receiver_request import open_session
from chesscoach.alerts.receivers import open_receivers
from chesscoach.config import AlertSettings
from chesscoach.errors import AlertRefused
from tests.support.alerts import MESSAGE, OLD_SECRET, SECRET, Receiver


async def send(receiver: Receiver, secret: str = SECRET) -> None:
    settings = AlertSettings(webhook_url=f"{receiver.url}/hook?a=1", webhook_secret=secret)
    async with open_session() as session:
        (webhook,) = await open_receivers(settings, session)
        await webhook.send(MESSAGE, datetime.now(UTC))


async def test_a_webhook_has_the_documented_body(receiver: Receiver) -> None:
    await send(receiver)

    (request,) = receiver.requests
    assert (request.method, request.path, request.query) == ("POST", "/hook", {"a": "1"})
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["webhook-id"] == "msg_1"
    assert json.loads(request.body) == {
        "id": "msg_1",
        "kind": "missed",
        "state": "firing",
        "job": "sync_games",
        "run_id": "sync_games:2026-10-21T12:00:00Z",
        "summary": 'a slot, "quoted" - naïve',
        "at": "2026-10-21T12:00:00Z",
        "cause": "missed:sync_games",
    }


@pytest.mark.parametrize("accepted", [SECRET, OLD_SECRET])
async def test_a_receiver_with_either_key_accepts_it_while_a_key_changes(
    receiver: Receiver, accepted: str
) -> None:
    await send(receiver, f"{SECRET},{OLD_SECRET}")

    (request,) = receiver.requests
    assert Verifier(accepted).verify(request.body, request.headers)["id"] == "msg_1"


async def test_another_body_or_key_is_not_accepted(receiver: Receiver) -> None:
    await send(receiver)

    (request,) = receiver.requests
    Verifier(SECRET).verify(request.body, request.headers)
    for secret, body in ((OLD_SECRET, request.body), (SECRET, request.body + b" ")):
        with pytest.raises(WebhookVerificationError):
            Verifier(secret).verify(body, request.headers)


@pytest.mark.parametrize("status", [500, 404, 301, 307])
async def test_any_other_status_refuses_it_and_a_redirect_is_not_followed(
    receiver: Receiver, status: int
) -> None:
    receiver.status = status

    with pytest.raises(AlertRefused, match=str(status)):
        await send(receiver)

    assert receiver.paths == ["/hook"]


async def test_a_receiver_that_is_not_there_refuses_it_without_its_address() -> None:
    gone = Receiver()
    gone.url = "http://127.0.0.1:1"

    with pytest.raises(AlertRefused) as refused:
        await asyncio.wait_for(send(gone), 30)

    assert "127.0.0.1" not in str(refused.value)
