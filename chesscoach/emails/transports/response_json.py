"""Decodes the JSON of SendGrid's responses, as far as it can be read."""

import json
from typing import Any


def decode_json(body: bytes) -> Any:
    """Decode a body; None if it is not JSON.

    A byte order mark, NaN, control characters and bytes that are not UTF-8 cost only themselves.
    """
    try:
        return json.loads(body.decode("utf-8-sig", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None
