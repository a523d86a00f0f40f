"""Interprets SendGrid's responses: a status, headers and a body give a result. Pure.

The statuses are those of SendGrid's documentation of `POST /v3/mail/send`. A result never quotes
SendGrid's text, which can repeat an address. Of an error's `field` it quotes only the names of the
request's schema.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import takewhile
from typing import Any

from chesscoach.emails.transports.response_json import decode_json
from chesscoach.emails.transports.transport import SendResult

DEFAULT_WAIT_S = 60.0
TIMEOUT_WAIT_S = 2.0
MIN_WAIT_S = 1.0
MAX_WAIT_S = 3600.0
"""Bounds of the pause after a 429, because SendGrid's clock may differ from ours."""

_MAX_FIELDS_REPORTED = 5
_INTEGER_PATTERN = re.compile(r"\d{1,12}", re.ASCII)
_MESSAGE_ID_PATTERN = re.compile(r"[!-~]{1,200}")
_FIELD_PATTERN = re.compile(
    r"\d{1,6}|personalizations|from|to|cc|bcc|reply_to|reply_to_list|email|name|subject|content|type"
    r"|value|attachments|filename|disposition|content_id|template_id|headers|categories|custom_args"
    r"|send_at|batch_id|asm|group_id|ip_pool_name|mail_settings|sandbox_mode|tracking_settings"
    r"|click_tracking|open_tracking|subscription_tracking|enable|enable_text"
)
_RECIPIENT_PATTERN = re.compile(
    r"\bpersonalizations(?:\.\d+)?(?:\.to\b[\w.]*)?(?![\w.]*\w)", re.ASCII | re.IGNORECASE
)
"""The fields of the recipient, but not the headers and arguments that every email has."""

_INVALID, _TOO_LARGE = 400, 413
_REJECTED_STATUSES = {
    _INVALID: "the request is not valid",
    _TOO_LARGE: "the email is too large",
}
_FATAL_STATUSES = {
    401: "the key is not accepted",
    403: "the sender is not verified, or the account is blocked",
    404: "the server at base_url does not know the path",
    405: "the server at base_url does not accept a POST",
    406: "the server does not offer the content type of the response",
    415: "the server does not accept the content type of the request",
}
"""Statuses that every email would get; so no further one is sent."""


def interpret_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    recipient: str,
    sandbox: bool,
    now: datetime,
) -> SendResult:
    """Return the result of an email by the response.

    Args:
        status: the response's status.
        headers: the response's headers, a case-insensitive mapping.
        body: the start of the body; only that of a 4xx is read.
        recipient: the email's address, which an error may name.
        sandbox: whether the email was only to check.
        now: the wall clock; the end of a pause is an instant.
    """
    if status == 202:
        return SendResult(verdict="accepted", message_id=_message_id(headers))
    if status == 200 and sandbox:
        return SendResult(verdict="sandboxed")
    if 300 <= status < 400:
        # Following it would send the key and the email to another server.
        return SendResult(verdict="stopped", reason=f"{status}: base_url redirects")
    if 400 <= status < 500:
        return _interpret_client_error(status, headers, body, recipient, now)
    return SendResult(verdict="unknown", reason=f"{status}: SendGrid may have accepted it or not")


def _interpret_client_error(
    status: int, headers: Mapping[str, str], body: bytes, recipient: str, now: datetime
) -> SendResult:
    errors = _errors(body)
    # SendGrid reports used-up credits as a 401.
    if any("maximum credits exceeded" in str(error.get("message")).casefold() for error in errors):
        return SendResult(verdict="stopped", reason=f"{status}: the account's credits are used up")
    if status in _FATAL_STATUSES:
        return SendResult(verdict="stopped", reason=f"{status}: {_FATAL_STATUSES[status]}")
    if status == 408:
        reason = "408: the request did not arrive in time"
        return SendResult(verdict="throttled", reason=reason, wait_s=TIMEOUT_WAIT_S)
    if status == 429:
        return SendResult(
            verdict="throttled", reason="429: too many requests", wait_s=_wait_s(headers, now)
        )
    reason = f"{status}: {_REJECTED_STATUSES.get(status, 'the request is refused')}"
    fields = list(dict.fromkeys(filter(None, (_field(error) for error in errors))))
    if fields:
        reason += f" ({', '.join(fields[:_MAX_FIELDS_REPORTED])})"
    isolated = status == _TOO_LARGE or (
        status == _INVALID
        and bool(errors)
        and all(_concerns_recipient(error, recipient) for error in errors)
    )
    return SendResult(verdict="refused", reason=reason, isolated=isolated)


def _message_id(headers: Mapping[str, str]) -> str | None:
    """SendGrid's id of the email; None if it is missing or cannot be stored as text."""
    value = headers.get("X-Message-Id", "").strip()
    return value if _MESSAGE_ID_PATTERN.fullmatch(value) else None


def _errors(body: bytes) -> list[dict[str, Any]]:
    """The errors of a body; a body in another form, such as a proxy's page, is one message."""
    decoded = decode_json(body)
    errors = decoded.get("errors") if isinstance(decoded, dict) else None
    if not isinstance(errors, list):
        return [{"message": body.decode("utf-8", "replace")}]
    return [error for error in errors if isinstance(error, dict)]


def _concerns_recipient(error: dict[str, Any], recipient: str) -> bool:
    """Whether an error names the recipient: by its field, or without one in its message."""
    if field := error.get("field"):
        return isinstance(field, str) and _RECIPIENT_PATTERN.fullmatch(field) is not None
    message = str(error.get("message")).casefold()
    return recipient.casefold() in message or _RECIPIENT_PATTERN.search(message) is not None


def _field(error: dict[str, Any]) -> str:
    """The start of a field's path that consists of the schema's names and positions."""
    parts = str(error.get("field") or "").split(".")
    return ".".join(takewhile(_FIELD_PATTERN.fullmatch, parts))


def _wait_s(headers: Mapping[str, str], now: datetime) -> float:
    """The pause after a 429 in seconds: until the reset, or by `Retry-After`."""
    reset = headers.get("X-RateLimit-Reset", "").strip()
    after = headers.get("Retry-After", "").strip()
    if _INTEGER_PATTERN.fullmatch(reset):
        seconds = int(reset) - now.timestamp()
    elif _INTEGER_PATTERN.fullmatch(after):
        seconds = float(after)
    else:
        seconds = _seconds_until(after, now)
    return min(max(seconds, MIN_WAIT_S), MAX_WAIT_S)


def _seconds_until(date: str, now: datetime) -> float:
    """Seconds until an HTTP date."""
    try:
        then = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return DEFAULT_WAIT_S
    if then.tzinfo is None:  # "-0000": UTC, without the sender's zone
        then = then.replace(tzinfo=UTC)
    return (then - now).total_seconds()
