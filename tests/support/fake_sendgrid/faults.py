"""The responses of the fake that replace an accepted email."""

import asyncio
import math
import time
from typing import Literal, NoReturn

from aiohttp import web

from tests.support.fake_sendgrid.validation import FieldError

SendGridFault = Literal[
    "400", "invalid", "401", "403", "404", "413", "429", "500", "503", "302", "credits", "html",
    "garbage", "reset", "cut", "hang", "lost", "late",
]  # fmt: skip
"""The faults of one request.

- a status: that response, in SendGrid's form (413 as a page of HTML, as the proxy before it does)
- 400: the recipient is refused; invalid: the request as a whole is, with the same status
- credits: the 401 of an account without credits
- html: 200 and a page; garbage: no HTTP at all
- reset: the connection is cut before the body is read; cut: after it; nothing is accepted
- hang: no response, nothing is accepted
- lost: accepted, and the connection is cut instead of a response; late: accepted, and no response
"""

REVOKED = "The provided authorization grant is invalid, expired, or revoked"
_ERROR_MESSAGES = {
    "401": REVOKED,
    "403": "The from address does not match a verified Sender Identity.",
    "404": "The resource you are trying to locate does not exist.",
    "429": "too many requests",
    "500": "An error occurred on our side.",
    "503": "We are not available at the moment.",
    "credits": "Maximum credits exceeded",
}
_PAGE_TEMPLATE = (
    "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"
)


def error_response(status: int, wrong: list[FieldError]) -> web.Response:
    """A response in SendGrid's form."""
    listed = [{"message": message, "field": field, "help": None} for message, field in wrong]
    return web.json_response({"errors": listed}, status=status)


def proxy_error_page(status: int, title: str) -> web.Response:
    """A response of the proxy before it."""
    return web.Response(status=status, text=_PAGE_TEMPLATE.format(title), content_type="text/html")


async def inject_fault(
    request: web.Request, fault: SendGridFault | None, *, to: str, reset_s: float
) -> web.Response | None:
    """Return the response of a fault; None without one, or if the email is accepted first.

    Args:
        request: whose body has been read.
        fault: one of the above, if any.
        to: the recipient, which a 400 quotes, as the real one may.
        reset_s: seconds until the reset of a 429.
    """
    if fault in (None, "lost", "late"):
        return None
    if fault == "garbage":
        _garbage_response(request)
    if fault == "hang":
        await wait_for_disconnect(request)
    if fault in ("reset", "cut", "hang"):
        reset_connection(request)
    return _fault_response(fault, to, reset_s)


def _fault_response(fault: str, to: str, reset_s: float) -> web.Response:
    if fault == "html":
        return proxy_error_page(200, "Welcome")
    if fault == "302":
        return web.Response(status=302, headers={"Location": "/elsewhere"})
    if fault == "413":
        return proxy_error_page(413, "413 Request Entity Too Large")
    if fault == "400":
        wrong = f"Does not contain a valid address: {to}"
        return error_response(400, [(wrong, "personalizations.0.to.0.email")])
    if fault == "invalid":
        return error_response(400, [("The template is not valid.", "content.1.value")])
    if fault == "credits":
        return error_response(401, [(_ERROR_MESSAGES[fault], None)])
    response = error_response(int(fault), [(_ERROR_MESSAGES[fault], None)])
    if fault == "429":
        response.headers["X-RateLimit-Limit"] = "600"
        response.headers["X-RateLimit-Remaining"] = "0"
        response.headers["X-RateLimit-Reset"] = str(math.ceil(time.time() + reset_s))
    return response


async def wait_for_disconnect(request: web.Request) -> None:
    """Wait until the client has disconnected."""
    while (
        request.transport is not None and not request.transport.is_closing()
    ):  # a transport has no event
        await asyncio.sleep(0.02)


def reset_connection(request: web.Request) -> NoReturn:
    """Reset the connection."""
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionResetError


def _garbage_response(request: web.Request) -> NoReturn:
    if request.transport is not None:
        request.transport.write(b"This is not HTTP\r\n\r\n")
        request.transport.close()
    raise ConnectionResetError
