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
    """Each line as the JSON object that it has to be; NaN is no JSON."""

    def refuse(word: str) -> NoReturn:
        raise ValueError(word)

    found = [json.loads(line, parse_constant=refuse) for line in text.splitlines()]
    assert all(isinstance(line, dict) for line in found)
    return found


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """What has been logged since the last look, parsed."""
    return lambda: parse_lines(capsys.readouterr().out)


@pytest.fixture
def only_line(lines: Lines) -> Callable[[], dict[str, Any]]:
    """The one line that has been logged since."""

    def _only() -> dict[str, Any]:
        (line,) = lines()
        return line

    return _only


def test_an_event_is_one_json_object_with_its_fields(
    only_line: Callable[[], dict[str, Any]],
) -> None:
    log.get_logger().info("games_stored", count=3, share=0.5, whole=True, none=None)
    line = only_line()
    at = datetime.fromisoformat(line.pop("timestamp"))
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    assert line == {
        "event": "games_stored",
        "level": "info",
        "count": 3,
        "share": 0.5,
        "whole": True,
        "none": None,
        "service": "chesscoach",
        "version": __version__,
    }


def test_what_is_bound_in_the_context_stands_in_the_line(
    only_line: Callable[[], dict[str, Any]],
) -> None:
    with structlog.contextvars.bound_contextvars(job="sync_games", run_id="sync_games:1"):
        log.get_logger().warning("slow")
    line = only_line()
    assert (line["level"], line["job"], line["run_id"]) == ("warning", "sync_games", "sync_games:1")


def test_one_event_is_one_line_whatever_is_in_its_values(
    only_line: Callable[[], dict[str, Any]],
) -> None:
    value = "a\nb\r\nc\u2028d\x85e\x00 \ud800 ♞"
    log.get_logger().info("odd_value", value=value)
    assert only_line()["value"] == value


@pytest.mark.parametrize("value", [float("nan"), {("a", 1): 2}, b"\xff"])
def test_no_value_can_spoil_a_line_or_break_the_caller(
    value: object, only_line: Callable[[], dict[str, Any]]
) -> None:
    log.get_logger().info("odd_value", value=value)
    assert only_line()["event"] == "odd_value"


def test_values_of_other_kinds_are_written_as_texts(
    only_line: Callable[[], dict[str, Any]],
) -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    log.get_logger().info("kinds", at=at, names=("a", "b"), few={1}, error=ValueError("x"))
    line = only_line()
    assert (line["at"], line["names"], line["few"]) == (
        "2026-11-21 00:00:00+00:00",
        ["a", "b"],
        [1],
    )
    assert line["error"] == "x"


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_less_than_the_level_is_left_out(level: Any, told: list[str], lines: Lines) -> None:
    log.configure(LogSettings(level=level, format="json"))
    logger = log.get_logger()
    for method in (logger.debug, logger.info, logger.warning, logger.error):
        method("said")
    assert [line["level"] for line in lines()] == told


def test_lines_go_to_stderr_when_stdout_carries_a_result(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure(LogSettings(format="json"), stream="stderr")
    log.get_logger().info("said")
    logging.getLogger("pymongo").warning("said too")
    caught = capsys.readouterr()
    assert caught.out == ""
    assert [line["event"] for line in parse_lines(caught.err)] == ["said", "library_log"]


def test_on_a_terminal_the_same_is_said_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(LogSettings(format="console"), secrets=[SECRETS])
    log.get_logger().info("games_stored", count=3, password="x1y2", url=f"mongodb://a:{SECRETS}@h/")
    said = capsys.readouterr().out
    assert "games_stored" in said
    assert "x1y2" not in said
    assert SECRETS not in said
    with pytest.raises(json.JSONDecodeError):
        json.loads(said)


# No secrets, no addresses


@pytest.mark.parametrize(
    "name",
    [
        "password", "db_passwd", "client_secret", "session_token", "Authorization", "cookie",
        "api_key", "sendgrid_apikey", "email", "sender_email",
    ],
)  # fmt: skip
def test_a_field_whose_name_says_that_it_is_secret_is_masked(name: str, lines: Lines) -> None:
    log.get_logger().info("said", **{name: SECRETS})
    log.get_logger().info("said", outer=[{"inner": {name: [SECRETS]}}])
    first, second = lines()
    assert first[name] == "***"
    assert second["outer"] == [{"inner": {name: "***"}}]


@pytest.mark.parametrize(
    ("text", "left"),
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
def test_text_is_scrubbed_of_what_looks_like_a_secret_or_an_address(
    text: str, left: str, lines: Lines
) -> None:
    log.get_logger().info("said", why=text, nested={"deep": [(text,), {text}]})
    log.get_logger().info(text)
    first, second = lines()
    assert "planted" not in json.dumps([first, second])
    assert first["why"] == left
    assert first["nested"] == {"deep": [[left], [left]]}
    assert second["event"] == left


@pytest.mark.parametrize(
    "text",
    ["https://lichess.org/AbCd1234", "2026-11-21T06:00:00Z", "sync_games:manual:1@2", "1. e4 e5"],
)
def test_text_without_secrets_stays_as_it_is(
    text: str, only_line: Callable[[], dict[str, Any]]
) -> None:
    log.get_logger().info("said", text=text)
    assert only_line()["text"] == text


def test_the_secrets_of_the_process_are_masked_wherever_they_stand(
    only_line: Callable[[], dict[str, Any]],
) -> None:
    log.configure(LogSettings(format="json"), secrets=[SECRETS, f"{SECRETS}-longer", "", "ab"])
    log.get_logger().info(
        f"with {SECRETS}",
        a=f"x{SECRETS}y",
        b=[{"c": (f"{SECRETS}-longer", f"{SECRETS}".encode())}],
        d=ValueError(SECRETS),
        e="abc",
    )
    line = only_line()
    assert SECRETS not in json.dumps(line)
    assert (line["event"], line["a"]) == ("with ***", "x***y")
    assert line["b"] == [{"c": ["***", "b'***'"]}]
    assert line["e"] == "abc"  # what is too short to be a secret does not garble lines


def test_secrets_and_addresses_among_the_keys_of_a_value_are_masked_too(
    only_line: Callable[[], dict[str, Any]],
) -> None:
    log.configure(LogSettings(format="json"), secrets=[SECRETS])
    log.get_logger().info("said", sent={"ann@example.org": 1, SECRETS: 2})
    said = json.dumps(only_line())
    assert "ann@" not in said
    assert SECRETS not in said


# Errors


def raise_error() -> NoReturn:
    """Raises as a library does: its text quotes what it was given."""
    password = SECRETS  # a local variable that no traceback may show
    raise ValueError(f"refused {{'pgn': '{password}'}}")


def raise_own_error() -> NoReturn:
    """Raises one of our errors because of one of a library."""
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
    """Raises while another error is dealt with."""
    try:
        raise_error()
    except ValueError:
        raise KeyError(SECRETS)  # noqa: B904  # the implicit chain is what is tried


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
    said = capsys.readouterr().out
    assert raising.__name__ in said
    assert SECRETS not in said


def test_an_error_is_told_by_its_kind_and_its_frames(
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


def test_a_library_speaks_in_our_form_and_only_with_its_first_line(
    only_line: Callable[[], dict[str, Any]],
) -> None:
    log.configure(LogSettings(format="json"), secrets=[SECRETS])
    logging.getLogger("motor.x").warning("at mongodb://u:p@h, %s\nsecond line", SECRETS)
    line = only_line()
    assert (line["event"], line["level"]) == ("library_log", "warning")
    assert line["message"] == "at mongodb://***@h, ***"
    assert line["service"] == "chesscoach"
    assert "second line" not in json.dumps(line)


def test_the_errors_of_a_library_are_stripped_likewise(
    only_line: Callable[[], dict[str, Any]],
) -> None:
    try:
        raise_error()
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved\n%s", SECRETS)
    line = only_line()
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert SECRETS not in json.dumps(line)


@pytest.mark.parametrize("name", ["pymongo", "pymongo.command", "motor", "aiohttp.client", "any"])
def test_libraries_are_never_heard_below_warning(name: str, lines: Lines) -> None:
    log.configure(LogSettings(level="debug", format="json"))
    logging.getLogger(name).debug("commands with documents")
    logging.getLogger(name).info("chatter")
    assert lines() == []


def test_configuring_again_takes_the_place_of_what_was(lines: Lines) -> None:
    log.configure(LogSettings(format="json"))
    log.configure(LogSettings(format="json"))
    logging.getLogger("pymongo").warning("once")
    log.get_logger().info("once")
    assert len(lines()) == 2


SCRIPT = """
import sys, threading, warnings
from chesscoach import log
from chesscoach.config import LogSettings
log.configure(LogSettings(format="json"))
warnings.warn("sent to ann@example.org\\nplanted", UserWarning)
what = sys.argv[1]
def fail(planted="planted"):
    raise ValueError("planted text")
if what == "crash":
    fail()
if what == "thread":
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
if what == "interrupt":
    raise KeyboardInterrupt
"""


@pytest.mark.parametrize(
    ("what", "codes", "events"),
    [
        ("nothing", {0}, ["library_log"]),
        ("crash", {1}, ["library_log", "unhandled_exception"]),
        ("interrupt", {130, -2}, ["library_log"]),
        ("thread", {0}, ["library_log", "unhandled_exception"]),
    ],
)
def test_warnings_and_uncaught_errors_take_the_same_road(
    what: str, codes: set[int], events: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, what], capture_output=True, text=True, timeout=60
    )
    lines = parse_lines(done.stdout)
    assert [line["event"] for line in lines] == events
    assert "UserWarning: sent to ***" in lines[0]["message"]
    assert "planted" not in done.stdout + done.stderr
    assert "ann@" not in done.stdout + done.stderr
    assert done.returncode in codes
    if what == "crash":
        assert (lines[1]["error"], lines[1]["level"]) == ("ValueError", "error")


def test_whether_a_text_would_be_shown_can_be_asked_beforehand() -> None:
    log.configure(LogSettings(format="json"), secrets=["hunter2", "abc"])

    assert log.is_masked("hunter2")
    assert log.is_masked("mongodb://coach:other@db.example/"), "it looks like one"
    assert not log.is_masked("abc"), "too short"
    assert not log.is_masked("unknown")
