"""What SendGrid's replies mean. Pure: a status, headers and a body in, a verdict out.

The statuses are those of SendGrid's documentation of `POST /v3/mail/send`. Its words are never
quoted, for they can repeat an address; of the errors' `field` only names that the request's schema
knows are told.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import takewhile
from typing import Any

import msgspec

from chesscoach.emails.transports.transport import SendResult

DEFAULT_WAIT_S = 60.0
TIMEOUT_WAIT_S = 2.0
MIN_WAIT_S = 1.0
MAX_WAIT_S = 3600.0
"""Bounds of the pause after a 429: a reset may be past by our clock, or far off by theirs."""

_MAX_FIELDS_REPORTED = 5
_INTEGER_PATTERN = re.compile(r"\d{1,12}")
_FIELD_PATTERN = re.compile(
    r"\d{1,6}|personalizations|from|to|cc|bcc|reply_to|reply_to_list|email|name|subject|content|type"
    r"|value|attachments|filename|disposition|content_id|template_id|headers|categories|custom_args"
    r"|send_at|batch_id|asm|group_id|ip_pool_name|mail_settings|sandbox_mode|tracking_settings"
    r"|click_tracking|open_tracking|subscription_tracking|enable|enable_text"
)
_REJECTED_STATUSES = {
    400: "the request is not valid",
    413: "the mail is too large",
}
_FATAL_STATUSES = {
    401: "the key is not accepted",
    403: "the sender is not verified, or the account is blocked",
    404: "what answers at base_url does not know the path",
    405: "what answers at base_url does not take a POST",
    406: "the form of the reply that we ask for is not to be had",
    415: "the form of the request is not known",
}
"""No fault of a mail's: every other would fare the same, so none is spent on it."""


def interpret_response(
    status: int, headers: Mapping[str, str], body: bytes, *, sandbox: bool, now: datetime
) -> SendResult:
    """What became of a mail that was answered so; header names in any case.

    Args:
        status: the reply's.
        headers: the reply's, a mapping that minds no case.
        body: as much of it as was read; only that of a 4xx is looked at.
        sandbox: whether the mail was only to be checked.
        now: the wall clock, for the end of a pause is told as an instant.
    """
    if status == 202:
        return SendResult(verdict="accepted", message_id=headers.get("X-Message-Id"))
    if status == 200 and sandbox:
        return SendResult(verdict="sandboxed")
    if 300 <= status < 400:
        # Not followed: it would carry the key and the mail to somebody else.
        return SendResult(verdict="stopped", reason=f"{status}: base_url redirects")
    if 400 <= status < 500:
        return _interpret_client_error(status, headers, body, now)
    return SendResult(verdict="unknown", reason=f"{status}: SendGrid may have taken it or not")


def _interpret_client_error(
    status: int, headers: Mapping[str, str], body: bytes, now: datetime
) -> SendResult:
    errors = _errors(body)
    # Credits that are used up come as a 401, of all things.
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
    return SendResult(verdict="refused", reason=reason)


def _errors(body: bytes) -> list[dict[str, Any]]:
    """The errors of a reply; a body in another form, such as a proxy's page, is one message."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return [{"message": body.decode("utf-8", "replace")}]
    errors = said.get("errors") if isinstance(said, dict) else None
    if not isinstance(errors, list):
        return [{"message": str(said)}]
    return [error for error in errors if isinstance(error, dict)]


def _field(error: dict[str, Any]) -> str:
    """As much of a field's path as the schema's names and positions make up."""
    parts = str(error.get("field") or "").split(".")
    return ".".join(takewhile(_FIELD_PATTERN.fullmatch, parts))


def _wait_s(headers: Mapping[str, str], now: datetime) -> float:
    """How long to wait after a 429: until the reset, or as long as `Retry-After` says."""
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
    if then.tzinfo is None:  # "-0000": UTC, from somebody who does not tell where he is
        then = then.replace(tzinfo=UTC)
    return (then - now).total_seconds()
