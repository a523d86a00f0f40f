"""The documentation is held to the code."""

import re
import tomllib
from pathlib import Path
from typing import get_args

import msgspec
from prometheus_client import Counter, Histogram

import chesscoach
from chesscoach.cli import emails, runs
from chesscoach.cli import schedules as schedule
from chesscoach.config import Lichess, Sources
from chesscoach.emails.store.outbox_values import STATES
from chesscoach.jobs.catalog import JOBS
from chesscoach.metrics import Metrics
from chesscoach.mongo.probe import Ledger
from chesscoach.schedules.schedule import Schedule
from chesscoach.sources.lichess import BULK, PAGE
from chesscoach.sync import polling
from chesscoach.web.metric_families import Gaps, of_ledger, of_process
from chesscoach.worker.scheduler.explain.verdict import Verdict
from chesscoach.worker.store.schedules import Stored
from tests.conftest import NOON
from tests.support import log_catalogue
from tests.web.conftest import Hands, alarm_by

ROOT = Path(chesscoach.__file__).parent.parent
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()


def test_the_catalogue_has_each_event_that_is_logged_with_its_levels_and_fields() -> None:
    events, told = log_catalogue.events(), list[str]()
    for line in re.findall(r"^\| (`.*) \|$", (DOCS / "events.md").read_text(), re.MULTILINE):
        named, level, listed, meaning, advice = (cell.strip() for cell in line.split("|"))
        levels, names = set(level.split(", ")) - {""}, re.findall(r"`([a-z_]+)`", named)
        assert set(names) <= set(events), "it is logged no more"
        found = [events[name] for name in names]
        assert levels == {each for one in found for each in one.levels}, line
        fields = {each for one in found for each in one.fields}
        assert set(re.findall(r"`([a-z_]+)`", listed)) == fields, line
        assert meaning, line
        assert advice or levels <= {"info"}, f"what is to be done? {line}"
        told += names

    assert sorted(told) == sorted(events)


def test_the_warnings_that_the_readme_would_be_told_of_are_warnings() -> None:
    (told,) = re.findall(r"of the warnings (.+?)\.\n", README, re.DOTALL)
    events = log_catalogue.events()

    for name in re.findall(r"`([a-z_]+)`", told):
        assert "warning" in events[name].levels, name


def exposed() -> dict[str, set[str]]:
    """Every metric of ours, by name, with its labels."""
    metrics = Metrics()
    stored = Stored(
        id="a", schedule=Schedule(job="a", cron="0 * * * *"), origin="user", revision=1, since=NOON
    )
    ledger = Ledger(
        last_success={"a": NOON},
        running_since={"a": NOON},
        recent={("a", "failed"): 1},
        schedules=(stored,),
        mails={"pending": 1},
    )
    alarm = alarm_by(Hands())
    looked_up = [*of_process(alarm), *of_ledger(ledger, Gaps(), NOON)]
    found = {family.name: set(family.samples[0].labels) for family in looked_up}
    for counted in vars(metrics).values():
        if isinstance(counted, Counter | Histogram):
            (family,) = counted.describe()
            name = family.name + ("_total" if isinstance(counted, Counter) else "")
            found[name] = set(counted._labelnames)
    return found


def test_every_metric_stands_in_the_readme_with_its_labels_and_no_other() -> None:
    told = re.findall(r"^\| `(chesscoach_[a-z_]+)(?:\{([a-z_,]+)\})?` \|", README, re.MULTILINE)

    assert {name: set(labels.split(",")) - {""} for name, labels in told} == exposed()


def test_readme_names_every_job_and_every_make_target_it_uses_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert all(f"`{name}`" in README for name in JOBS)
    assert set(re.findall(r"(?:^|`|sudo )make ([a-z-]+)", README, re.MULTILINE)) <= targets
    assert {"demo", "test"} <= targets


def test_readme_names_every_command_on_schedules_and_every_verdict() -> None:
    schedules = README.partition("\n## Schedules\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z_-]+)[ `]", schedules))

    assert set(schedule.group.commands) <= named
    assert set(get_args(Verdict)) <= named
    for name in runs.group.commands:
        assert f"runs {name}" in schedules
    for field in msgspec.structs.fields(Schedule):
        if field.name not in ("job", "args", "enabled"):
            assert f"--{field.name.replace('_', '-')}" in schedules.replace("--no-", "--"), (
                field.name
            )


def test_the_documentation_of_mail_names_every_command_and_state() -> None:
    mail = README.partition("\n## Mail\n")[2].partition("\n## ")[0]
    text = (ROOT / "docs" / "email.md").read_text()
    commands = re.findall(r"^\| `([a-z]+)[ `]", mail, re.MULTILINE)

    assert set(commands) - {"chesscoach"} == set(emails.group.commands)
    assert re.findall(r"^\| `([a-z]+)` \|", text, re.MULTILINE) == list(STATES)


def test_ci_calls_the_targets_that_contributing_names() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    named = (ROOT / "CONTRIBUTING.md").read_text().partition("## ")[0]
    called = re.findall(r"^make ([a-z-]+)$", script, re.MULTILINE)

    assert called == ["check", "check-deploy", "test"]
    assert all(f"`make {target}`" in named for target in called)


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
    assert f"closed or missing | {polling.LAPSED.name}" in text
    assert f"{PAGE * 3:,} games are fetched" in text
    assert f"{BULK} names each" in text
    assert f"{Lichess().users_per_10min:,} names in ten minutes" in text
    assert f"{Lichess().users_per_10min * 15:,} a day" in text
    assert f"`[sources] pause_s` ({Sources().pause_s:.0f} s)" in text
    assert f"`breaker_s` ({Sources().breaker_s / 60:.0f} minutes)" in text
    assert f"{polling.LOOK_BACK.days} days further back" in text
    assert f"each of the last {polling.KEPT}" in text
