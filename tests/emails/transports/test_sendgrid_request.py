"""What is posted to SendGrid, held to the schema that it publishes."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from chesscoach.emails.transports.sendgrid_request import request_body
from chesscoach.emails.transports.transport import Message
from tests.conftest import scaled_rounds
from tests.emails.transports.conftest import ADDRESS, SENDER, UNSUBSCRIBE, make_message
from tests.support.fake_sendgrid.validation import PUBLISHED, SCHEMA, field_errors
from tests.support.random_texts import texts


def build_body(message: Message | None = None, *, sandbox: bool = False) -> dict[str, Any]:
    return request_body(message or make_message(), SENDER, "Chess Coach", sandbox=sandbox)


def schema_errors(body: object) -> list[str]:
    """What the published schema has against a body."""
    return [f"{error.json_path}: {error.message}" for error in SCHEMA.iter_errors(body)]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(PUBLISHED)
    assert schema_errors({"personalizations": [{"to": [{"name": "Ann"}]}]})


@pytest.mark.parametrize("sandbox", [False, True])
def test_a_payload_passes_the_published_schema(sandbox: bool) -> None:
    body = json.loads(json.dumps(build_body(sandbox=sandbox)))
    assert schema_errors(body) == []
    assert field_errors(body) == []


@settings(max_examples=scaled_rounds(250))
@given(texts(min_size=1), texts(min_size=1), texts(min_size=1))
def test_whatever_is_written_passes_the_published_schema(
    subject: str, text: str, html: str
) -> None:
    assert schema_errors(build_body(make_message(subject=subject, text=text, html=html))) == []


def test_a_payload_has_exactly_these_fields() -> None:
    assert list(build_body()["personalizations"][0]["headers"]) == list(UNSUBSCRIBE)
    assert build_body() == {
        "personalizations": [
            {
                "to": [{"email": ADDRESS}],
                "headers": UNSUBSCRIBE,
                "custom_args": {"outbox_id": "weekly_summary:u1:2026-W47"},
            }
        ],
        "from": {"email": SENDER, "name": "Chess Coach"},
        "subject": "Your week: 12 games",
        "content": [
            {"type": "text/plain", "value": "Hello Ann"},
            {"type": "text/html", "value": "<p>Hello Ann</p>"},
        ],
        "categories": ["weekly_summary"],
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
        },
    }


@pytest.mark.parametrize(
    "address",
    ["a,b@example.org", "Ann <ann@example.org>", "ann@example.org, bob@example.org", "no address"],
)
def test_an_address_is_taken_as_it_is(address: str) -> None:
    assert build_body(make_message(to=address))["personalizations"][0]["to"] == [{"email": address}]


def test_what_is_not_known_is_left_out() -> None:
    assert "categories" not in build_body(make_message(outbox_id="ann"))
    assert "mail_settings" not in build_body()
    assert build_body(sandbox=True)["mail_settings"] == {"sandbox_mode": {"enable": True}}
    assert request_body(make_message(), SENDER, "", sandbox=False)["from"] == {"email": SENDER}


@pytest.mark.parametrize("body", ["text", "html"])
def test_content_that_begins_like_a_key_is_a_plain_error(body: str) -> None:
    with pytest.raises(ValueError, match="begins like a key") as caught:
        build_body(make_message(**{body: "SG.abc.def and more"}))
    assert "abc" not in str(caught.value)
