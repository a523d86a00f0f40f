"""What is read from the environment, from a `.env` file, and from the files of `NAME_FILE`.

Only this module reads the environment. It reads `MONGO_URL`, `DB_NAME`, `SENDGRID_API_KEY`,
`SENDER_EMAIL`, `CHESSCOACH_CONFIG`, `CHESSCOACH_SLOT`, and settings spelled with `__`, such as
`CHESSCOACH_SOURCES__CONTACT`. The first four, and those of `SECRET_SETTINGS`, may also be set
as `NAME_FILE`, for secrets mounted as files. Other `CHESSCOACH_*` names are ignored, because
Kubernetes injects some for a Service of that name. `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` are
read where a setting asks for it. A `.env` file beside the configuration is read too; the
environment overrides it.

White space around a value is dropped: a secret that `echo` made ends in a line break.
"""

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import dotenv

from chesscoach.config.proxies import PROXY_VARIABLES, read_proxies
from chesscoach.config.setting_text import ENCODING, check_text
from chesscoach.config.settings import (
    Config,
    JobsSettings,
    ProcessEnvironment,
    SettingsOrigin,
)
from chesscoach.errors import ConfigError
from chesscoach.schedules.schedule import parse_rfc3339

PREFIX = "CHESSCOACH_"
LEGACY_INTERVAL = "BACKGROUND_SYNC_INTERVAL_SECONDS"
SECRET_SETTINGS = (
    "CHESSCOACH_EMAILS__SIGNING_KEY",
    "CHESSCOACH_WEB__ADMIN_TOKEN",
    "CHESSCOACH_WEB__READ_TOKEN",
    "CHESSCOACH_ALERTS__WEBHOOK_URL",
    "CHESSCOACH_ALERTS__WEBHOOK_SECRET",
    "CHESSCOACH_ALERTS__URLS",
    "CHESSCOACH_ALERTS__SENTRY_DSN",
    "CHESSCOACH_ALERTS__OTLP_ENDPOINT",
    *(f"CHESSCOACH_JOBS__{job.upper()}__PING_URL" for job in JobsSettings.__struct_fields__),
)
"""Settings that may also be set as `NAME_FILE`."""

_RESERVED = ("CHESSCOACH_CONFIG", "CHESSCOACH_SLOT", LEGACY_INTERVAL)
_SECRETS = ("MONGO_URL", "DB_NAME", "SENDGRID_API_KEY", "SENDER_EMAIL")
_DATABASE = ("MONGO_URL", "DB_NAME")
"""Names that decide where the data is: a blank value must not mean another database."""

_PLATFORM = (
    "KUBERNETES_JOB_NAME",
    "JOB_COMPLETION_INDEX",
    "KUBERNETES_SERVICE_HOST",
    "INVOCATION_ID",
)
_KNOWN_VARIABLES = frozenset(
    (
        *_RESERVED,
        *_PLATFORM,
        *_SECRETS,
        *(f"{name}_FILE" for name in (*_SECRETS, *SECRET_SETTINGS)),
    )
)


def process_variables(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of this process that we read, or those of another environment.

    Raises:
        ConfigError: a value cannot be used.
    """
    return _our_variables(os.environ if environ is None else environ, "")


def dotenv_variables(file: Path) -> dict[str, str]:
    """The variables of a `.env` file that we read; none if there is no such file.

    Raises:
        ConfigError: the file cannot be read, or a value cannot be used.
    """
    try:
        values = dotenv.dotenv_values(file, encoding=ENCODING)
    except (OSError, ValueError) as error:
        msg = f"{file}: cannot be read: {type(error).__name__}"
        raise ConfigError(msg) from None
    return _our_variables({k: v for k, v in values.items() if v is not None}, str(file))


def _our_variables(env: Mapping[str, str], place: str) -> dict[str, str]:
    variables = {}
    for name, value in env.items():
        if name in _KNOWN_VARIABLES or _is_setting(name):
            variables[name] = text = value.strip()
            check_text(name, name, place)
            check_text(_setting_and_variable(name), text, place)
            if name in _DATABASE and value and not text:
                msg = f"{name}: only white space{place and f' (in {place})'}"
                raise ConfigError(msg)
        elif name in PROXY_VARIABLES:  # of other programs too, so checked only where they are used
            variables[name] = value
    return variables


def _is_setting(name: str) -> bool:
    return name.startswith(PREFIX) and "__" in name


def _setting_and_variable(name: str) -> str:
    """A variable, after the key of the setting that it is."""
    if not _is_setting(name) or name in _KNOWN_VARIABLES:
        return name
    return f"{'.'.join(setting_keys(name))} ({name})"


def setting_keys(name: str) -> list[str]:
    """The keys of a setting that a variable is, from the outermost table inwards."""
    return name.removeprefix(PREFIX).lower().split("__")


def environment_settings(env: Mapping[str, str]) -> Iterator[tuple[list[str], str]]:
    """The keys and the value of each variable that is a setting."""
    for name, value in sorted(env.items()):
        if _is_setting(name) and name not in _KNOWN_VARIABLES:
            yield setting_keys(name), value


def secret_settings(*places: Mapping[str, str]) -> Iterator[tuple[list[str], str]]:
    """The keys and the value of each setting of `SECRET_SETTINGS` that a place has.

    Raises:
        ConfigError: as `read_secret`.
    """
    for name in SECRET_SETTINGS:
        if secret := read_secret(name, *places):
            yield setting_keys(name), secret


def read_secret(name: str, *places: Mapping[str, str]) -> str | None:
    """A value, else the content of the file that `NAME_FILE` names, from the first place with one.

    Raises:
        ConfigError: the file cannot be read or used; or it is empty, or has no name, and decides
            where the data is.
    """
    for env in places:
        if value := env.get(name):
            return value
        file = env.get(f"{name}_FILE")
        if file:
            return _read_secret_file(name, Path(file))
        if file is not None and name in _DATABASE:
            msg = f"{name}_FILE: names no file"
            raise ConfigError(msg)
    return None


def _read_secret_file(name: str, file: Path) -> str | None:
    try:
        text = file.read_text(ENCODING).strip()
    except (OSError, ValueError) as error:
        msg = f"{name}_FILE: cannot be read: {type(error).__name__}"
        raise ConfigError(msg) from None
    check_text(f"{name}_FILE", text)
    if not text and name in _DATABASE:
        msg = f"{name}_FILE: the file is empty"
        raise ConfigError(msg)
    return text or None


def process_environment(
    real: Mapping[str, str], beside: Mapping[str, str], config: Config
) -> ProcessEnvironment:
    """What the environment gives to this process besides settings.

    Raises:
        ConfigError: as `read_secret` and `read_proxies`, or the slot is not an instant.
    """
    uses_proxies = (
        config.sources.use_environment_proxy or config.emails.sendgrid.use_environment_proxy
    )
    kubernetes = "KUBERNETES_SERVICE_HOST" in real
    systemd = "INVOCATION_ID" in real
    return ProcessEnvironment(
        mongo_url=read_secret("MONGO_URL", real, beside),
        sendgrid_key=read_secret("SENDGRID_API_KEY", real, beside),
        sender_email=read_secret("SENDER_EMAIL", real, beside),
        secret_settings=(
            *config.emails.signing_keys,
            *config.web.tokens,
            *config.alerts.secrets(),
            *config.jobs.secrets(),
        ),
        proxies=read_proxies({**beside, **real} if uses_proxies else {}),
        slot=_parse_slot(real.get("CHESSCOACH_SLOT")),
        kubernetes_job=real.get("KUBERNETES_JOB_NAME") or None,
        completion_index=real.get("JOB_COMPLETION_INDEX") or None,
        source="kubernetes" if kubernetes else "systemd" if systemd else "cli",
    )


def settings_origin(
    file: Path, real: Mapping[str, str], beside: Mapping[str, str]
) -> SettingsOrigin:
    """Where the settings come from: the file, the variables that count, the files of secrets."""
    places = {"environment": real, ".env": beside}
    variables = {name: "environment" for name in _RESERVED if real.get(name)}
    secret_files: list[str] = []
    for place, env in places.items():
        for keys, _ in environment_settings(env):
            variables.setdefault(PREFIX + "__".join(keys).upper(), place)
    for name in (*_SECRETS, *SECRET_SETTINGS):
        candidates = [
            (spelled, place, env[spelled])
            for place, env in places.items()
            for spelled in (name, f"{name}_FILE")
            if env.get(spelled)
        ]
        for spelled, place, value in candidates[:1]:  # as `read_secret` chooses
            variables[spelled] = place
            secret_files += [value] if spelled.endswith("_FILE") else []
    unread = (
        f"{name}_FILE"
        for name in (*_SECRETS, *SECRET_SETTINGS)
        for env in places.values()
        if env.get(name) and env.get(f"{name}_FILE")
    )
    dotenv_file = file.parent / ".env"
    return SettingsOrigin(
        file=str(file.absolute()) if file.is_file() else None,
        dotenv=str(dotenv_file.absolute()) if dotenv_file.is_file() else None,
        variables=dict(sorted(variables.items())),
        secret_files=tuple(secret_files),
        unread_files=tuple(dict.fromkeys(unread)),
    )


def _parse_slot(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError:
        msg = "CHESSCOACH_SLOT: expected an instant in RFC 3339, such as 2026-11-21T06:00:00Z"
        raise ConfigError(msg) from None
