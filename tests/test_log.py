import json
import logging
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeAlias

import pytest
import structlog

from chesscoach import __version__, log
from chesscoach.config import LogSettings
from chesscoach.errors import StoreFailed

SECRETS = "planted-7731"
Lines: TypeAlias = Callable[[], list[dict[str, Any]]]


def parse_lines(text: str) -> list[dict[str, Any]]:
    """Each line as a JSON object; NaN is not JSON."""

    def refuse(word: str) -> NoReturn:
        raise ValueError(word)

    lines = [json.loads(line, parse_constant=refuse) for line in text.splitlines()]
    assert all(isinstance(line, dict) for line in lines)
    return lines


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


# No secrets, no addresses


@pytest.mark.parametrize(
    "name",
    [
        "password", "db_passwd", "client_secret", "session_token", "Authorization", "cookie",
        "api_key", "sendgrid_apikey", "email", "sender_email",
    ],
)  # fmt: skip
def test_a_field_with_the_name_of_a_secret_is_masked(name: str, lines: Lines) -> None:
    log.get_logger().info("event", **{name: SECRETS})
    log.get_logger().info("event", outer=[{"inner": {name: [SECRETS]}}])
    first, second = lines()
    assert first[name] == "***"
    assert second["outer"] == [{"inner": {name: "***"}}]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("at mongodb://u:planted@h:1/db now", "at mongodb://***@h:1/db now"),
        ("mongodb+srv://u:planted%40@h/", "mongodb+srv://***@h/"),
        ("https://planted@example.org/x", "https://***@example.org/x"),
        ("key SG.plantedplanted.planted_planted-1", "key ***"),
        ("authorization: Bearer planted.abc-_~+/=", "authorization: Bearer ***"),
        ("BASIC planted==", "BASIC ***"),
        ("GET /x?api_key=planted&page=2", "GET /x?api_key=***&page=2"),
        ("https://h/?a=1&access_token=planted#x", "https://h/?a=1&access_token=***"),
        ("?tlsCertificateKeyFilePassword=planted", "?tlsCertificateKeyFilePassword=***"),
        ("to planted.one+tag@mail.example.org, sent", "to ***, sent"),
        ("<planted@example.co.uk>", "<***>"),
        ("<planted.o'brien@example.org>", "<***>"),
    ],
)
def test_secrets_and_addresses_in_texts_are_masked(text: str, masked: str, lines: Lines) -> None:
    log.get_logger().info("event", why=text, nested={"deep": [(text,), {text}]})
    log.get_logger().info(text)
    first, second = lines()
    assert "planted" not in json.dumps([first, second])
    assert first["why"] == masked
    assert first["nested"] == {"deep": [[masked], [masked]]}
    assert second["event"] == masked


def test_a_text_without_secrets_and_a_count_of_emails_are_unchanged(
    only_line: Callable[[], dict[str, Any]],
) -> None:
    texts = ["https://lichess.org/AbCd1234", "2026-11-21T06:00:00Z", "sync_games:manual:1@2"]
    log.get_logger().info("event", texts=texts, notes={"emails_sent_before": 6})
    line = only_line()
    assert (line["texts"], line["notes"]) == (texts, {"emails_sent_before": 6})


def test_the_secrets_of_the_process_are_masked_everywhere(
    only_line: Callable[[], dict[str, Any]],
) -> None:
    log.configure(LogSettings(format="json"), secrets=[SECRETS, f"{SECRETS}-longer", "", "ab"])
    log.get_logger().info(
        f"with {SECRETS}",
        a=f"x{SECRETS}y",
        b=[{"c": (f"{SECRETS}-longer", f"{SECRETS}".encode())}],
        d=ValueError(SECRETS),
        e="abc",
        sent={"ann@example.org": 1, SECRETS: 2},
    )
    line = only_line()
    assert not any(secret in json.dumps(line) for secret in (SECRETS, "ann@"))
    assert (line["event"], line["a"]) == ("with ***", "x***y")
    assert line["b"] == [{"c": ["***", "b'***'"]}]
    assert line["e"] == "abc"  # too short to be a secret


# Errors


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


def test_is_masked_says_whether_a_text_would_be_hidden() -> None:
    log.configure(LogSettings(format="json"), secrets=["hunter2", "abc"])

    assert log.is_masked("hunter2")
    assert log.is_masked("mongodb://coach:other@db.example/"), "it looks like a secret"
    assert not log.is_masked("abc"), "too short"
    assert not log.is_masked("unknown")
