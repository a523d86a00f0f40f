"""What the hand-written files promise, held to the code and to one another."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import chesscoach
from chesscoach import config
from chesscoach.jobs.catalog import JOBS

ROOT = Path(__file__).parents[2]
SETTINGS = config.load(str(ROOT / "config.toml"), {}).config
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
DAEMON: dict[str, Any] = yaml.safe_load((ROOT / "k8s/daemon/deployment.yaml").read_text())
CRONJOBS: list[dict[str, Any]] = [
    yaml.safe_load(path.read_text())
    for path in sorted((ROOT / "k8s/cronjobs").glob("*.yaml"))
    if path.name != "kustomization.yaml"
]
SETUP: dict[str, Any] = yaml.safe_load((ROOT / "k8s/setup/job.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile.cron").read_text()


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    spec = workload["spec"]
    if workload["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    found: dict[str, Any] = spec["template"]["spec"]
    return found


def test_a_jobs_pod_is_hardened_like_the_daemons() -> None:
    daemon = pod(DAEMON)
    for workload in (*CRONJOBS, SETUP):
        job = pod(workload)
        for key in ("securityContext", "volumes", "serviceAccountName", "enableServiceLinks"):
            assert job[key] == daemon[key], key
        for key in ("securityContext", "volumeMounts", "envFrom", "image", "resources"):
            assert job["containers"][0][key] == daemon["containers"][0][key], key


def test_every_supervisor_waits_longer_than_the_drain_takes() -> None:
    grace = SETTINGS.runner.grace_s
    unit = (ROOT / "systemd/chesscoach.service").read_text()

    assert pod(DAEMON)["terminationGracePeriodSeconds"] > grace
    assert all(pod(each)["terminationGracePeriodSeconds"] > grace for each in CRONJOBS)
    assert float(COMPOSE["services"]["chesscoach"]["stop_grace_period"].rstrip("s")) > grace
    (waits,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert float(waits) > grace


def test_each_deployment_mounts_the_secrets_as_files_that_we_read() -> None:
    (environment,) = [
        each["literals"]
        for each in yaml.safe_load((ROOT / "k8s/base/kustomization.yaml").read_text())[
            "configMapGenerator"
        ]
        if each["name"] == "chesscoach-environment"
    ]
    cluster = {line.partition("=")[0] for line in environment}
    compose = set(COMPOSE["services"]["chesscoach"]["environment"])
    unit = (ROOT / "systemd/chesscoach.service").read_text()
    units = set(re.findall(r"^Environment=([A-Z_]+)=", unit, re.MULTILINE))
    crontab = set(re.findall(r"^([A-Z_]+)=", (ROOT / "crontab").read_text(), re.MULTILINE))
    wanted = {
        "CHESSCOACH_CONFIG",
        "MONGO_URL_FILE",
        "SENDGRID_API_KEY_FILE",
        "SENDER_EMAIL_FILE",
        "CHESSCOACH_EMAILS__SIGNING_KEY_FILE",
    }

    for home in (cluster, compose, units, crontab):
        assert wanted <= home, wanted - home


def test_the_names_of_secret_files_are_the_same_everywhere() -> None:
    example = yaml.safe_load((ROOT / "k8s/base/secret.example.yaml").read_text())
    makefile = (ROOT / "Makefile").read_text()
    names = set(example["stringData"])

    assert set(COMPOSE["services"]["chesscoach"]["secrets"]) == names
    assert set(re.findall(r"^SECRETS := (.*)$", makefile, re.MULTILINE)[0].split()) == names
    made = set(re.findall(r"^\tput ([a-z-]+) ", makefile, re.MULTILINE))
    assert made == set(COMPOSE["secrets"])


def test_no_secret_is_written_into_a_file_of_ours() -> None:
    for name in ("compose.yaml", "crontab", "Dockerfile.cron"):
        text = (ROOT / name).read_text()
        assert not re.search(r"mongodb(\+srv)?://[^\s]*:[^\s]*@", text), name
    environment = {
        **COMPOSE["services"]["mongodb"]["environment"],
        **COMPOSE["services"]["chesscoach"]["environment"],
    }
    for key, value in environment.items():
        if any(word in key for word in ("PASSWORD", "KEY", "URL")):
            assert key.endswith("_FILE"), key
            assert value.startswith("/run/secrets/"), key
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "secrets/" in ignored


def test_the_probes_ask_the_public_listener_of_the_cluster_s_settings() -> None:
    listener = config.load(str(ROOT / "k8s/base/config.toml"), {}).config.web.address("public")
    (container,) = pod(DAEMON)["containers"]
    (port,) = container["ports"]

    assert listener is not None
    assert port["containerPort"] == listener.port
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == port["name"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_the_image_names_the_version_that_it_is_built_from() -> None:
    image = yaml.safe_load((ROOT / "k8s/image/kustomization.yaml").read_text())["images"][0]

    assert image["newTag"] == chesscoach.__version__
    assert COMPOSE["services"]["chesscoach"]["image"] == f"chesscoach:{chesscoach.__version__}"
    assert f"ARG VERSION={chesscoach.__version__}\n" in DOCKERFILE


def test_the_image_is_built_from_pinned_packages_and_runs_without_root() -> None:
    base = re.findall(r"^ARG BASE=(\S+)$", DOCKERFILE, re.MULTILINE)[0]
    user = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)[0]

    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", base)
    assert min(map(int, user)) >= 10_001
    assert pod(DAEMON)["securityContext"]["runAsUser"] == int(user[0])
    assert DOCKERFILE.count("--require-hashes") == 2
    assert "index" not in DOCKERFILE.replace("--no-index", "")
    for line in re.findall(r"^(?:ENTRYPOINT|CMD|    CMD) (.*)$", DOCKERFILE, re.MULTILINE):
        assert line.startswith("["), "a shell would stand before us, and take our signals"


def test_what_builds_the_package_is_pinned_for_the_image() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    pinned = (ROOT / "requirements/build.txt").read_text()

    for requirement in project["build-system"]["requires"]:
        assert re.search(rf"^{re.split('[<>=]', requirement)[0]}==", pinned, re.MULTILINE)


def test_every_check_that_is_not_asked_for_has_its_reason() -> None:
    lines = (ROOT / "k8s/checkov.yaml").read_text().partition("skip-check:\n")[2].splitlines()

    for before, line in zip(["", *lines], lines, strict=False):
        if line.strip().startswith("- "):
            assert before.strip().startswith("#"), line


@pytest.mark.parametrize(
    ("overlay", "schedule"), [("sharded", "weekly_emails"), ("sharded-sync", "sync_games")]
)
def test_a_sharded_job_has_one_pod_per_shard_with_its_own_attempts(
    overlay: str, schedule: str
) -> None:
    name = schedule.replace("_", "-")
    whole = yaml.safe_load((ROOT / f"k8s/cronjobs/{name}.yaml").read_text())
    patch = yaml.safe_load((ROOT / f"k8s/{overlay}/{name}.yaml").read_text())
    job = patch["spec"]["jobTemplate"]["spec"]
    (container,) = pod(patch)["containers"]

    assert patch["metadata"] == {"name": whole["metadata"]["name"]}
    assert container["name"] == pod(whole)["containers"][0]["name"]
    assert container["args"][:2] == pod(whole)["containers"][0]["args"]
    assert container["args"][2:] == ["--shard", str(job["completions"])]
    assert (job["completionMode"], job["parallelism"]) == ("Indexed", job["completions"])
    assert (job["backoffLimit"], job["backoffLimitPerIndex"]) == (
        None,
        whole["spec"]["jobTemplate"]["spec"]["backoffLimit"],
    )
    assert JOBS[schedule].walks_users
