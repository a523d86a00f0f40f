"""A client of the admin listener that keeps no cookies and follows no redirects of its own."""

from collections.abc import Mapping
from typing import Any

import aiohttp
from msgspec import Struct

from chesscoach.config import WebSettings

ADMIN_TOKEN, READ_TOKEN = "a" * 32, "r" * 32
GUARDED = WebSettings(admin="127.0.0.1:0", admin_token=ADMIN_TOKEN, read_token=READ_TOKEN)
OPEN = WebSettings(admin="127.0.0.1:0")
API = "/api/v1"


class Reply(Struct, kw_only=True):
    """A response; `body` is its JSON."""

    status: int
    body: Any
    text: str
    headers: Mapping[str, str]


class AdminClient:
    """Sends requests with a token, if it has one."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str | None) -> None:
        self._session = session
        self.url = url
        self.token = token

    async def __call__(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        revision: int | None = None,
        headers: dict[str, str] | None = None,
        **given: Any,
    ) -> Reply:
        """One request."""
        sent = dict(headers or {})
        if (token := token or self.token) is not None:
            sent.setdefault("Authorization", f"Bearer {token}")
        if revision is not None:
            sent["If-Match"] = f'"{revision}"'
        url = path if path.startswith("http") else self.url + path
        async with self._session.request(
            method, url, headers=sent, allow_redirects=False, **given
        ) as response:
            text = await response.text()
            is_json = "json" in response.content_type and text
            return Reply(
                status=response.status,
                body=await response.json(content_type=None) if is_json else None,
                text=text,
                headers=response.headers,
            )
