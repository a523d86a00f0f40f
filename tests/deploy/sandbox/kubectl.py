"""Stands in for a cluster: `kubectl` keeps objects in a file and runs Jobs' pods as processes.

Overlays are built by the real kubectl (or kustomize). A pod is run by its own command, environment,
settings and secrets, as its own user on a read-only root, from an image that was built and pushed
under the name that it asks for; a Job is over when the call that makes it comes back. Left out are
retries, deadlines, what else keeps it in (network policies, capabilities, limits), and the time: a
CronJob makes no Job by itself.

Only the calls in docs/deployment are known, only the kinds of objects and the fields below.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml
from msgspec import Struct

from tests.deploy import container
from tests.deploy.sandbox import images
from tests.deploy.sandbox.namespace import PROGRAMS

_STATE = Path("/var/lib/cluster")
_HELD = _STATE / "objects.json"
_NAME = "batch.kubernetes.io/job-name"


class _Strict(Struct, forbid_unknown_fields=True, rename="camel"):
    pass


class Reference(_Strict):
    """Where a pod's own words about itself are."""

    field_path: Literal["metadata.labels['batch.kubernetes.io/job-name']"]


class ValueFrom(_Strict):
    """A variable that the cluster fills in."""

    field_ref: Reference


class Variable(_Strict):
    """A variable of a container."""

    name: str
    value_from: ValueFrom


class Named(_Strict):
    """An object by its name."""

    name: str


class EnvFrom(_Strict):
    """Variables from a ConfigMap."""

    config_map_ref: Named


class Mount(_Strict):
    """A volume's place."""

    name: str
    mount_path: str
    read_only: bool = False


class Confined(_Strict):
    """What a container may do: read alone."""

    allow_privilege_escalation: Literal[False]
    read_only_root_filesystem: Literal[True]
    capabilities: dict[str, list[str]]


class Container(_Strict):
    """One; `resources` and the policy of pulling do nothing here."""

    name: str
    image: str
    command: list[str]
    volume_mounts: list[Mount]
    env_from: list[EnvFrom]
    security_context: Confined
    args: list[str] = []
    env: list[Variable] = []
    image_pull_policy: str = ""
    resources: dict[str, Any] = {}


class FromConfigMap(_Strict):
    """A volume of files."""

    name: str


class FromSecret(_Strict):
    """A volume of files."""

    secret_name: str
    default_mode: int


class Volume(_Strict):
    """A volume; one of the three."""

    name: str
    config_map: FromConfigMap | None = None
    secret: FromSecret | None = None
    empty_dir: dict[str, str] | None = None


class Somebody(_Strict):
    """Whom a pod runs as."""

    run_as_non_root: Literal[True]
    run_as_user: int
    run_as_group: int
    fs_group: int
    seccomp_profile: dict[str, str]


class Pod(_Strict):
    """A pod's `spec`."""

    containers: list[Container]
    volumes: list[Volume]
    service_account_name: str
    automount_service_account_token: Literal[False]
    enable_service_links: Literal[False]
    restart_policy: Literal["Never"]
    security_context: Somebody
    termination_grace_period_seconds: int = 30


class Template(_Strict):
    """A Job's pod."""

    spec: Pod
    metadata: dict[str, Any] = {}


class Job(_Strict):
    """A Job's `spec`; all but the template does nothing here."""

    template: Template
    active_deadline_seconds: int
    backoff_limit: int
    ttl_seconds_after_finished: int
    pod_replacement_policy: str = ""
    pod_failure_policy: dict[str, Any] = {}


def _apply(overlay: str) -> None:
    """Takes over what an overlay says; a new Job is run."""
    for thing in _built(overlay):
        kind, meta = thing["kind"], thing["metadata"]
        if kind != "Namespace" and not _has("Namespace", meta["namespace"]):
            raise SystemExit(f'namespaces "{meta["namespace"]}" not found')
        _keep(kind, meta["name"], thing)
        if kind == "Job":
            run(meta["name"], thing["spec"])
        elif kind not in ("Namespace", "ConfigMap", "ServiceAccount", "NetworkPolicy", "CronJob"):
            raise SystemExit(f"a {kind} cannot be had here")


def _built(overlay: str) -> Iterator[dict[str, Any]]:
    for words in (["kubectl", "kustomize"], ["kustomize", "build"]):
        if found := shutil.which(words[0], path=PROGRAMS):
            text = subprocess.run(
                [found, *words[1:], overlay], check=True, stdout=subprocess.PIPE, text=True
            ).stdout
            yield from yaml.safe_load_all(text)
            return
    raise SystemExit("neither kubectl nor kustomize is here")


def run(name: str, spec: dict[str, Any]) -> None:
    """Runs a Job's pod to its end; how it went is kept with the Job."""
    pod = msgspec.convert(spec, Job).template.spec
    (it,) = pod.containers
    if it.image not in images.noted("pushed"):
        raise SystemExit(f"{name}: ErrImagePull: nobody has pushed {it.image}")
    image = msgspec.structs.replace(
        images.image(it.image),
        user=f"{pod.security_context.run_as_user}:{pod.security_context.run_as_group}",
    )
    environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1"}  # every pod is told where its cluster is
    for source in it.env_from:
        environment |= _get("ConfigMap", source.config_map_ref.name)["data"]
    for variable in it.env:
        environment[variable.name] = name  # the only one that a pod may ask for: see Reference
    volumes = {}
    made = _STATE / "pods" / name
    for mount in it.volume_mounts:
        (volume,) = (each for each in pod.volumes if each.name == mount.name)
        if volume.empty_dir is not None:  # a container's own folder, and its /tmp
            assert mount.mount_path in (image.work, "/tmp"), mount  # noqa: S108
            continue
        volumes[mount.mount_path] = made / mount.name
        _fill(made / mount.name, volume, pod.security_context.fs_group)
    program = [*it.command, *it.args]
    code, out, err = container.start(image, environment, program, images.volumes(volumes)).end()
    (made / "log").write_text(out + err)
    _keep("Job", name, {**_get("Job", name), "code": code})


def _fill(folder: Path, volume: Volume, group: int) -> None:
    """A volume's files, which belong to the pod's group."""
    folder.mkdir(parents=True)
    mode = 0o644
    if volume.secret is not None:
        data, mode = _get("Secret", volume.secret.secret_name)["data"], volume.secret.default_mode
    else:
        assert volume.config_map is not None, volume
        data = _get("ConfigMap", volume.config_map.name)["data"]
    for name, text in data.items():
        (folder / name).write_text(text)
        (folder / name).chmod(mode)
        shutil.chown(folder / name, "root", group)


def _held() -> dict[str, Any]:
    held: dict[str, Any] = json.loads(_HELD.read_text()) if _HELD.exists() else {}
    return held


def _has(kind: str, name: str) -> bool:
    return f"{kind}/{name}" in _held()


def _get(kind: str, name: str) -> dict[str, Any]:
    if not _has(kind, name):
        raise SystemExit(f'{kind} "{name}" not found')
    found: dict[str, Any] = _held()[f"{kind}/{name}"]
    return found


def _keep(kind: str, name: str, thing: dict[str, Any]) -> None:
    _HELD.parent.mkdir(parents=True, exist_ok=True)
    _HELD.write_text(json.dumps({**_held(), f"{kind}/{name}": thing}))


def kubectl(*given: str) -> int:
    """Does what the command would; returns its exit code."""
    match given:
        case ["apply", "-k", overlay]:
            _apply(overlay)
        case ["-n", "chesscoach", *rest]:
            return _in_namespace(*rest)
        case _:
            return _unknown(given)
    return 0


def _in_namespace(*given: str) -> int:
    match [word.split("=", 1) if word.startswith("--") else word for word in given]:
        case ["create", "secret", "generic", str(name), ["--from-file", folder]]:
            _get("Namespace", "chesscoach")
            files = {path.name: path.read_text() for path in Path(folder).iterdir()}
            _keep("Secret", name, {"data": files})
        case ["create", "job", ["--from", source], str(name)]:
            _get("Namespace", "chesscoach")
            _keep("Job", name, {})
            kind, _, cronjob = source.partition("/")
            assert kind == "cronjob"
            run(name, _get("CronJob", cronjob)["spec"]["jobTemplate"]["spec"])
        case ["wait", ["--for", "condition=complete"], ["--timeout", _], str(job)]:
            name = job.removeprefix("job/")
            if code := _get("Job", name)["code"]:
                said = (_STATE / "pods" / name / "log").read_text()
                raise SystemExit(f"timed out waiting for {job}: its pod left with {code}\n{said}")
        case ["logs", str(job)]:
            name = job.removeprefix("job/")
            _get("Job", name)
            sys.stdout.write((_STATE / "pods" / name / "log").read_text())
        case _:
            return _unknown(given)
    return 0


def _unknown(given: tuple[str, ...]) -> int:
    sys.stderr.write(f"kubectl here does not know: {given}\n")
    return 64


if __name__ == "__main__":
    sys.exit(kubectl(*sys.argv[1:]))
