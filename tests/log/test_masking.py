"""No secret and no address is logged."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from chesscoach import log
from chesscoach.config import LogSettings
from tests.log.conftest import SECRETS
from tests.support.log_lines import Lines


@pytest.mark.parametrize(
    "name",
    [
        "password", "db_passwd", "client_secret", "session_token", "Authorization", "cookie",
        "api_key", "sendgrid_apikey", "email", "sender_email",
    ],
)  # fmt: skip
def test_a_field_with_the_name_of_a_secret_is_masked(name: str, lines: Lines) -> None:
    log.get_logger().info("event", **{name: SECRETS})
    log.get_logger().info("event", outer=[{"inner": {name: [SECRETS]}}])
    first, second = lines()
    assert first[name] == "***"
    assert second["outer"] == [{"inner": {name: "***"}}]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("at mongodb://u:planted@h:1/db now", "at mongodb://***@h:1/db now"),
        ("mongodb+srv://u:planted%40@h/", "mongodb+srv://***@h/"),
        ("https://planted@example.org/x", "https://***@example.org/x"),
        ("key SG.plantedplanted.planted_planted-1", "key ***"),
        ("authorization: Bearer planted.abc-_~+/=", "authorization: Bearer ***"),
        ("BASIC planted==", "BASIC ***"),
        ("GET /x?api_key=planted&page=2", "GET /x?api_key=***&page=2"),
        ("https://h/?a=1&access_token=planted#x", "https://h/?a=1&access_token=***"),
        ("?tlsCertificateKeyFilePassword=planted", "?tlsCertificateKeyFilePassword=***"),
        ("to planted.one+tag@mail.example.org, sent", "to ***, sent"),
        ("<planted@example.co.uk>", "<***>"),
        ("<planted.o'brien@example.org>", "<***>"),
    ],
)
def test_secrets_and_addresses_in_texts_are_masked(text: str, masked: str, lines: Lines) -> None:
    log.get_logger().info("event", why=text, nested={"deep": [(text,), {text}]})
    log.get_logger().info(text)
    first, second = lines()
    assert "planted" not in json.dumps([first, second])
    assert first["why"] == masked
    assert first["nested"] == {"deep": [[masked], [masked]]}
    assert second["event"] == masked


def test_a_text_without_secrets_and_a_count_of_emails_are_unchanged(
    only_line: Callable[[], dict[str, Any]],
) -> None:
    texts = ["https://lichess.org/AbCd1234", "2026-11-21T06:00:00Z", "sync_games:manual:1@2"]
    log.get_logger().info("event", texts=texts, notes={"emails_sent_before": 6})
    line = only_line()
    assert (line["texts"], line["notes"]) == (texts, {"emails_sent_before": 6})


def test_the_secrets_of_the_process_are_masked_everywhere(
    only_line: Callable[[], dict[str, Any]],
) -> None:
    log.configure(LogSettings(format="json"), secrets=[SECRETS, f"{SECRETS}-longer", "", "ab"])
    log.get_logger().info(
        f"with {SECRETS}",
        a=f"x{SECRETS}y",
        b=[{"c": (f"{SECRETS}-longer", f"{SECRETS}".encode())}],
        d=ValueError(SECRETS),
        e="abc",
        sent={"ann@example.org": 1, SECRETS: 2},
    )
    line = only_line()
    assert not any(secret in json.dumps(line) for secret in (SECRETS, "ann@"))
    assert (line["event"], line["a"]) == ("with ***", "x***y")
    assert line["b"] == [{"c": ["***", "b'***'"]}]
    assert line["e"] == "abc"  # too short to be a secret


def test_is_masked_says_whether_a_text_would_be_hidden() -> None:
    log.configure(LogSettings(format="json"), secrets=["hunter2", "abc"])

    assert log.is_masked("hunter2")
    assert log.is_masked("mongodb://coach:other@db.example/"), "it looks like a secret"
    assert not log.is_masked("abc"), "too short"
    assert not log.is_masked("unknown")
