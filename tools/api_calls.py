"""The table of the calls of the admin API, from their list."""

import re
from collections.abc import Iterator

from chesscoach.web.api.catalog import ENDPOINTS
from chesscoach.web.api.endpoint import PREFIX


def calls() -> str:
    """The calls with their tokens and what they do."""
    return "".join(_lines())


def _lines() -> Iterator[str]:
    yield "| call | token | what it does |\n|---|---|---|\n"
    for endpoint in ENDPOINTS:
        path = PREFIX + re.sub(r"\{(\w+):[^}]*\}", r"{\1}", endpoint.path)
        revision = " (`If-Match`)" if endpoint.names_revision else ""
        yield f"| `{endpoint.method} {path}` | {endpoint.scope} | {endpoint.summary}{revision} |\n"
