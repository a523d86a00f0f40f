"""Messages by apprise: in a thread, bounded, and without a token in any line."""

import asyncio
import json
from typing import Any

import pytest

from chesscoach.alerts.apprise_receiver import AppriseReceiver, check_urls
from chesscoach.errors import AlertRefused, ConfigError
from tests.conftest import NOON
from tests.support.alerts import MESSAGE, Receiver
from tests.support.log_lines import Lines

TOKEN = "planted-token-4711"


async def open_receiver(receiver: Receiver) -> AppriseReceiver:
    """Apprise's own kind of webhook, after the check that comes first in each process."""
    url = f"{receiver.url.replace('http', 'json')}/{TOKEN}"
    await check_urls((url,))
    return AppriseReceiver(url)


async def test_apprise_gets_a_title_and_the_summary(receiver: Receiver) -> None:
    apprise = await open_receiver(receiver)

    await apprise.send(MESSAGE, NOON)

    (request,) = receiver.requests
    body: dict[str, Any] = json.loads(request.body)
    assert request.path == f"/{TOKEN}"
    assert (body["title"], body["message"]) == ("chesscoach: missed", MESSAGE.summary)


async def test_a_refusal_names_neither_the_url_nor_its_token(
    receiver: Receiver, lines: Lines
) -> None:
    receiver.status = 500
    refused = await open_receiver(receiver)

    with pytest.raises(AlertRefused) as error:
        await refused.send(MESSAGE, NOON)

    assert TOKEN not in f"{error.value} {refused.name} {lines()}"
    assert refused.name == (await open_receiver(receiver)).name


async def test_one_message_at_a_time_may_hang(receiver: Receiver) -> None:
    receiver.hangs = True
    hanging = await open_receiver(receiver)
    first = asyncio.create_task(hanging.send(MESSAGE, NOON))
    await asyncio.wait_for(receiver.arrived.wait(), 30)

    with pytest.raises(AlertRefused, match="still being sent"):
        await hanging.send(MESSAGE, NOON)

    with pytest.raises(AlertRefused):  # apprise's own limit for a response is 4 seconds
        await first


@pytest.mark.parametrize("url", [f"nosuchservice://{TOKEN}", f"slack://{TOKEN}"])
async def test_a_url_that_apprise_does_not_know_is_refused_by_its_number(url: str) -> None:
    with pytest.raises(ConfigError) as error:
        await check_urls(("json://127.0.0.1/x", url))

    assert str(error.value).startswith("alerts.urls: apprise cannot use number 2")
    assert TOKEN not in str(error.value)
