"""How settings are read: a TOML file, the environment over it, a default for everything.

The application's own `BACKGROUND_SYNC_INTERVAL_SECONDS` makes `sync_games` run at that interval.

Every mistake is a ConfigError that names the key and its place. Values are never quoted, because
one of them may be a secret.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from chesscoach.config import environment
from chesscoach.config.environment import LEGACY_INTERVAL, read_secret
from chesscoach.config.setting_text import ENCODING, check_table, check_text, printable
from chesscoach.config.settings import Config, Settings, default_schedules
from chesscoach.errors import ConfigError
from chesscoach.schedules.schedule import Schedule


def load(path: str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings for this process.

    Args:
        path: the configuration file; by default `CHESSCOACH_CONFIG`, else `config.toml` in the
            working directory where there is one, else no file.
        environ: the environment; by default the process's own.

    Raises:
        ConfigError: a file cannot be read, or a key or value cannot be used.
    """
    real = environment.process_variables(environ)
    check_text("--config", path or "")
    named = path or real.get("CHESSCOACH_CONFIG")
    file = Path(named) if named else Path("config.toml")
    table = _read_toml(file, required=bool(named))
    check_table(table, str(file))
    beside = environment.dotenv_variables(file.parent / ".env")
    env = {**beside, **real}
    _convert(table, str(file), strict=True)
    variables = environment.environment_settings(env)
    merged = _merge(table, chain(variables, environment.secret_settings(real, beside)))
    if seconds := env.get(LEGACY_INTERVAL, ""):
        _apply_legacy_interval(merged, seconds)
    if name := read_secret("DB_NAME", real, beside):
        merged.setdefault("database", {})["name"] = name
    config = _hourly_if_local_delivery(_convert(merged, "the environment", strict=False))
    config.alerts.check()
    return Settings(
        config=config,
        process=environment.process_environment(real, beside, config),
        origin=environment.settings_origin(file, real, beside),
    )


def _read_toml(file: Path, *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(ENCODING))
    except FileNotFoundError:
        if not required:
            return {}
        msg = f"configuration {file}: no such file"
    except tomllib.TOMLDecodeError as error:
        msg = f"configuration {file}: not valid TOML: {printable(str(error))}"
    except RecursionError:
        msg = f"configuration {file}: nested too deeply"
    except (OSError, ValueError) as error:
        msg = f"configuration {file}: cannot be read: {type(error).__name__}"
    raise ConfigError(msg)


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
        msg = f"schedules.{printable(key[:80])}: an id has only a-z, 0-9 and _ (in {where})"
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
    if "matching regex" in text:
        is_url = "https?" in text
        text = (
            "expected an http or https URL"
            if is_url
            else "expected the form that config.toml describes"
        )
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", text):
        key, text = f"{key}.{unknown[1]}".strip("."), "unknown setting"
    return f"{key or 'configuration'}: {text[:1].lower()}{text[1:]} (in {where})"


def _merge(table: Mapping[str, Any], settings: Iterable[tuple[list[str], str]]) -> dict[str, Any]:
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
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) < 9 and int(seconds)):
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
