"""The documented rules of `POST /v3/mail/send`, as checks of a payload.

`mail_send.json` is the schema that SendGrid publishes. `_LIMITS` adds what its reference and its
page of limitations say beyond that; two functions check what no schema can express.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

FieldError = tuple[str, str | None]
"""What is wrong, and the field (None: the whole body)."""

MAX_BYTES = 30_000_000
MAX_RECIPIENTS = 1000
MAX_CUSTOM_BYTES = 10_000
RECIPIENT_FIELDS = ("to", "cc", "bcc")
_CONTENT_ORDER = ("text/plain", "text/x-amp-html", "text/html")
_RESERVED_HEADERS = (
    "x-sg-id|x-sg-eid|received|dkim-signature|content-type|content-transfer-encoding"
    "|to|from|subject|reply-to|cc|bcc"
)

# Read at import: reading a file later would block a test's loop.
PUBLISHED = json.loads(Path(__file__).with_name("mail_send.json").read_text("utf-8"))
SCHEMA = Draft202012Validator(PUBLISHED)

_ADDRESS = {
    "properties": {
        "email": {"pattern": r'^[^\s,;<>"]+@[^\s,;<>"@]+$'},
        "name": {"pattern": "^[^,;]*$"},
    }
}
_SENDER = {"allOf": [_ADDRESS, {"properties": {"email": {"pattern": r"^[\x00-\x7f]*$"}}}]}
_HEADERS = {
    "propertyNames": {"pattern": rf"^(?!(?i:{_RESERVED_HEADERS})$)[\x00-\x7f]+$"},
    "additionalProperties": {"type": "string"},
}
_PERSONALIZATION_FIELDS = dict.fromkeys(
    PUBLISHED["properties"]["personalizations"]["items"]["properties"], True
)
_LIMITS = Draft202012Validator(
    {
        "properties": dict.fromkeys([*PUBLISHED["properties"], "sections"], True)
        | {
            "from": _SENDER,
            "headers": _HEADERS,
            "personalizations": {
                "minItems": 1,
                "items": {
                    "properties": _PERSONALIZATION_FIELDS
                    | {kind: {"items": _ADDRESS} for kind in RECIPIENT_FIELDS}
                    | {
                        "to": {"minItems": 1, "items": _ADDRESS},
                        "headers": _HEADERS,
                        "custom_args": {"additionalProperties": {"type": "string"}},
                    },
                    "additionalProperties": False,
                },
            },
        },
        "additionalProperties": False,
        "if": {"not": {"required": ["template_id"]}},
        "then": {"required": ["content"], "properties": {"content": {"minItems": 1}}},
    }
)


def field_errors(payload: Any) -> list[FieldError]:
    """All errors of a decoded payload: those of the schema, else those of the other rules."""
    return list(_schema_errors(SCHEMA, payload)) or [
        *_schema_errors(_LIMITS, payload),
        *_personalization_errors(payload),
        *_content_errors(payload),
    ]


def recipients(payload: Mapping[str, Any]) -> list[str]:
    """The addresses of all recipients of a payload that fits the schema, in its order."""
    return [
        recipient["email"]
        for personalization in payload["personalizations"]
        for kind in RECIPIENT_FIELDS
        for recipient in personalization.get(kind, [])
    ]


def is_sandboxed(payload: Mapping[str, Any]) -> bool:
    """Whether a valid payload requests sandbox mode."""
    return bool(payload.get("mail_settings", {}).get("sandbox_mode", {}).get("enable"))


def _schema_errors(validator: Draft202012Validator, payload: Any) -> Iterator[FieldError]:
    for error in validator.iter_errors(payload):
        path = [str(step) for step in error.absolute_path]
        if error.validator in ("required", "additionalProperties"):
            path.append(error.message.split("'")[1])
        elif "propertyNames" in error.absolute_schema_path:
            path.append(str(error.instance))
        yield error.message[:200], ".".join(path) or None


def _personalization_errors(payload: Mapping[str, Any]) -> Iterator[FieldError]:
    addresses = [address.casefold() for address in recipients(payload)]
    if len(addresses) > MAX_RECIPIENTS:
        yield f"at most {MAX_RECIPIENTS} recipients", "personalizations"
    if len(set(addresses)) < len(addresses):
        yield "each address is allowed once", "personalizations"
    for index, personalization in enumerate(payload["personalizations"]):
        values = personalization.get("custom_args", {}).items()
        if sum(len(f"{name}{value}".encode()) for name, value in values) >= MAX_CUSTOM_BYTES:
            field = f"personalizations.{index}.custom_args"
            yield f"less than {MAX_CUSTOM_BYTES} bytes in all", field


def _content_errors(payload: Mapping[str, Any]) -> Iterator[FieldError]:
    listed = payload["personalizations"]
    if not ({"subject", "template_id"} & payload.keys() or all("subject" in one for one in listed)):
        yield "required, unless there is a template", "subject"
    types = [content["type"] for content in payload.get("content", [])]
    ranks = [_CONTENT_ORDER.index(kind) for kind in types if kind in _CONTENT_ORDER]
    if ranks != sorted(ranks):
        yield f"the order is {', '.join(_CONTENT_ORDER)}", "content"
