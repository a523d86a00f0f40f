"""What is rendered for each target, and which schedules are left to the daemon."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.conftest import Render

SYNC = '[schedules.sync]\njob = "sync_games"\n'
CRON = SYNC + 'cron = "0 */6 * * *"\n'


def cronjobs(text: str) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(text) if each["kind"] == "CronJob"]


def container(cronjob: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return found["containers"][0]  # type: ignore[no-any-return]  # YAML has no types


def test_a_cronjob_runs_its_own_schedule_with_the_slot_in_its_name(render: Render) -> None:
    (found,) = cronjobs(render("k8s", schedules=CRON + 'timezone = "Asia/Tokyo"\n').stdout)

    assert found["metadata"]["name"] == "chesscoach-sync"
    assert found["spec"]["schedule"] == "0 */6 * * *"
    assert found["spec"]["timeZone"] == "Asia/Tokyo"
    assert found["spec"]["concurrencyPolicy"] == "Forbid"
    assert container(found)["command"] == ["python", "-m", "chesscoach.jobs.sync_games"]
    assert container(found)["args"] == ["--scheduled", "sync"]
    (slot,) = container(found)["env"]
    assert slot["name"] == "KUBERNETES_JOB_NAME"
    field = slot["valueFrom"]["fieldRef"]["fieldPath"]
    assert field == "metadata.labels['batch.kubernetes.io/job-name']"


def test_the_time_that_a_run_is_given_follows_from_its_job_s(render: Render) -> None:
    text = CRON + "jitter_s = 100\n[jobs.sync_games]\ntimeout_s = 1000\n[runner]\ngrace_s = 20\n"
    (found,) = cronjobs(render("k8s", schedules=text).stdout)
    job = found["spec"]["jobTemplate"]["spec"]

    assert job["template"]["spec"]["terminationGracePeriodSeconds"] == 50
    assert job["activeDeadlineSeconds"] == 1150
    assert "TimeoutStartSec=1150" in render("systemd", schedules=text).stdout
    assert "timeout -k 50 1150 " in render("crontab", schedules=text).stdout


@pytest.mark.parametrize(
    ("cron", "deadline"), [("0 */6 * * *", 600), ("*/5 * * * *", 300), ("* * * * *", 60)]
)
def test_a_hundred_slots_never_fit_into_the_starting_deadline(
    cron: str, deadline: int, render: Render
) -> None:
    (found,) = cronjobs(render("k8s", schedules=SYNC + f'cron = "{cron}"\n').stdout)

    assert found["spec"]["startingDeadlineSeconds"] == deadline


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("weekly_emails", "chesscoach-weekly-emails"),
        ("_a_", "chesscoach-a-x"),
        ("_", "chesscoach-x"),
        ("a" * 64, "chesscoach-aaaa"),
    ],
)
def test_every_id_has_a_name_that_kubernetes_takes(key: str, name: str, render: Render) -> None:
    text = CRON.replace("schedules.sync", f"schedules.{key}")
    (found,) = cronjobs(render("k8s", schedules=text).stdout)

    kubernetes_name = found["metadata"]["name"]
    assert kubernetes_name.startswith(name)
    assert len(kubernetes_name) <= 52
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", kubernetes_name)


@pytest.mark.parametrize("target", ["k8s", "systemd", "crontab"])
def test_what_is_not_a_plain_cron_expression_is_left_to_the_daemon_by_name(
    target: str, render: Render
) -> None:
    triggers = {
        "seconds": 'cron = "30 0 * * * *"',
        "last_day": 'cron = "0 3 L * *"',
        "second_friday": 'cron = "0 3 * * 5#2"',
        "last_friday": 'cron = "0 3 * * 5L"',
        "both_days": 'cron = "0 0 1,15 * 1"',
        "star_days": 'cron = "0 0 */10 * 1"',
        "date": "at = 2026-12-24T18:00:00Z",
        "interval": "every = { hours = 6 }",
        "off": 'cron = "0 3 * * *"\nenabled = false',
    }
    text = "".join(
        SYNC.replace(".sync]", f".{key}]") + trigger + "\n" for key, trigger in triggers.items()
    )

    result = render(target, schedules=text, code=1)

    lines = result.stderr.splitlines()
    assert [line.partition(", because ")[0] for line in lines] == [
        f"chesscoach: left to the daemon: {key}" for key in triggers
    ]
    reasons = dict(zip(triggers, (line.partition(", because ")[2] for line in lines), strict=True))
    assert reasons["seconds"] == "its cron expression has a field for seconds"
    assert reasons["date"] == reasons["interval"] == "it has no cron expression"
    assert reasons["off"] == "it is disabled"
    assert "jobs.sync_games" not in result.stdout
    if target != "systemd":
        assert "# Left to the daemon: both_days, because its cron exp" in result.stdout


def test_disabled_and_like_named_schedules_are_rendered_apart(render: Render) -> None:
    off = SYNC.replace(".sync]", ".a__b]") + 'cron = "*/5 * * * *"\nenabled = false\n'
    on = "".join(SYNC.replace(".sync]", f".{key}]") + 'cron = "*/5 * * * *"\n'
                 for key in ("a_b", "_a_b"))  # fmt: skip

    result = render("k8s", schedules=off + on, code=0)

    assert "because it is disabled" in result.stderr
    rendered = cronjobs(result.stdout)
    assert sorted(container(cronjob)["args"][1] for cronjob in rendered) == ["_a_b", "a_b"]
    assert len({cronjob["metadata"]["name"] for cronjob in rendered}) == 2


def crontab_lines(text: str) -> list[str]:
    return re.findall(r"^([0-9*].*) cd ", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("zone", "server", "line"),
    [
        ("Europe/Berlin", "Europe/Berlin", "15 1 * * 1"),
        ("UTC", "Etc/UTC", "15 1 * * 1"),
        ("Europe/Berlin", "UTC", "15 * * * *"),
        ("UTC", "Asia/Kolkata", "45 * * * *"),
        ("UTC", "Australia/Lord_Howe", "15,45 * * * *"),
    ],
)
def test_a_server_in_another_zone_runs_a_schedule_every_hour(
    zone: str, server: str, line: str, render: Render
) -> None:
    text = SYNC + f'cron = "15 1 * * 1"\ntimezone = "{zone}"\n'

    crontab = render("crontab", "--server-timezone", server, schedules=text).stdout

    assert crontab_lines(crontab) == [line]
    assert ("# Comes every hour" in crontab) == ("* * * *" in line)


def test_clocks_that_change_are_said_where_kubernetes_gets_them_wrong(render: Render) -> None:
    zone = 'timezone = "America/New_York"\n'

    fold = render("k8s", schedules=SYNC + 'cron = "30 1 * * *"\n' + zone).stdout
    gap = render("k8s", schedules=SYNC + 'cron = "30 2 * * *"\n' + zone).stdout
    never = render("k8s", schedules=SYNC + 'cron = "30 9 * * *"\n' + zone).stdout

    assert "makes one for 2026-11-01T06:30:00Z, which fails" in fold
    assert "has no Job for 2027-03-14T07:00:00Z" in gap
    assert "clocks" not in never


def test_rendering_again_removes_only_files_of_removed_schedules(
    render: Render, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    two = CRON + CRON.replace("schedules.sync", "schedules.other")
    render("systemd", "--out", str(out), schedules=two)
    (out / "mine.service").write_text("[Unit]\n")
    render("crontab", "--out", str(out), schedules=two)

    render("systemd", "--out", str(out), schedules=CRON)

    assert sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()) == [
        "chesscoach.service",
        "chesscoach@.service",
        "chesscoach@sync.service.d/job.conf",
        "chesscoach@sync.timer",
        "crontab",
        "mine.service",
    ]


def test_paths_and_user_are_filled_in(render: Render) -> None:
    given = ("--prefix", "/srv/cc/", "--user", "coach", "--etc", "/srv/etc")

    units = render("systemd", *given, schedules=CRON).stdout
    crontab = render("crontab", *given, schedules=CRON).stdout

    assert "ExecStart=/srv/cc/bin/python -m chesscoach\n" in units
    assert "User=coach\n" in units
    assert "LoadCredential=secrets:/srv/etc/secrets\n" in units
    assert "PYTHON=/srv/cc/bin/python\n" in crontab
    assert "/opt/" not in units + crontab


@pytest.mark.parametrize(
    "given",
    [
        ("systemd", "--prefix", "relative"),
        ("systemd", "--prefix", "/a b"),
        ("systemd", "--prefix", "/a%b"),
        ("systemd", "--user", "a;b"),
        ("crontab", "--server-timezone", "Mars/Base"),
        ("crontab", "--etc", '/a"b'),
        ("k8s", "--out", "/proc/nowhere"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(given: tuple[str, ...], render: Render) -> None:
    result = render(*given, schedules=CRON, code=2)

    (line,) = result.stderr.splitlines()
    assert line.startswith("chesscoach: ")


def test_an_unknown_job_is_refused(render: Render) -> None:
    result = render("k8s", schedules='[schedules.a]\njob = "no_such"\ncron = "0 3 * * *"\n', code=2)

    assert "schedules.a.job: there is no job 'no_such'" in result.stderr
