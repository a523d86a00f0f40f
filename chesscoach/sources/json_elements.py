"""What can be read of a JSON text that a decoder refuses as a whole.

A decoder gives up at the first thing that is not JSON: half of a surrogate pair, NaN, a nesting
that is too deep. These functions look only at strings and brackets. So each element of an array can
be decoded by itself, and the id of an element that cannot be decoded is found.
"""

import re

import msgspec

BOM = b"\xef\xbb\xbf"
_TOKEN_PATTERN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},]', re.DOTALL)


def array_elements(text: bytes, member: str | None = None) -> list[bytes]:
    """The elements of an array, each as it stands.

    Args:
        text: the JSON text.
        member: the name of the array in the object that the text is; None if the text is the array.

    Raises:
        msgspec.DecodeError: there is no such array, or the text has no end.
    """
    array_depth = 1 if member is None else 2
    key, depth, start, inside = b"", 0, 0, False
    elements: list[bytes] | None = None
    for match in _TOKEN_PATTERN.finditer(text):
        token = match[0]
        if token.startswith(b'"'):
            key = token if depth == 1 else key
        elif token in b"[{":
            depth += 1
            if token == b"[" and depth == array_depth and elements is None:
                inside = member is None or key == f'"{member}"'.encode()
                elements, start = [] if inside else None, match.end()
        elif inside and depth == array_depth and elements is not None:  # a comma, or the end
            element = text[start : match.start()].strip()
            elements += [element] if element else []
            start, inside = match.end(), token == b","
            depth -= token != b","
        elif token != b",":
            depth -= 1
    if elements is None or depth:
        msg = "not a JSON array, or a text without an end"
        raise msgspec.DecodeError(msg)
    return elements


def member_text(text: bytes, name: str) -> str:
    """A text of the object that a JSON text is, also if the text is cut; "" if it has none."""
    key, depth, end = b"", 0, 0
    for match in _TOKEN_PATTERN.finditer(text):
        token = match[0]
        if token in b"[{":
            depth += 1
        elif token in b"]}":
            depth -= 1
        elif depth == 1 and token.startswith(b'"'):
            if key == f'"{name}"'.encode() and text[end : match.start()].strip() == b":":
                return _decode_text(token)
            key, end = token, match.end()
    return ""


def _decode_text(token: bytes) -> str:
    try:
        return msgspec.json.decode(token, type=str)
    except ValueError:
        return ""
