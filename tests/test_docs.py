"""The documentation is held to the code."""

import re
import tomllib
from typing import get_args

import msgspec
import yaml

from chesscoach.cleanup.run import RULES
from chesscoach.cli import emails
from chesscoach.cli.schedules import group as schedule
from chesscoach.config import LichessSettings, SourceSettings
from chesscoach.emails.store.outbox_values import STATES
from chesscoach.jobs.catalog import JOBS
from chesscoach.schedules.schedule import Schedule
from chesscoach.sources.lichess import MAX_BULK_NAMES, MAX_PAGE_GAMES
from chesscoach.sync import polling
from chesscoach.worker.scheduler.explanation import Verdict
from tests.support.exposed_metrics import exposed_metrics
from tests.support.project_files import DOCS, ROOT
from tools.log_events import log_events
from tools.metric_names import metrics

README = (ROOT / "README.md").read_text()


def test_the_warnings_that_monitoring_recommends_are_warnings() -> None:
    text = (DOCS / "monitoring.md").read_text()
    (recommended,) = re.findall(r"these warnings: (.+?)\.\n", text, re.DOTALL)
    events = log_events()

    for name in re.findall(r"`([a-z_]+)`", recommended):
        assert "warning" in events[name].levels, name


def test_the_metrics_in_the_source_are_those_that_are_exposed() -> None:
    assert {name: set(metric.labels) for name, metric in metrics().items()} == exposed_metrics()


def test_readme_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) <= 150


def test_readme_names_every_job_and_every_make_target_it_uses_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert all(f"`{name}`" in README for name in JOBS)
    assert set(re.findall(r"(?:^|`|sudo )make ([a-z-]+)", README, re.MULTILINE)) <= targets
    assert {"demo", "test"} <= targets


def test_the_page_of_schedules_names_every_command_verdict_and_field() -> None:
    page = (DOCS / "schedules.md").read_text()
    named = set(re.findall(r"`([a-z_]+)`", page))

    for name in schedule.group.commands:
        assert f"`chesscoach schedules {name}" in page
    assert set(get_args(Verdict)) <= named
    for field in msgspec.structs.fields(Schedule):
        if field.name not in ("job", "args", "enabled"):
            assert f"--{field.name.replace('_', '-')}" in page, field.name


def test_the_page_of_emails_names_every_command_and_state() -> None:
    page = (DOCS / "emails.md").read_text()

    for name in emails.group.commands:
        assert f"`chesscoach emails {name}" in page
    assert re.findall(r"^\| `([a-z]+)` \|", page, re.MULTILINE) == list(STATES)


def test_the_page_of_jobs_names_every_job_and_cleanup_rule() -> None:
    page = (DOCS / "jobs.md").read_text()

    for name in JOBS:
        assert f"\n## {name}\n" in page
    assert re.findall(r"^\| `([a-z]+)` \|", page, re.MULTILINE) == list(RULES)


def test_ci_calls_the_targets_that_contributing_names() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    named = (ROOT / "CONTRIBUTING.md").read_text().partition("## ")[0]
    called = re.findall(r"^make ([a-z-]+)$", script, re.MULTILINE)

    assert called == [
        *("check", "test", "setup-deploy", "test-deploy", "setup-browser", "test-browser"),
        "check-deploy",
    ]
    assert all(f"`make {target}`" in named for target in called)


def test_workflows_and_hooks_call_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    steps = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]["include"]
    called = {name for step in steps for name in re.findall(r"\bmake ([a-z-]+)", step)}

    assert {"check", "check-deploy", "test-deploy", "test-browser", "soak"} <= called
    assert {leg["target"] for leg in matrix} == {"test", "test-debug"}
    assert called | {leg["target"] for leg in matrix} <= targets
    assert {hook["entry"].removeprefix("make ") for hook in hooks} <= targets


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    reasons = (ROOT / "docs" / "dependencies.md").read_text()
    extras = project["optional-dependencies"]
    for requirement in [*project["dependencies"], *extras["embedded"]]:
        name = re.split(r"[<>=; ]", requirement)[0]
        assert name in reasons, name


def test_the_pinned_requirements_name_no_index() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text
        assert "index" not in text
        assert "--hash=sha256:" in text


def test_the_figures_of_the_sync_are_those_of_the_code() -> None:
    text = " ".join((ROOT / "docs" / "sync.md").read_text().split())
    for tier in polling.TIERS[:3]:
        assert f"less than {tier.idle.days} days ago | {tier.name}" in text
    assert f"longer ago | {polling.TIERS[3].name}" in text
    assert f"closed or missing | {polling.LAPSED_TIER.name}" in text
    assert f"{MAX_PAGE_GAMES * 3:,} games are fetched" in text
    assert f"{MAX_BULK_NAMES} names each" in text
    assert f"{LichessSettings().users_per_10min:,} names in ten minutes" in text
    assert f"{LichessSettings().users_per_10min * 15:,} a day" in text
    assert f"`[sources] first_pause_s` ({SourceSettings().first_pause_s:.0f} s)" in text
    assert f"`breaker_open_s` ({SourceSettings().breaker_open_s / 60:.0f} minutes)" in text
    assert f"{polling.BACKLOG_WINDOW.days} days further back" in text
    assert f"each of the last {polling.VERIFIED_MONTHS}" in text
