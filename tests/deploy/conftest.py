"""`chesscoach deploy render` in this process, on a configuration of one's own."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from click.testing import CliRunner, Result

from chesscoach.cli.main import main
from tests.conftest import NOON, Clock

Render: TypeAlias = Callable[..., Result]


@pytest.fixture
def render(tmp_path: Path) -> Render:
    """Runs it for the schedules of a text in TOML, and expects an exit code."""

    def _render(*args: str, schedules: str = "", code: int = 0) -> Result:
        path = tmp_path / "given.toml"
        path.write_text(schedules)
        result = CliRunner().invoke(
            main,
            ["deploy", "render", *args, "--config", str(path)],
            obj=Clock(NOON),
            prog_name="chesscoach",
            catch_exceptions=False,
        )
        assert result.exit_code == code, (result.exit_code, result.output)
        return result

    return _render
