"""An event is one line: a JSON object, or a text on a terminal."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from chesscoach import __version__, log
from chesscoach.config import LogSettings
from tests.log.conftest import SECRETS
from tests.support.log_lines import Lines, parse_lines


def test_an_event_is_one_json_object_with_its_fields(
    only_line: Callable[[], dict[str, Any]],
) -> None:
    with structlog.contextvars.bound_contextvars(job="sync_games"):
        log.get_logger().info("games_stored", count=3, share=0.5, whole=True, none=None)
    line = only_line()
    at = datetime.fromisoformat(line.pop("timestamp"))
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    assert line == {
        "event": "games_stored", "job": "sync_games", "level": "info", "count": 3, "share": 0.5,
        "whole": True, "none": None, "service": "chesscoach", "version": __version__,
    }  # fmt: skip


LINE_BREAKS = "a\nb\r\nc\u2028d\x85e\x00 \ud800 ♞"


@pytest.mark.parametrize(
    ("value", "logged"),
    [
        (LINE_BREAKS, LINE_BREAKS),
        (float("nan"), ...),
        ({("a", 1): 2}, ...),
        (b"\xff", ...),
        (datetime(2026, 11, 21, tzinfo=UTC), "2026-11-21 00:00:00+00:00"),
        (("a", "b"), ["a", "b"]),
        ({1}, [1]),
        (ValueError("x"), "x"),
    ],
)
def test_any_value_is_logged_in_one_line(
    value: object, logged: object, only_line: Callable[[], dict[str, Any]]
) -> None:
    log.get_logger().info("odd_value", value=value)
    line = only_line()
    assert line["event"] == "odd_value"
    assert logged in (..., line["value"])


def test_lines_below_the_level_and_those_of_libraries_below_warning_are_left_out(
    lines: Lines,
) -> None:
    methods: tuple[Any, ...] = ("debug", "info", "warning", "error")
    for number, level in enumerate(methods):
        log.configure(LogSettings(level=level, format="json"))
        for method in methods:
            getattr(log.get_logger(), method)("event")
        for name in ("pymongo.command", "aiohttp.client", "any"):
            logging.getLogger(name).info("chatter")
        assert [line["level"] for line in lines()] == list(methods[number:])


def test_lines_go_to_stderr_when_stdout_carries_a_result(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for _ in range(2):  # the second replaces the first
        log.configure(LogSettings(format="json"), stream="stderr")
    log.get_logger().info("event")
    logging.getLogger("pymongo").warning("text")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line["event"] for line in parse_lines(captured.err)] == ["event", "library_log"]


def test_on_a_terminal_lines_are_text_with_the_same_masks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure(LogSettings(format="console"), secrets=[SECRETS])
    log.get_logger().info("games_stored", count=3, password="x1y2", url=f"mongodb://a:{SECRETS}@h/")
    output = capsys.readouterr().out
    assert "games_stored" in output
    assert "x1y2" not in output
    assert SECRETS not in output
    with pytest.raises(json.JSONDecodeError):
        json.loads(output)
