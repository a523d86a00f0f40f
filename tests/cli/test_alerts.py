"""`chesscoach alerts`: what fires, and a test of the receivers without a database."""

import json
from typing import Any

from tests.conftest import NOON
from tests.support.alerts import SECRET, Receiver, open_receiver
from tests.support.processes import run

CLI = ("chesscoach.cli", "alerts")
NO_DATABASE = {"MONGO_URL": "mongodb://127.0.0.1:9/"}


def receivers(receiver: Receiver) -> dict[str, str]:
    return {
        **NO_DATABASE,
        "CHESSCOACH_ALERTS__WEBHOOK_URL": f"{receiver.url}/hook",
        "CHESSCOACH_ALERTS__WEBHOOK_SECRET": SECRET,
        "CHESSCOACH_ALERTS__URLS": f"{receiver.url.replace('http', 'json')}/apprise",
    }


async def test_a_test_goes_to_each_receiver() -> None:
    async with open_receiver() as receiver:
        done = await run(receivers(receiver), *CLI, "test", "--json")

    assert done.code == 0
    assert sorted(receiver.paths) == ["/apprise", "/hook"]
    (hook,) = (one for one in receiver.requests if one.path == "/hook")
    body: dict[str, Any] = json.loads(hook.body)
    assert (body["kind"], body["state"], body["id"]) == ("test", "firing", done.record["id"])
    accepted = {one["channel"]: one["accepted"] for one in done.record["receivers"]}
    assert (len(accepted), accepted["webhook"]) == (2, True)
    assert set(accepted.values()) == {True}


async def test_a_test_says_which_receiver_does_not_accept_it_and_why() -> None:
    async with open_receiver() as receiver:
        receiver.status = 500
        webhook = receivers(receiver)
        del webhook["CHESSCOACH_ALERTS__URLS"]
        done = await run(webhook, *CLI, "test")

    assert (done.code, done.out) == (1, "webhook: not accepted: the receiver answered 500\n")


async def test_a_test_without_a_receiver_says_which_setting_is_missing() -> None:
    done = await run(NO_DATABASE, *CLI, "test")

    assert done.code == 2
    assert "set [alerts] webhook_url or urls" in done.err


async def test_the_list_shows_what_fires_and_on_request_what_has_resolved(
    environment: dict[str, str], ctx: Any, db: Any
) -> None:
    alert: dict[str, Any] = {
        "_id": "missed:a", "kind": "missed", "state": "firing", "job": "sync_games",
        "run_id": None, "summary": "a: late", "since": NOON, "revision": 1, "messages": [{}],
    }  # fmt: skip
    db.alerts.insert_many([alert, {**alert, "_id": "missed:b", "state": "resolved"}])

    firing = await run(environment, *CLI, "list", "--json")
    everything = await run(environment, *CLI, "list", "--all")

    (shown,) = json.loads(firing.out)
    assert (shown["cause"], shown["waiting"]) == ("missed:a", 1)
    assert "missed:b" in everything.out
