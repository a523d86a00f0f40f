"""Reading a reply, within bounds: no site gets to fill our memory."""

import json
from collections.abc import AsyncIterator

import aiohttp

from chesscoach.errors import BadReply, StreamCut

_ERROR_BYTES = 64 * 1024


async def body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole decoded reply.

    Raises:
        BadReply: it has more than `limit` bytes.
    """
    parts = bytearray()
    async for part in response.content.iter_any():
        parts += part
        if len(parts) > limit:
            msg = f"reply of more than {limit} bytes"
            raise BadReply(msg)
    return bytes(parts)


async def lines(response: aiohttp.ClientResponse, limit: int) -> AsyncIterator[bytes]:
    r"""The complete lines of a stream, without empty ones.

    Raises:
        BadReply: a line has more than `limit` bytes.
        StreamCut: the last line has no end; the lines before it have been yielded.
    """
    rest = b""
    async for part in response.content.iter_any():
        *whole, rest = (rest + part).split(b"\n")
        if len(rest) > limit or any(len(line) > limit for line in whole):
            msg = f"line of more than {limit} bytes"
            raise BadReply(msg)
        for line in whole:
            if line.strip():
                yield line
    if rest.strip():
        msg = "the stream ended within a line"
        raise StreamCut(msg)


async def complaint(response: aiohttp.ClientResponse) -> str:
    """The `message` or `error` of a JSON error reply; empty for anything else. Not to be logged."""
    try:
        told = json.loads(await body(response, _ERROR_BYTES))
    except (ValueError, BadReply, RecursionError):
        return ""
    if not isinstance(told, dict):
        return ""
    return str(told.get("message") or told.get("error") or "")


def whole_rating(rating: float | None) -> int | None:
    """A rating as a number that a database can hold; nonsense is none."""
    return round(rating) if rating is not None and abs(rating) < 100_000 else None
