"""One HTTP request to a receiver: it has a deadline, follows no redirect and quotes nothing."""

from collections.abc import Mapping
from typing import Literal

import aiohttp
from yarl import URL

from chesscoach import __version__
from chesscoach.errors import AlertRefused

_TIMEOUT = aiohttp.ClientTimeout(total=10.0)
"""Healthchecks' own advice for a ping; a webhook gets the same."""


def open_session() -> aiohttp.ClientSession:
    """A session for webhooks and pings."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"chesscoach/{__version__}"},
        timeout=_TIMEOUT,
    )


async def request(
    session: aiohttp.ClientSession,
    method: Literal["GET", "POST"],
    url: URL | str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Sends a request; a status of 2xx accepts it.

    Raises:
        AlertRefused: another status, a redirect included, or no response in time.
    """
    try:
        async with session.request(
            method, url, data=body, headers=headers, allow_redirects=False
        ) as response:
            status = response.status
            if not response.content.at_eof():  # what a receiver says is not read
                response.close()
    except TimeoutError:
        msg = f"no response within {_TIMEOUT.total:g} s"
        raise AlertRefused(msg) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        msg = f"no response ({type(error).__name__})"
        raise AlertRefused(msg) from None
    if not 200 <= status < 300:
        msg = f"the receiver answered {status}"
        raise AlertRefused(msg)
