"""No line of the log is longer than 8 kB, whatever its values are."""

import json
import logging
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chesscoach import line_limit, log
from chesscoach.config import LogSettings
from chesscoach.errors import StoreFailed
from tests.conftest import scaled_rounds
from tests.support.random_texts import texts

KNIGHT = "\U0001f40e"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | texts(),
    lambda inner: st.lists(inner) | st.dictionaries(texts(), inner),
    max_leaves=20,
)


def log_line(capsys: pytest.CaptureFixture[str], **fields: Any) -> dict[str, Any]:
    """The line of an event, which must be short enough and one object."""
    log.get_logger().info("big", **fields)
    (text,) = capsys.readouterr().out.splitlines()
    assert len(text.encode()) + 1 <= 8000
    line: dict[str, Any] = json.loads(text)
    assert line["event"] == "big"
    return line


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "x" * 100_000},
        {"text": KNIGHT * 5000},
        {"users": [f"user_{number:012}" for number in range(2000)]},
        {"users": {f"user_{number:012}": number for number in range(2000)}},
        {"errors": [{"id": f"{number}", "error": "e" * 900} for number in range(20)]},
        {"nested": {"a": {"b": [["x" * 1000] * 20] * 20}}},
        {f"field_{number}": "x" * 100 for number in range(1000)},
        {"x" * 100_000: 1},
        {"job": KNIGHT * 9000, "run_id": KNIGHT * 9000},
    ],
)
def test_a_longer_line_is_shortened_and_says_so(
    capsys: pytest.CaptureFixture[str], fields: dict[str, Any]
) -> None:
    assert log_line(capsys, **fields)["shortened"] is True


def test_a_shorter_line_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    fields: dict[str, Any] = {"text": "x" * 7000, "users": ["a"] * 50}
    line = log_line(capsys, **fields)
    assert {key: line[key] for key in fields} == fields
    assert "shortened" not in line


def test_a_shortened_line_says_what_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    line = log_line(capsys, text="ab" * 5000, users=[f"user_{n:03}" for n in range(1000)])
    assert line["text"] == "ab" * 500 + "... (10000 characters)"
    assert (line["users"][0], line["users"][-1]) == ("user_000", "user_999")
    assert line["users"][20] == "... 960 left out ..."
    assert len(line["users"]) == 41


def test_a_secret_in_a_long_text_is_masked_before_the_text_is_cut(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure(LogSettings(format="json"), secrets=["planted-7731"])
    text = "x" * 990 + " planted-7731 " + "y" * 20_000
    assert "plant" not in log_line(capsys, text=text)["text"]


@pytest.mark.parametrize("unit", ["a", "a.", "a@", "?", "?a", "&key", "a://", "bearer ", "SG.a"])
def test_long_texts_are_masked_in_time_that_grows_with_their_length(unit: str) -> None:
    """Ten times the length may take ten times as long, and not a hundred times."""
    redactor = log.Redactor()
    took = []
    for length in (4_000, 40_000):
        text = unit * (length // len(unit))
        begun = time.process_time()
        redactor.scrub(text)
        took.append(time.process_time() - begun)
    assert took[1] < max(40 * took[0], 0.5)


def test_a_traceback_with_many_causes_fits_too(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(depth: int) -> None:
        try:
            if depth:
                fail(depth - 1)
            msg = "m" * 500
            raise StoreFailed(msg)
        except StoreFailed as error:
            msg = f"{depth} " + "m" * 500
            raise StoreFailed(msg) from error

    try:
        fail(15)
    except StoreFailed as error:
        line = log_line(capsys, exc_info=error)
    assert line["exception"][0]["exc_value"].startswith("15 ")


def test_lines_of_libraries_fit_too(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("aiohttp").warning("w" * 50_000)
    (text,) = capsys.readouterr().out.splitlines()
    assert len(text) < 8000
    assert json.loads(text)["message"].endswith("(50000 characters)")


@settings(max_examples=scaled_rounds(250))
@given(st.dictionaries(texts(), VALUES))
def test_any_event_becomes_one_that_fits(event: dict[str, Any]) -> None:
    repeated = {**event, "event": "big", "values": [event] * 20}
    limited = line_limit.limit_line(None, "info", repeated)
    assert limited["event"] == "big"
    assert len(json.dumps(limited)) < line_limit.MAX_LINE_BYTES
