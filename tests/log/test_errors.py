"""Errors and the lines of libraries are logged in our form."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from chesscoach import log
from chesscoach.config import LogSettings
from chesscoach.errors import StoreFailed
from tests.log.conftest import SECRETS
from tests.support.log_lines import parse_lines


def raise_error() -> NoReturn:
    """Raises as a library does: its text quotes its argument."""
    password = SECRETS  # a local variable that no traceback may show
    raise ValueError(f"refused {{'pgn': '{password}'}}")


def raise_own_error() -> NoReturn:
    """Raises one of our errors with a library's error as its cause."""
    try:
        raise_error()
    except ValueError as error:
        ours = StoreFailed("MongoDB refused ann@example.org")
        ours.add_note(f"seen at https://u:{SECRETS}@h/")
        raise ours from error


def raise_group() -> NoReturn:
    """Raises several errors at once."""
    raise ExceptionGroup(SECRETS, [ValueError(SECRETS), StoreFailed("x")])


def fail_in_a_handler() -> NoReturn:
    """Raises while another error is handled."""
    try:
        raise_error()
    except ValueError:
        raise KeyError(SECRETS)  # noqa: B904  # the implicit chain is under test


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("raising", [raise_error, raise_own_error, raise_group, fail_in_a_handler])
def test_neither_texts_of_foreign_errors_nor_local_variables_are_logged(
    form: Any, raising: Callable[[], NoReturn], capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure(LogSettings(format=form))
    try:
        raising()
    except Exception as error:  # noqa: BLE001  # each kind is logged in the same way
        log.get_logger().error("job_failed", exc_info=error)
    output = capsys.readouterr().out
    assert raising.__name__ in output
    assert SECRETS not in output


def test_an_error_is_logged_with_its_kind_and_frames(
    only_line: Callable[[], dict[str, Any]],
) -> None:
    try:
        raise_own_error()
    except StoreFailed:
        log.get_logger().error("job_failed", exc_info=True)
    ours, theirs = only_line()["exception"]
    assert (ours["exc_type"], ours["exc_value"]) == ("StoreFailed", "MongoDB refused ***")
    assert ours["exc_notes"] == ["seen at https://***@h/"]
    assert (theirs["exc_type"], theirs["exc_value"], theirs["is_cause"]) == ("ValueError", "", True)
    assert [frame["name"] for frame in theirs["frames"]] == ["raise_own_error", "raise_error"]
    assert set(theirs["frames"][0]) == {"filename", "lineno", "name"}


# Lines of others


def test_a_library_is_logged_in_our_form_with_the_first_line_of_its_text(
    only_line: Callable[[], dict[str, Any]],
) -> None:
    log.configure(LogSettings(format="json"), secrets=[SECRETS])
    logging.getLogger("motor.x").warning("at mongodb://u:p@h, %s\nsecond line", SECRETS)
    line = only_line()
    assert (line["event"], line["level"]) == ("library_log", "warning")
    assert line["message"] == "at mongodb://***@h, ***"
    assert line["service"] == "chesscoach"
    assert "second line" not in json.dumps(line)


def test_an_error_logged_by_a_library_is_masked(only_line: Callable[[], dict[str, Any]]) -> None:
    try:
        raise_error()
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved\n%s", SECRETS)
    line = only_line()
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert SECRETS not in json.dumps(line)


SCRIPT = """
import sys, threading, warnings
from chesscoach import log
from chesscoach.config import LogSettings
log.configure(LogSettings(format="json"))
warnings.warn("sent to ann@example.org\\nplanted", UserWarning)
end = sys.argv[1]
def fail(planted="planted"):
    raise ValueError("planted text")
if end == "crash":
    fail()
if end == "thread":
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
if end == "interrupt":
    raise KeyboardInterrupt
"""


@pytest.mark.parametrize(
    ("end", "codes", "events"),
    [
        ("crash", {1}, ["library_log", "unhandled_exception"]),
        ("interrupt", {130, -2}, ["library_log"]),
        ("thread", {0}, ["library_log", "unhandled_exception"]),
    ],
)
def test_warnings_and_uncaught_errors_are_logged_and_masked(
    end: str, codes: set[int], events: list[str]
) -> None:
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, end], capture_output=True, text=True, timeout=60
    )
    lines = parse_lines(process.stdout)
    assert [line["event"] for line in lines] == events
    assert "UserWarning: sent to ***" in lines[0]["message"]
    assert "planted" not in process.stdout + process.stderr
    assert "ann@" not in process.stdout + process.stderr
    assert process.returncode in codes
    if end == "crash":
        assert (lines[1]["error"], lines[1]["level"]) == ("ValueError", "error")
