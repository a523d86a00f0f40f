"""The benchmarks: what they start is there."""

import re

from benchmarks.baselines import cli
from tests.support.project_files import ROOT


def test_the_clients_that_benchmarks_start_are_there() -> None:
    sources = [path.read_text() for path in (ROOT / "benchmarks").glob("*.py")]
    started = {
        name
        for source in sources
        for name in re.findall(r'"benchmarks\.baselines",\s*"([a-z_]+)"', source)
    }

    assert started == set(cli.commands)
