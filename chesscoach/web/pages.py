"""What all pages for operators share: headers, the templates, links, and the page of a problem.

Pages load nothing from elsewhere and run no script that stands in them. `Referrer-Policy` is
`same-origin`: with `no-referrer` a browser posts our own forms with `Origin: null`.
"""

from functools import cache
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from chesscoach.web.problems import Problem

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; frame-src 'self'; manifest-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}
"""The headers of a page; a handler may set another value of each, as for a framed email."""


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("chesscoach.web"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,  # else each page looks at its files
        trim_blocks=True,
        lstrip_blocks=True,
    )


def load_templates() -> None:
    """Compiles the templates of this room, which reads files, before the first request."""
    for name in _templates().list_templates(["html"]):
        _templates().get_template(name)


def render_page(name: str, status: int = 200, **values: Any) -> web.Response:
    """A page from a template of this room, which must not need more than the given values."""
    html = _templates().get_template(f"{name}.html").render(values)
    return web.Response(text=html, status=status, content_type="text/html", headers=PAGE_HEADERS)


def render_problem(problem: Problem, base_path: str) -> web.Response:
    """The page of a refused request."""
    page = render_page("problem", problem.status, problem=problem, base_path=base_path)
    page.headers.update(problem.headers)
    return page


def redirect(path: str) -> web.Response:
    """Sends the browser on with a GET, so that a reload does not repeat what a form did."""
    return web.Response(status=303, headers={"Location": path})
