"""Documents as lines of canonical Extended JSON, and back to the same bytes.

A page of them takes long, so it should be converted in a thread.
"""

import base64
from typing import Any, TypeAlias

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from bson.json_util import CANONICAL_JSON_OPTIONS, dumps, loads
from bson.raw_bson import RawBSONDocument

from chesscoach.mongo.client import Document

StoredDocument: TypeAlias = RawBSONDocument
"""A document as its bytes."""

_LOSSLESS: CodecOptions[Document] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS  # a date may be out of Python's range
)
RAW: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument,
    datetime_conversion=DatetimeConversion.DATETIME_MS,
    unicode_decode_error_handler="replace",  # a text that is not valid must not fail a read
)
"""How documents are read whose bytes must not change."""

_JSON = CANONICAL_JSON_OPTIONS.with_options(
    datetime_conversion=DatetimeConversion.DATETIME_MS, tz_aware=False
)
_BYTES_FIELD = "$chesscoachBytes"
"""Has the bytes of a document that Extended JSON cannot express, such as one with a `$date`."""


def to_line(document: RawBSONDocument) -> str:
    """A stored document as one line; `from_line` returns the same bytes."""
    try:
        text = dumps(bson.decode(document.raw, _LOSSLESS), json_options=_JSON)
        if _to_bytes(text) == document.raw:
            return text
    except (BSONError, ValueError, TypeError, OverflowError):
        pass
    return dumps({_BYTES_FIELD: base64.b64encode(document.raw).decode()})


def from_line(line: str) -> RawBSONDocument:
    """The document of a line.

    Raises:
        ValueError: the line is not a document with an `_id`.
    """
    try:
        document = RawBSONDocument(_to_bytes(line), RAW)
        has_id = "_id" in document
    except (BSONError, TypeError, OverflowError, LookupError, RecursionError) as error:
        raise ValueError(type(error).__name__) from None
    if not has_id:
        msg = "a document without _id"
        raise ValueError(msg)
    return document


def _to_bytes(line: str) -> bytes:
    value: Any = loads(line, json_options=_JSON)
    if isinstance(value, dict) and list(value) == [_BYTES_FIELD]:
        return base64.b64decode(value[_BYTES_FIELD], validate=True)
    return bson.encode(value, codec_options=_LOSSLESS)
