"""The lines that a test has logged."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.log_lines import Lines, parse_lines

SECRETS = "planted-7731"


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """Returns the lines logged since the last call, parsed."""
    return lambda: parse_lines(capsys.readouterr().out)


@pytest.fixture
def only_line(lines: Lines) -> Callable[[], dict[str, Any]]:
    """Returns the only line logged since the last call."""

    def _only() -> dict[str, Any]:
        (line,) = lines()
        return line

    return _only
