"""Responses with the few HTML pages that people see."""

from aiohttp import web

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # a page's URL authorizes its action
    "X-Robots-Tag": "noindex",
}


def html_response(html: str, status: int = 200) -> web.Response:
    """A response that loads nothing; no other site may frame it, index it or learn its URL."""
    return web.Response(text=html, status=status, content_type="text/html", headers=_HEADERS)
