"""How settings are read: a TOML file, the environment over it, a default for everything.

Only this module reads the environment. It reads `MONGO_URL`, `DB_NAME`, `SENDGRID_API_KEY`,
`SENDER_EMAIL`, `CHESSCOACH_CONFIG`, `CHESSCOACH_SLOT`, and settings spelled with `__`, such as
`CHESSCOACH_SOURCES__CONTACT`. The first four, and `CHESSCOACH_EMAILS__SIGNING_KEY`, may also be set
as `NAME_FILE`, for secrets mounted as files. Other `CHESSCOACH_*` names are ignored, because
Kubernetes injects some for a Service of that name. The application's own
`BACKGROUND_SYNC_INTERVAL_SECONDS` makes `sync_games` run at that interval. A `.env` file beside the
configuration is read too; the environment overrides it.

Every mistake is a ConfigError that names the key and its place. Values are never quoted, because
one of them may be a secret.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import dotenv
import msgspec

from chesscoach.config.settings import (
    Config,
    ProcessEnvironment,
    Settings,
    SettingsOrigin,
    default_schedules,
)
from chesscoach.errors import ConfigError
from chesscoach.schedules.schedule import Schedule, parse_rfc3339

PREFIX = "CHESSCOACH_"
LEGACY_INTERVAL = "BACKGROUND_SYNC_INTERVAL_SECONDS"
_RESERVED = ("CHESSCOACH_CONFIG", "CHESSCOACH_SLOT", LEGACY_INTERVAL)
_SECRETS = ("MONGO_URL", "DB_NAME", "SENDGRID_API_KEY", "SENDER_EMAIL")
_SIGNING_KEY = "CHESSCOACH_EMAILS__SIGNING_KEY"


def load(path: str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings for this process.

    Args:
        path: the configuration file; by default `CHESSCOACH_CONFIG`, else `config.toml` in the
            working directory where there is one, else no file.
        environ: the environment; by default the process's own.

    Raises:
        ConfigError: a file cannot be read, or a key or value cannot be used.
    """
    real = os.environ if environ is None else environ
    named = path or real.get("CHESSCOACH_CONFIG")
    file = Path(named) if named else Path("config.toml")
    table = _read_toml(file, required=bool(named))
    beside = _read_dotenv(file.parent / ".env")
    env = {**beside, **real}
    _convert(table, str(file), strict=True)
    merged = _merge(table, _environment_settings(env))
    if key := _read_secret(_SIGNING_KEY, real, beside):
        merged.setdefault("emails", {})["signing_key"] = key
    if seconds := env.get(LEGACY_INTERVAL, "").strip():
        _apply_legacy_interval(merged, seconds)
    if name := _read_secret("DB_NAME", real, beside):
        merged.setdefault("database", {})["name"] = name
    config = _hourly_if_local_delivery(_convert(merged, "the environment", strict=False))
    return Settings(
        config=config,
        process=_process_environment(real, beside, config.emails.signing_keys),
        origin=_settings_origin(file, real, beside),
    )


def _read_toml(file: Path, *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        if not required:
            return {}
        msg = f"configuration {file}: no such file"
    except tomllib.TOMLDecodeError as error:
        msg = f"configuration {file}: not valid TOML: {error}"
    except (OSError, UnicodeDecodeError) as error:
        msg = f"configuration {file}: cannot be read: {type(error).__name__}"
    raise ConfigError(msg)


def _read_dotenv(file: Path) -> dict[str, str]:
    try:
        return {k: v for k, v in dotenv.dotenv_values(file).items() if v is not None}
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{file}: cannot be read: {type(error).__name__}"
        raise ConfigError(msg) from None


def _convert(table: Mapping[str, Any], where: str, *, strict: bool) -> Config:
    """Checks a whole table; schedules one by one, because msgspec hides the key of a dict."""
    rest = dict(table)
    schedules = rest.pop("schedules", None)
    try:
        config = msgspec.convert(rest, Config, strict=strict)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), "", where)) from None
    if schedules is None:
        return config
    if not isinstance(schedules, dict):
        msg = f"schedules: expected a table (in {where})"
        raise ConfigError(msg)
    return msgspec.structs.replace(
        config, schedules={key: _schedule(key, schedules[key], where, strict) for key in schedules}
    )


def _schedule(key: str, value: object, where: str, strict: bool) -> Schedule:
    if not re.fullmatch(r"[a-z0-9_]{1,64}", key):
        msg = f"schedules.{key[:80]}: an id has only a-z, 0-9 and _ (in {where})"
        raise ConfigError(msg)
    try:
        return msgspec.convert(value, Schedule, strict=strict)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), f"schedules.{key}", where)) from None


def _explain(message: str, prefix: str, where: str) -> str:
    """Turns msgspec's "… - at `$.a.b`" into "a.b: … (in …)"."""
    text, _, path = message.partition(" - at `$")
    key = ".".join(part for part in (prefix, path.strip("`.").replace("[...]", "")) if part)
    if field := re.match(r"([a-z_]+): ", text):  # a table that checks its fields itself
        key, text = f"{key}.{field[1]}".strip("."), text[field.end() :]
    if text.startswith("Invalid enum value"):  # msgspec quotes it
        text = "invalid value: not one of the allowed values"
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", text):
        key, text = f"{key}.{unknown[1]}".strip("."), "unknown setting"
    return f"{key or 'configuration'}: {text[:1].lower()}{text[1:]} (in {where})"


def _environment_settings(env: Mapping[str, str]) -> Iterator[tuple[list[str], str]]:
    for name, value in sorted(env.items()):
        if name.startswith(PREFIX) and "__" in name and name != f"{_SIGNING_KEY}_FILE":
            yield name.removeprefix(PREFIX).lower().split("__"), value


def _merge(table: Mapping[str, Any], settings: Iterator[tuple[list[str], str]]) -> dict[str, Any]:
    merged: dict[str, Any] = {k: dict(v) if isinstance(v, dict) else v for k, v in table.items()}
    for keys, value in settings:
        if keys[0] == "schedules" and "schedules" not in merged:
            merged["schedules"] = msgspec.to_builtins(default_schedules())
        place = merged
        for key in keys[:-1]:
            inner = place.get(key)
            place[key] = dict(inner) if isinstance(inner, dict) else {}
            place = place[key]
        place[keys[-1]] = value
    return merged


def _apply_legacy_interval(table: dict[str, Any], seconds: str) -> None:
    """Makes `sync_games` run at the interval of the application's own setting."""
    if not (seconds.isascii() and seconds.isdigit() and 0 < int(seconds) < 10**8):
        msg = f"{LEGACY_INTERVAL}: expected a positive number of whole seconds"
        raise ConfigError(msg)
    schedules = table.setdefault("schedules", msgspec.to_builtins(default_schedules()))
    if not isinstance(schedules, dict):
        return  # the conversion reports it
    old = schedules.get("sync_games")
    kept = {
        key: value
        for key, value in (old.items() if isinstance(old, dict) else ())
        if key not in ("cron", "at", "anchor")
    }
    table["schedules"] = {
        **schedules,
        "sync_games": {"job": "sync_games", **kept, "every": {"seconds": int(seconds)}},
    }


def _hourly_if_local_delivery(config: Config) -> Config:
    """Makes the default schedule of the weekly email hourly if each player has a local time."""
    name = "weekly_emails"
    default_cron = default_schedules()[name].cron
    schedule = config.schedules.get(name)
    if not config.emails.deliver_at or schedule is None or schedule.cron != default_cron:
        return config
    hourly = msgspec.structs.replace(schedule, cron="0 * * * *", misfire_grace_s=3600.0)
    return msgspec.structs.replace(config, schedules={**config.schedules, name: hourly})


def _read_secret(name: str, *places: Mapping[str, str]) -> str | None:
    """A value, or the content of the file that `NAME_FILE` names, from the first place with one."""
    for env in places:
        if value := env.get(name):
            return value
        if file := env.get(f"{name}_FILE"):
            try:
                return Path(file).read_text("utf-8").strip() or None
            except (OSError, UnicodeDecodeError) as error:
                msg = f"{name}_FILE: cannot be read: {type(error).__name__}"
                raise ConfigError(msg) from None
    return None


def _process_environment(
    real: Mapping[str, str], beside: Mapping[str, str], secret_settings: tuple[str, ...]
) -> ProcessEnvironment:
    kubernetes = "KUBERNETES_SERVICE_HOST" in real
    systemd = "INVOCATION_ID" in real
    return ProcessEnvironment(
        mongo_url=_read_secret("MONGO_URL", real, beside),
        sendgrid_key=_read_secret("SENDGRID_API_KEY", real, beside),
        sender_email=_read_secret("SENDER_EMAIL", real, beside),
        secret_settings=secret_settings,
        slot=_parse_slot(real.get("CHESSCOACH_SLOT")),
        kubernetes_job=real.get("KUBERNETES_JOB_NAME") or None,
        completion_index=real.get("JOB_COMPLETION_INDEX") or None,
        source="kubernetes" if kubernetes else "systemd" if systemd else "cli",
    )


def _settings_origin(
    file: Path, real: Mapping[str, str], beside: Mapping[str, str]
) -> SettingsOrigin:
    places = {"environment": real, ".env": beside}
    variables = {name: "environment" for name in _RESERVED if real.get(name)}
    secret_files: list[str] = []
    for place, env in places.items():
        for keys, _ in _environment_settings(env):
            variables.setdefault(PREFIX + "__".join(keys).upper(), place)
    for name in (*_SECRETS, _SIGNING_KEY):
        candidates = [
            (spelled, place, env[spelled])
            for place, env in places.items()
            for spelled in (name, f"{name}_FILE")
            if env.get(spelled)
        ]
        for spelled, place, value in candidates[:1]:  # as `_read_secret` chooses
            variables[spelled] = place
            secret_files += [value] if spelled.endswith("_FILE") else []
    dotenv_file = file.parent / ".env"
    return SettingsOrigin(
        file=str(file.absolute()) if file.is_file() else None,
        dotenv=str(dotenv_file.absolute()) if dotenv_file.is_file() else None,
        variables=dict(sorted(variables.items())),
        secret_files=tuple(secret_files),
    )


def _parse_slot(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError:
        msg = "CHESSCOACH_SLOT: expected an instant in RFC 3339, such as 2026-11-21T06:00:00Z"
        raise ConfigError(msg) from None
