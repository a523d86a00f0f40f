"""Reading a response within bounds, so that no source can fill our memory."""

import json
from collections.abc import AsyncIterator
from typing import Any, TypeVar, get_args

import aiohttp
import msgspec
from msgspec import Struct
from yarl import URL

from chesscoach import log
from chesscoach.errors import BadResponse, StreamTruncated
from chesscoach.sources.json_elements import BOM

T = TypeVar("T", bound=Struct)
REDIRECT_STATUSES = (301, 302, 303, 307, 308)
_PAGE_TYPES = ("text/html", "application/xhtml+xml")
_MAX_ERROR_BYTES = 64 * 1024
_MAX_HEAD_BYTES = 512
_MAX_HEADER_LENGTH = 1000
_MAX_WORD_LENGTH = 40
_MAX_OVERLONG_FACTOR = 16
"""Times its limit that a line may have before the stream is given up."""


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole decoded response, without a byte order mark.

    Raises:
        BadResponse: it has more than `limit` bytes.
    """
    parts = bytearray()
    async for part in response.content.iter_any():
        parts += part
        if len(parts) > limit:
            msg = f"response of more than {limit} bytes"
            raise BadResponse(msg)
    return bytes(parts.removeprefix(BOM))


async def read_lines(response: aiohttp.ClientResponse, limit: int) -> AsyncIterator[bytes]:
    """The complete lines of a stream, without empty ones.

    Of a line of more than `limit` bytes, only the beginning is yielded, which has the game's id.
    The lines after it may be good.

    Raises:
        BadResponse: a line has more than 16 times the limit.
        StreamTruncated: the last line has no end; the lines before it have been yielded.
    """
    rest, head, skipped = b"", b"", 0
    async for part in response.content.iter_any():
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            if skipped or len(line) > limit:
                yield head if skipped else line[:_MAX_HEAD_BYTES]
            elif line.strip():
                yield line
            skipped = 0
        if skipped or len(rest) > limit:
            head = head if skipped else rest[:_MAX_HEAD_BYTES]
            skipped += len(rest)
            rest = b""
        if skipped > _MAX_OVERLONG_FACTOR * limit:
            msg = f"line of more than {_MAX_OVERLONG_FACTOR * limit} bytes"
            raise BadResponse(msg)
    if skipped or rest.strip():
        msg = "the stream ended within a line"
        raise StreamTruncated(msg)


async def error_message(response: aiohttp.ClientResponse) -> str:
    """The `message` or `error` of a JSON error, or an empty text. It must not be logged."""
    try:
        return await checked_error_message(response)
    except BadResponse:
        return ""


async def checked_error_message(response: aiohttp.ClientResponse) -> str:
    """As `error_message`, of a response that must be the source's own.

    Raises:
        BadResponse: it is a page of HTML, though its header does not say so, or it is too long.
    """
    text = await read_body(response, _MAX_ERROR_BYTES)
    if text.lstrip().startswith(b"<"):
        msg = f"the source answered {response.status} with a page of HTML"
        raise BadResponse(msg)
    try:
        body = json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return ""
    if not isinstance(body, dict):
        return ""
    return str(body.get("message") or body.get("error") or "")


def header_text(response: aiohttp.ClientResponse, name: str) -> str | None:
    """A header in printable ASCII; None if it is missing.

    One that has other bytes, or is too long to be sent back, is logged and counts as missing.
    """
    value = response.headers.get(name)
    if value is None or (
        value.isascii() and value.isprintable() and len(value) <= _MAX_HEADER_LENGTH
    ):
        return value
    host = response.url.host
    log.get_logger().warning("header_unreadable", header=name, host=host)
    return None


def is_page(response: aiohttp.ClientResponse, base: URL) -> bool:
    """Whether a response is a page of HTML, as no source sends: a proxy's or a captive portal's.

    A redirect within the source may come with a page, which has the same link; 304 has no body.
    """
    if response.status == 304 or response.content_type not in _PAGE_TYPES:
        return False
    if response.status not in REDIRECT_STATUSES:
        return True
    location = response.headers.get("Location")
    try:
        target = response.url.join(URL(location)) if location else None
    except ValueError:
        target = None
    return target is None or target.host != base.host or not target.path.startswith(base.path)


def to_rating(rating: float | None) -> int | None:
    """Returns a rating as a whole number; None if no rating can be that high or low."""
    return round(rating) if rating is not None and abs(rating) < 100_000 else None


def truncate_word(text: str | None, default: str = "") -> str:
    """One of the source's words, at a length that a word has."""
    return (text or default)[:_MAX_WORD_LENGTH]


def lenient_decode(text: bytes | msgspec.Raw, kind: type[T]) -> tuple[T, tuple[str, ...]]:
    """A JSON object as a struct, without the optional fields whose values are of another kind.

    Returns the struct and the names of those fields.

    Raises:
        msgspec.ValidationError: a field that the struct requires is missing or of another kind.
        msgspec.DecodeError: no JSON, or none of an object.
    """
    raw = msgspec.json.decode(text)
    if not isinstance(raw, dict):
        msg = "not a JSON object"
        raise msgspec.DecodeError(msg)
    dropped: list[str] = []
    return _convert(raw, kind, "", dropped), tuple(dropped)


def _convert(raw: dict[Any, Any], kind: type[T], path: str, dropped: list[str]) -> T:
    kept: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        value = raw.get(field.encode_name)
        if value is None:
            continue
        inner = _struct_in(field.type)
        try:
            if inner is not None and isinstance(value, dict):
                kept[field.name] = _convert(value, inner, f"{path}{field.name}.", dropped)
            else:
                kept[field.name] = msgspec.convert(value, field.type)
        except msgspec.ValidationError:
            if field.required:
                raise
            dropped.append(path + field.name)
    try:
        return kind(**kept)
    except TypeError:
        msg = f"a field of {path or 'the object'} is missing"
        raise msgspec.ValidationError(msg) from None


def _struct_in(annotation: Any) -> type[Struct] | None:
    """The struct of an annotation such as `_Side | None`."""
    for member in (annotation, *get_args(annotation)):
        if isinstance(member, type) and issubclass(member, Struct):
            return member
    return None
