"""What an operator sees of the findings: a line each, or one JSON object for scripts."""

import json
from collections.abc import Sequence

import click

from chesscoach.doctor.checks import exit_code
from chesscoach.doctor.finding import Finding, Level

_MARKS: dict[Level, tuple[str, str]] = {
    "ok": ("ok  ", "green"),
    "warn": ("warn", "yellow"),
    "fail": ("FAIL", "red"),
}


def finding_line(found: Finding) -> str:
    """How it stands, which check, what there is, and what to do about it."""
    mark, colour = _MARKS[found.level]
    do = f" -> {found.do}" if found.do else ""
    return f"{click.style(mark, fg=colour)}  {found.check:<13}  {found.what}{do}"


def to_json(findings: Sequence[Finding]) -> str:
    """The same for scripts: the exit code and, of each check, its name, level, what and do."""
    checks = [
        {"check": found.check, "level": found.level, "what": found.what, "do": found.do}
        for found in findings
    ]
    return json.dumps({"exit_code": exit_code(findings), "checks": checks})
