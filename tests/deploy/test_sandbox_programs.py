"""What stands in for docker, a cluster and others refuses whatever it does not know."""

import subprocess
from pathlib import Path

import pytest
from msgspec import ValidationError

from tests.deploy.sandbox import compose, editor, kubectl

HOMES = Path(compose.__file__).parent


@pytest.mark.parametrize(
    "given",
    [
        ["ps"],
        ["compose", "up"],
        ["compose", "up", "--detach", "--wait", "--build"],
        ["compose", "exec", "--privileged", "chesscoach", "sh"],
    ],
)
def test_docker(given: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert compose.docker(*given) == 64
    assert "does not know" in capfd.readouterr().err


@pytest.mark.parametrize(
    "given",
    [["apply", "-f", "k8s"], ["-n", "chesscoach", "get", "pods"], ["-n", "other", "apply"]],
)
def test_kubectl(given: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert kubectl.kubectl(*given) == 64
    assert "does not know" in capfd.readouterr().err


def test_kubectl_runs_nothing_that_it_does_not_know_all_of() -> None:
    with pytest.raises(ValidationError, match="unknown field `hostNetwork`"):
        kubectl.run("first", {"template": {"spec": {"hostNetwork": True}}})


def test_compose_knows_each_key_or_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "compose.yaml").write_text(
        "{name: a, services: {a: {image: b, privileged: true}}, configs: {}, secrets: {}, "
        "networks: {}, volumes: {}}"
    )
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ValidationError, match="unknown field `privileged`"):
        compose.composed()


def test_a_person_does_not_know_what_to_write_into_another_file(tmp_path: Path) -> None:
    (tmp_path / "other").touch()

    with pytest.raises(ValueError, match="what is to be written"):
        editor.edit(tmp_path / "other")


@pytest.mark.parametrize("words", [["sudo.sh", "-i"], ["crontab.sh", "-l"]])
def test_sudo_and_crontab(words: list[str]) -> None:
    script, *rest = words
    done = subprocess.run(["/bin/sh", HOMES / script, *rest], capture_output=True, text=True)

    assert done.returncode == 64
    assert "know" in done.stderr
