import re
import shutil
import tomllib
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from chesscoach.schedules.schedule import Schedule
from tools import reference
from tools.log_events import log_events
from tools.metric_names import metrics

EVENT, METRIC = "job_started", "chesscoach_tick_errors_total"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A copy of the pages, which may be spoiled."""
    return shutil.copytree(reference.DOCS, tmp_path / "docs")


def run(docs: Path, *flags: str) -> Result:
    return CliRunner().invoke(reference.main, [*flags, "--docs", str(docs)])


def edit(page: Path, pattern: str, text: str) -> None:
    old = page.read_text()
    new = re.sub(pattern, text, old, flags=re.MULTILINE)
    assert new != old
    page.write_text(new)


def test_every_page_is_up_to_date() -> None:
    checked = run(reference.DOCS, "--check")

    assert checked.output == ""
    assert checked.exit_code == 0


def test_a_stale_page_is_named_and_written_again(docs: Path) -> None:
    edit(docs / "settings.md", r"\| `lease_s` .*", "| `lease_s` | `1.0` |")
    edit(docs / "events.md", rf"\| `{EVENT}` \| info \|", f"| `{EVENT}` | error |")

    checked = run(docs, "--check")
    assert checked.exit_code == 1
    assert [line.split()[0] for line in checked.output.splitlines()] == [
        "docs/events.md",
        "docs/settings.md",
    ]

    assert run(docs).exit_code == 0
    assert run(docs, "--check").exit_code == 0
    for page in ("events.md", "settings.md"):
        assert (docs / page).read_text() == (reference.DOCS / page).read_text()


@pytest.mark.parametrize(("page", "name"), [("events.md", EVENT), ("metrics.md", METRIC)])
def test_an_event_or_metric_without_a_row_is_named(docs: Path, page: str, name: str) -> None:
    edit(docs / page, rf"\| `{name}` .*\n", "")

    checked = run(docs)

    assert checked.exit_code == 1
    assert name in checked.output


def test_a_warning_without_advice_is_named(docs: Path) -> None:
    edit(docs / "events.md", r"(\| `run_slow` .*) \| [^|]+ \|$", r"\1 | |")

    checked = run(docs)

    assert checked.exit_code == 1
    assert "run_slow" in checked.output


def test_a_row_of_an_event_that_is_gone_is_deleted(docs: Path) -> None:
    edit(docs / "events.md", rf"(\| `{EVENT}` .*)", r"\1\n| `gone` | info | | It is gone. | |")

    assert run(docs).exit_code == 0

    assert (docs / "events.md").read_text() == (reference.DOCS / "events.md").read_text()


def test_the_fields_of_a_schedule_are_described_with_their_defaults() -> None:
    text = (reference.ROOT / "config.toml").read_text()
    described = dict(re.findall(r"^# ([a-z_]+)(?: \(default: (.+?)\))?: ", text, re.MULTILINE))
    fields = {field.name: field for field in msgspec.structs.fields(Schedule)}

    assert set(described) == set(fields)
    for name, default in described.items():
        if isinstance(fields[name].default, bool | float | str):
            assert tomllib.loads(f"x = {default}")["x"] == fields[name].default, name


def test_events_and_metrics_are_read_from_the_source() -> None:
    assert log_events()["clock_step"].levels == {"warning"}
    assert log_events()["clock_step"].fields == {"seconds"}
    assert "exit_code" in log_events()["job_finished"].fields
    assert metrics()["chesscoach_job_runs_total"].labels == ("job_name", "outcome")
    assert metrics()["chesscoach_job_period_seconds"].type == "gauge"
