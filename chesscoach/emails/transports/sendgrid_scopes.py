"""The scopes of a SendGrid key, by one GET that sends nothing and costs nothing."""

import asyncio
from typing import Literal

import aiohttp
from msgspec import Struct

from chesscoach import __version__
from chesscoach.config import SendGridSettings
from chesscoach.emails.transports.response_json import decode_json

PATH = "/v3/scopes"
MAIL_SEND_SCOPE = "mail.send"
_MAX_RESPONSE_BYTES = 256 * 1024


class ScopeCheck(Struct, frozen=True, kw_only=True):
    """The result of a check.

    - may_send, may_not_send: the key is valid, and has or lacks the scope `mail.send`
    - refused: the key is invalid (401), or may not list its scopes (403)
    - odd: another status, or an unreadable body
    - none: no response in time, or no connection

    `detail` is for operators: a status or a kind of error, never the key.
    """

    verdict: Literal["may_send", "may_not_send", "refused", "odd", "none"]
    detail: str = ""


async def check_scopes(
    settings: SendGridSettings, key: str, deadline_s: float, proxy: str | None = None
) -> ScopeCheck:
    """Request the scopes of a key once."""
    if not (key.isascii() and key.isprintable()):
        return ScopeCheck(verdict="refused", detail="it cannot be sent in a header")
    headers = {
        "Accept": "application/json",
        "Authorization": f"Bearer {key}",
        "User-Agent": f"chesscoach/{__version__}",
    }
    try:
        async with (
            asyncio.timeout(deadline_s),
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), proxy=proxy) as session,
            session.get(
                settings.base_url.rstrip("/") + PATH, headers=headers, allow_redirects=False
            ) as response,
        ):
            body = await response.content.read(_MAX_RESPONSE_BYTES)
            while len(body) < _MAX_RESPONSE_BYTES and (
                more := await response.content.read(_MAX_RESPONSE_BYTES)
            ):
                body += more
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return ScopeCheck(verdict="none", detail=type(error).__name__)
    return _interpret_response(response.status, body)


def _interpret_response(status: int, body: bytes) -> ScopeCheck:
    if status in (401, 403):
        return ScopeCheck(verdict="refused", detail=str(status))
    if status != 200:
        return ScopeCheck(verdict="odd", detail=str(status))
    decoded = decode_json(body)
    scopes = decoded.get("scopes") if isinstance(decoded, dict) else None
    if not isinstance(scopes, list):
        return ScopeCheck(verdict="odd", detail="200 with a body that is not SendGrid's")
    return ScopeCheck(verdict="may_send" if MAIL_SEND_SCOPE in scopes else "may_not_send")
