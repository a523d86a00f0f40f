"""The examples in the documentation: what they name is ours, and what can be run is run."""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from chesscoach import config
from tests.support.project_files import DOCS, ROOT
from tools.log_events import log_events

VECTOR: dict[str, Any] = tomllib.loads((DOCS / "examples" / "vector.toml").read_text())
SHARED = {"timestamp", "level", "event", "service", "version", "job", "run_id", "attempt"}
"""What every line has, or every line of a run; see log.py and execution.py."""
QUESTIONS = re.findall(r"```sh\n(.*?)```", (DOCS / "logs.md").read_text(), re.DOTALL)


def test_each_part_of_the_vector_example_is_connected() -> None:
    parts = {name for room in ("sources", "transforms", "sinks") for name in VECTOR[room]}
    fed = [*VECTOR["transforms"].values(), *VECTOR["sinks"].values()]
    inputs = {name for part in fed for name in part["inputs"]}

    assert inputs <= parts
    assert set(VECTOR["sources"]) | set(VECTOR["transforms"]) == inputs


def test_the_vector_example_drops_nothing() -> None:
    parse = VECTOR["transforms"]["chesscoach"]

    assert not parse["drop_on_error"]
    assert not parse["drop_on_abort"]
    assert "abort" not in parse["source"]
    assert VECTOR["sinks"]["loki"]["inputs"] == ["chesscoach"], "all lines, not those of a filter"
    for sink in VECTOR["sinks"].values():
        assert sink["buffer"]["when_full"] == "block"
        assert sink["acknowledgements"]["enabled"]


def test_the_vector_example_names_our_events_fields_and_units() -> None:
    program = VECTOR["transforms"]["chesscoach"]["source"]
    made = set(re.findall(r"^ *\.([a-z_]+) = ", program, re.MULTILINE))
    read = set(re.findall(r"\.([a-z_]+)", program)) - made - {"message"}
    schedules = config.load(str(ROOT / "config.toml"), {}).config.schedules
    labels = re.findall(
        r"\{\{ ([a-z_]+) \}\}", " ".join(VECTOR["sinks"]["loki"]["labels"].values())
    )

    assert read <= SHARED
    assert set(labels) <= SHARED | made
    assert not set(labels) & {"event", "run_id", "user_id", "account", "slot"}
    (event,) = re.findall(r'\.event == "([a-z_]+)"', VECTOR["transforms"]["runs"]["condition"])
    assert event in log_events()
    assert set(VECTOR["sources"]["units"]["include_units"]) == {
        "chesscoach.service",
        *(f"chesscoach@{schedule}.service" for schedule in schedules),
    }


def test_the_questions_name_our_events_and_fields() -> None:
    events = log_events()
    fields = SHARED.union({"key", "value"}, *(event.fields for event in events.values()))
    for question in QUESTIONS:
        assert set(re.findall(r'\.event == "([a-z_]+)"', question)) <= set(events)
        assert set(re.findall(r"(?<=[ ([\]-])\.([a-z_]+)", question)) <= fields, question


RUN = "sync_games:2026-11-21T06:00:00Z"
LINES: list[dict[str, Any]] = [
    {"event": "job_started", "level": "info", "job": "sync_games", "run_id": RUN},
    {"event": "account_failed", "level": "warning", "account": "lichess:ann", "error": "502"},
    {"event": "account_failed", "level": "warning", "account": "lichess:ann", "error": "503"},
    {
        "event": "source_breaker_opened",
        "level": "error",
        "job": "sync_games",
        "platform": "lichess",
    },
    {"event": "tick_failed", "level": "error", "error": "no primary"},
    {
        "event": "job_finished", "level": "error", "job": "sync_games", "run_id": RUN,
        "slot": "2026-11-21T06:00:00Z", "timestamp": "t", "outcome": "failed", "exit_code": 1,
        "failed": 3, "candidates": 9, "duration_s": 12.5, "notes": {"lichess_503": 2},
        "errors": [{"error": "503"}],
    },
    {
        "event": "job_finished", "level": "info", "job": "cleanup", "run_id": "cleanup:b",
        "slot": None, "timestamp": "t", "outcome": "succeeded", "exit_code": 0, "failed": 0,
        "candidates": 7, "duration_s": 400.1, "notes": {}, "errors": [],
    },
]  # fmt: skip
ANSWERS = [
    ["1\t-\ttick_failed", "1\tsync_games\tsource_breaker_opened", "1\tsync_games\tjob_finished"],
    [f"t\t{RUN}\tfailed\t3\t503"],
    ["400.1\tcleanup:b\t7", f"12.5\t{RUN}\t9"],
    [json.dumps(line, separators=(",", ":")) for line in LINES if line.get("run_id") == RUN],
    ["2\tlichess:ann\t503"],
    ["2026-11-21T06:00:00Z\tlichess_503=2"],
    ["Usage: chesscoach", "{broken"],
]


@pytest.mark.jq
@pytest.mark.parametrize(
    ("question", "answer"), list(zip(QUESTIONS, ANSWERS, strict=True)), ids=range(len(ANSWERS))
)
def test_a_question_gets_its_answer(question: str, answer: list[str], tmp_path: Path) -> None:
    lines = ["Usage: chesscoach", *map(json.dumps, LINES), "{broken"]
    (tmp_path / "lines").write_text("\n".join(lines))

    done = subprocess.run(["/bin/sh", "-c", question], cwd=tmp_path, capture_output=True, text=True)

    assert done.stderr == ""
    assert sorted(done.stdout.splitlines()) == sorted(answer)
