"""The lines of a log, parsed."""

import json
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

Lines: TypeAlias = Callable[[], list[dict[str, Any]]]
"""Returns the lines logged since the last call, parsed."""


def parse_lines(text: str) -> list[dict[str, Any]]:
    """Each line as a JSON object; NaN is not JSON."""

    def refuse(word: str) -> NoReturn:
        raise ValueError(word)

    lines = [json.loads(line, parse_constant=refuse) for line in text.splitlines()]
    assert all(isinstance(line, dict) for line in lines)
    return lines
