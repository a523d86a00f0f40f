from datetime import UTC, datetime
from pathlib import Path

import pytest

from chesscoach import config
from chesscoach.config import Config, ProcessEnvironment
from chesscoach.errors import ConfigError
from chesscoach.schedules.schedule import Every, Schedule
from tests.config.conftest import SECRET, Loader


def test_the_environment_overrides_the_file(load: Loader) -> None:
    text = "[sync]\nfirst_games = 1\nfirst_months = 1\n[database]\nname = 'file'"
    env = {"CHESSCOACH_SYNC__FIRST_GAMES": "2", "DB_NAME": "env"}
    settings = load(text, env)
    assert (settings.config.sync.first_games, settings.config.sync.first_months) == (2, 1)
    assert settings.config.database.name == "env"


def test_texts_of_the_environment_become_the_type_of_the_setting(load: Loader) -> None:
    env = {
        "CHESSCOACH_RUNNER__LEASE_S": "2",
        "CHESSCOACH_DATABASE__ALLOW_WEAK_WRITES": "true",
        "CHESSCOACH_SOURCES__LICHESS__BASE_URL": "http://127.0.0.1:1",
        "CHESSCOACH_SOURCES__CONTACT": "5",
        "CHESSCOACH_MOMENTUM__BOOK": "puzzles, sessions,",
        "DB_NAME": "7",
    }
    settings = load(None, env).config
    assert settings.runner.lease_s == 2.0
    assert settings.database.allow_weak_writes is True
    assert settings.sources.lichess.base_url == "http://127.0.0.1:1"
    assert (settings.sources.contact, settings.database.name) == ("5", "7")
    assert settings.momentum.booked == ("puzzles", "sessions")


def test_the_environment_changes_a_default_schedule_and_adds_others(load: Loader) -> None:
    env = {
        "CHESSCOACH_SCHEDULES__SYNC_GAMES__CRON": "5 * * * *",
        "CHESSCOACH_SCHEDULES__NIGHTLY__JOB": "sync_games",
        "CHESSCOACH_SCHEDULES__NIGHTLY__CRON": "0 3 * * *",
        "CHESSCOACH_SCHEDULES__NIGHTLY__ENABLED": "false",
        "CHESSCOACH_SCHEDULES__NIGHTLY__TIMEZONE": "Europe/Berlin",
        "CHESSCOACH_SCHEDULES__NIGHTLY__MISFIRE_GRACE_S": "60",
    }
    assert load(None, env).config.schedules == {
        **Config().schedules,
        "sync_games": Schedule(job="sync_games", cron="5 * * * *"),
        "nightly": Schedule(
            job="sync_games",
            cron="0 3 * * *",
            enabled=False,
            timezone="Europe/Berlin",
            misfire_grace_s=60.0,
        ),
    }


def test_schedules_in_the_file_replace_the_default_ones(load: Loader) -> None:
    text = "[schedules.mine]\njob = 'sync_games'\ncron = '0 1 * * *'"
    assert list(load(text).config.schedules) == ["mine"]
    env = {"CHESSCOACH_SCHEDULES__MINE__CRON": "0 2 * * *"}
    assert load(text, env).config.schedules["mine"].cron == "0 2 * * *"
    assert load("[schedules]").config.schedules == {}


@pytest.mark.parametrize(
    "file", ["", "[schedules.sync_games]\njob = 'sync_games'\nat = 2030-01-01Z"]
)
def test_the_applications_own_interval_makes_the_sync_an_interval(load: Loader, file: str) -> None:
    env = {"BACKGROUND_SYNC_INTERVAL_SECONDS": "21600"}
    file = file.replace("2030-01-01Z", "2030-01-01T00:00:00Z")

    schedules = load(file, env).config.schedules

    assert schedules["sync_games"] == Schedule(job="sync_games", every=Every(seconds=21600))


def test_the_applications_own_interval_leaves_the_rest_of_a_schedule(load: Loader) -> None:
    file = "[schedules.sync_games]\njob = 'sync_games'\ncron = '* * * * *'\njitter_s = 30\n"
    file += "[schedules.other]\njob = 'sync_games'\ncron = '0 1 * * *'"
    schedules = load(file, {"BACKGROUND_SYNC_INTERVAL_SECONDS": "60"}).config.schedules

    assert schedules["sync_games"].jitter_s == 30
    assert schedules["sync_games"].cron is None
    assert schedules["other"].cron == "0 1 * * *"


@pytest.mark.parametrize("text", ["0", "-5", "6h", "1.5", "9" * 30, "\u0663"])
def test_an_invalid_interval_of_the_application_is_named(load: Loader, text: str) -> None:
    with pytest.raises(ConfigError, match="BACKGROUND_SYNC_INTERVAL_SECONDS: expected a positive"):
        load("", {"BACKGROUND_SYNC_INTERVAL_SECONDS": text})


def test_names_that_kubernetes_injects_for_a_service_are_ignored(load: Loader) -> None:
    env = {
        "CHESSCOACH_PORT": "tcp://10.0.0.1:8080",
        "CHESSCOACH_SERVICE_HOST": "10.0.0.1",
        "CHESSCOACH_PORT_8080_TCP_ADDR": "10.0.0.1",
        "OTHER__SETTING": "x",
    }
    assert load(None, env) == load()


def test_a_dotenv_beside_the_file_is_read_and_the_environment_overrides_it(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "c.toml").write_text("")
    (folder / ".env").write_text(
        "MONGO_URL=mongodb://dotenv/\nDB_NAME=dotenv\nCHESSCOACH_SYNC__FIRST_GAMES=9\n"
    )
    settings = config.load(str(folder / "c.toml"), {"DB_NAME": "real"})
    assert settings.process.mongo_url == "mongodb://dotenv/"
    assert (settings.config.database.name, settings.config.sync.first_games) == ("real", 9)


def test_a_mounted_secret_of_the_environment_overrides_a_dotenv() -> None:
    Path(".env").write_text("MONGO_URL=mongodb://dotenv/\n")
    Path("url").write_text("mongodb://mounted/\n")
    assert config.load(None, {"MONGO_URL_FILE": "url"}).process.mongo_url == "mongodb://mounted/"


def test_secrets_are_read_from_mounted_files(load: Loader) -> None:
    Path("url").write_text(f"{SECRET}\n")
    Path("name").write_text("club\n")
    settings = load(None, {"MONGO_URL_FILE": "url", "DB_NAME_FILE": "name"})
    assert settings.process.mongo_url == SECRET
    assert settings.config.database.name == "club"
    assert load(None, {"MONGO_URL": "mongodb://x/", "MONGO_URL_FILE": "url"}).process.mongo_url == (
        "mongodb://x/"
    )


def test_the_text_form_of_a_process_hides_the_url(load: Loader) -> None:
    settings = load(None, {"MONGO_URL": SECRET})
    assert settings.process.mongo_url == SECRET
    for text in (repr(settings.process), str(settings.process), repr(settings), f"{settings}"):
        assert "ProcessEnvironment(" in text
        assert "hunter2" not in text
        assert "db.example" not in text


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("mongodb://u:p%40ss@h1,h2/db?x=1", {"mongodb://u:p%40ss@h1,h2/db?x=1", "p%40ss", "p@ss"}),
        ("mongodb://h/db", {"mongodb://h/db", ""}),
    ],
)
def test_a_process_knows_what_must_not_be_logged(url: str, secrets: set[str]) -> None:
    assert set(ProcessEnvironment(mongo_url=url).secrets()) == secrets
    assert ProcessEnvironment().secrets() == []


@pytest.mark.parametrize("text", ["2026-11-21T06:00:00Z", "2026-11-21T08:00:00+02:00"])
def test_a_slot_is_an_instant_in_utc(load: Loader, text: str) -> None:
    slot = load(None, {"CHESSCOACH_SLOT": text}).process.slot
    assert slot == datetime(2026, 11, 21, 6, tzinfo=UTC)
    assert slot is not None
    assert slot.tzinfo is UTC


@pytest.mark.parametrize(
    ("env", "source"),
    [
        ({}, "cli"),
        ({"INVOCATION_ID": "x"}, "systemd"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "INVOCATION_ID": "x"}, "kubernetes"),
    ],
)
def test_a_process_knows_what_started_it(load: Loader, env: dict[str, str], source: str) -> None:
    settings = load(None, {**env, "KUBERNETES_JOB_NAME": "sync-29387520"})
    assert settings.process.source == source
    assert settings.process.kubernetes_job == "sync-29387520"
