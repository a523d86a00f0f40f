"""The files in the repository are the output of `chesscoach deploy render`."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from chesscoach import config
from chesscoach.cli.main import main
from tests.conftest import NOON, Clock

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("args", "where"),
    [
        (["k8s"], "k8s/cronjobs"),
        (["systemd"], "systemd"),
        (["crontab", "--server-timezone", "UTC"], "crontab"),
    ],
)
def test_what_is_committed_is_what_is_rendered(args: list[str], where: str, tmp_path: Path) -> None:
    given = ["--config", str(ROOT / "config.toml"), "--out", str(tmp_path)]
    result = CliRunner().invoke(main, ["deploy", "render", *args, *given], obj=Clock(NOON))
    assert result.exit_code == 0, result.output

    def read(root: Path) -> dict[str, str]:
        if root.is_file():
            return {root.name: root.read_text()}
        return {
            str(path.relative_to(root)): path.read_text()
            for path in root.rglob("*")
            if path.is_file()
        }

    assert read(tmp_path) == read(ROOT / where), "run `make render`"


def test_the_cluster_s_own_settings_have_the_same_schedules() -> None:
    clusters = config.load(str(ROOT / "k8s" / "base" / "config.toml"), {}).config

    assert clusters.schedules == config.load(str(ROOT / "config.toml"), {}).config.schedules
    assert clusters.jobs == config.load(str(ROOT / "config.toml"), {}).config.jobs
