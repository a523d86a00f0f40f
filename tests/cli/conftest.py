"""Our command, in this process, with a clock that stands still."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from click.testing import CliRunner, Result

from chesscoach.cli.main import main
from tests.conftest import NOON, Clock

ONE_SCHEDULE = '[schedules.sync_games]\njob = "sync_games"\ncron = "0 */6 * * *"\n'
RunCli: TypeAlias = Callable[..., Result]
RunJson: TypeAlias = Callable[..., Any]


def invoke(
    environment: dict[str, str], clock: Clock, *args: str, stdin: str | None = None
) -> Result:
    """Runs `chesscoach ARGS`, with what is typed; whatever it raises is raised."""
    return CliRunner().invoke(
        main,
        args,
        input=stdin,
        env=environment,
        obj=clock,
        prog_name="chesscoach",
        catch_exceptions=False,
    )


@pytest.fixture
def clock() -> Clock:
    """At noon of a Wednesday."""
    return Clock(NOON)


@pytest.fixture(autouse=True)
def _one_schedule(_clean_environment: None) -> None:
    """One schedule in the configuration: what others there are by default is no matter here."""
    Path("config.toml").write_text(ONE_SCHEDULE)


@pytest.fixture
def run_cli(environment: dict[str, str], clock: Clock) -> RunCli:
    """Runs `chesscoach ARGS` on a database of one's own, and expects an exit code."""

    def _operate(*args: str, code: int = 0, stdin: str | None = None) -> Result:
        result = invoke(environment, clock, *args, stdin=stdin)
        assert result.exit_code == code, (args, result.exit_code, result.output)
        return result

    return _operate


@pytest.fixture
def run_cli_json(run_cli: RunCli) -> Callable[..., Any]:
    """The same with `--json`; returns what was printed."""

    def _read(*args: str, code: int = 0) -> Any:
        return json.loads(run_cli(*args, "--json", code=code).stdout)

    return _read
