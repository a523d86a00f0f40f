"""How the few pages that people see are answered."""

from aiohttp import web

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # the address of a page is what it allows
    "X-Robots-Tag": "noindex",
}


def html_response(html: str, status: int = 200) -> web.Response:
    """A page as it is answered: nothing is loaded, framed, indexed or told to other sites."""
    return web.Response(text=html, status=status, content_type="text/html", headers=_HEADERS)
