import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from chesscoach import config
from chesscoach.config import Config, ProcessEnvironment, SettingsOrigin
from chesscoach.schedules.schedule import Schedule
from tests.config.conftest import SECRET, Loader

ROOT = Path(__file__).parents[2]


def setting_paths(kind: type[Struct], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for field in msgspec.structs.fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            yield from setting_paths(field.type, (*prefix, field.name))
        else:
            yield (*prefix, field.name)


def test_the_file_in_the_repository_equals_the_defaults() -> None:
    assert config.load(str(ROOT / "config.toml"), {}).config == Config()


def test_every_setting_is_in_the_file_of_the_repository() -> None:
    text = (ROOT / "config.toml").read_text()
    table = tomllib.loads(text)
    paths = list(setting_paths(Config))
    assert ("sources", "lichess", "users_per_10min") in paths
    for path in paths:
        place: Any = table
        for key in path:
            assert key in place, ".".join(path)
            place = place[key]
    comment = text.partition("# A schedule is a job")[2]
    for (key,) in setting_paths(Schedule):
        assert re.search(rf"(^|[ `#]){key}\b", comment, re.MULTILINE), key


def test_without_a_file_the_defaults_apply(load: Loader) -> None:
    settings = load()
    assert settings.config == Config()
    assert settings.process == ProcessEnvironment()
    assert settings.origin == SettingsOrigin()
    assert {key: schedule.job for key, schedule in settings.config.schedules.items()} == {
        "sync_games": "sync_games",
        "sync_active": "sync_games",
        "weekly_emails": "weekly_emails",
        "weekly_emails_owed": "weekly_emails",
        "cleanup": "cleanup",
        "momentum": "momentum",
        "snapshots": "snapshots",
        "recommendations": "recommendations",
        "training_sessions": "training_sessions",
        "training_completion": "training_sessions",
    }


def test_a_config_toml_in_the_working_directory_is_read_when_none_is_named() -> None:
    Path("config.toml").write_text("[sync]\nfirst_games = 7")
    assert config.load(None, {}).config.sync.first_games == 7


def test_a_file_is_named_by_the_environment_unless_the_caller_names_one(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text("[sync]\nfirst_games = 1")
    (tmp_path / "two.toml").write_text("[sync]\nfirst_games = 2")
    env = {"CHESSCOACH_CONFIG": str(tmp_path / "one.toml")}
    assert config.load(None, env).config.sync.first_games == 1
    assert config.load(str(tmp_path / "two.toml"), env).config.sync.first_games == 2


def test_the_origin_of_the_settings_is_kept_without_their_values(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("")
    (tmp_path / ".env").write_text(
        "CHESSCOACH_LOG__LEVEL=error\nCHESSCOACH_SYNC__FIRST_GAMES=7\nDB_NAME=beside\n"
    )
    (tmp_path / "url").write_text(SECRET)
    origin = config.load(
        None,
        {
            "CHESSCOACH_SYNC__FIRST_GAMES": "8",
            "CHESSCOACH_SLOT": "2026-11-21T06:00:00Z",
            "CHESSCOACH_PORT": "tcp://10.0.0.1:80",
            "MONGO_URL_FILE": str(tmp_path / "url"),
            "DB_NAME": "",
        },
    ).origin

    assert origin == SettingsOrigin(
        file=str(tmp_path / "config.toml"),
        dotenv=str(tmp_path / ".env"),
        variables={
            "CHESSCOACH_LOG__LEVEL": ".env",
            "CHESSCOACH_SLOT": "environment",
            "CHESSCOACH_SYNC__FIRST_GAMES": "environment",
            "DB_NAME": ".env",
            "MONGO_URL_FILE": "environment",
        },
        secret_files=(str(tmp_path / "url"),),
    )
    assert config.load(str(tmp_path / "config.toml"), {"DB_NAME": "x"}).origin.variables == {
        "CHESSCOACH_LOG__LEVEL": ".env",
        "CHESSCOACH_SYNC__FIRST_GAMES": ".env",
        "DB_NAME": "environment",
    }
