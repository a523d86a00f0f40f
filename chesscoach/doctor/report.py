"""The findings as lines for people, or as one JSON object for scripts."""

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


def finding_line(finding: Finding) -> str:
    """The level, the name of the check, what it found, and what to do about it."""
    mark, colour = _MARKS[finding.level]
    do = f" -> {finding.do}" if finding.do else ""
    return f"{click.style(mark, fg=colour)}  {finding.check:<13}  {finding.what}{do}"


def to_json(findings: Sequence[Finding]) -> str:
    """The exit code and, for each check, its name, level, `what` and `do`."""
    checks = [
        {name: getattr(finding, name) for name in ("check", "level", "what", "do")}
        for finding in findings
    ]
    return json.dumps({"exit_code": exit_code(findings), "checks": checks})
