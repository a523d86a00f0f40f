import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest
from msgspec import Struct

from chesscoach import config
from chesscoach.config import (
    Config,
    ListenAddress,
    ProcessEnvironment,
    Settings,
    SettingsOrigin,
    WebSettings,
)
from chesscoach.errors import ConfigError
from chesscoach.schedules.schedule import Every, Schedule

ROOT = Path(__file__).parents[2]
SECRET = "mongodb://coach:hunter2@db.example/"
Loader: TypeAlias = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    """Loads a file of that text, if there is one, with that environment and nothing else."""

    def _load(text: str | None = None, env: Mapping[str, str] | None = None) -> Settings:
        path: Path | None = None
        if text is not None:
            path = tmp_path / "given.toml"
            path.write_text(text)
        return config.load(str(path) if path else None, env or {})

    return _load


def config_error(
    load: Loader, text: str | None = None, env: Mapping[str, str] | None = None
) -> str:
    with pytest.raises(ConfigError) as caught:
        load(text, env)
    return str(caught.value)


def load_settings(kind: type[Struct], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for field in msgspec.structs.fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            yield from load_settings(field.type, (*prefix, field.name))
        else:
            yield (*prefix, field.name)


# What the repository's own file says


def test_the_file_in_the_repository_equals_the_defaults() -> None:
    assert config.load(str(ROOT / "config.toml"), {}).config == Config()


def test_every_setting_stands_in_the_file_of_the_repository() -> None:
    text = (ROOT / "config.toml").read_text()
    table = tomllib.loads(text)
    paths = list(load_settings(Config))
    assert ("sources", "lichess", "users_per_10min") in paths
    for path in paths:
        place: Any = table
        for key in path:
            assert key in place, ".".join(path)
            place = place[key]
    told = text.partition("# A schedule is a job")[2]
    for (key,) in load_settings(Schedule):
        assert re.search(rf"(^|[ `#]){key}\b", told, re.MULTILINE), key


def test_nothing_at_all_gives_the_defaults(load: Loader) -> None:
    settings = load()
    assert settings.config == Config()
    assert settings.process == ProcessEnvironment()
    assert settings.origin == SettingsOrigin()
    assert {key: each.job for key, each in settings.config.schedules.items()} == {
        "sync_games": "sync_games",
        "weekly_emails": "weekly_emails",
        "weekly_emails_owed": "weekly_emails",
        "cleanup": "cleanup",
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


def test_where_the_settings_came_from_is_kept_without_their_values(tmp_path: Path) -> None:
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


# What is refused


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("nope = 1", "nope: unknown setting"),
        ("[sources]\ncontct = 'x'", "sources.contct: unknown setting"),
        ("[sources.lichess]\ntoken = 'x'", "sources.lichess.token: unknown setting"),
        ("[jobs.other]\ntimeout_s = 3.0", "jobs.other: unknown setting"),
        ("database = 3", "database: expected"),
        ("[runner]\nlease_s = true", "runner.lease_s: expected `float`"),
        ("[runner]\nlease_s = '2'", "runner.lease_s: expected `float`"),
        ("[runner]\nlease_s = 0.5", "runner.lease_s: expected `float` >= 1.0"),
        ("[runner]\nlease_s = nan", "runner.lease_s: expected"),
        ("[runner]\nlease_s = inf", "runner.lease_s: expected"),
        ("[database]\ntimeout_s = nan", "database.timeout_s: expected"),
        ("[database]\ntimeout_s = inf", "database.timeout_s: expected"),
        ("[runner]\nmax_attempts = true", "runner.max_attempts: expected `int`"),
        ("[runner]\nmax_attempts = 1.0", "runner.max_attempts: expected `int`"),
        ("[database]\nallow_weak_writes = 1", "database.allow_weak_writes: expected `bool`"),
        ("[database]\nname = 'a.b'", "database.name: expected"),
        ("[sources.chesscom]\nbase_url = 'ftp://x'", "sources.chesscom.base_url: expected"),
        ('[sources]\ncontact = "a\\nb"', "sources.contact: expected"),
        ("[log]\nlevel = 'loud'", "log.level: invalid"),
        ("[web]\nadmin = '127.0.0.1'", "web.admin: expected host:port, such as"),
        ("[web]\nadmin = ':8080'", "web.admin: expected host:port, such as"),
        ("[web]\nadmin = '127.0.0.1:65536'", "web.admin: expected host:port, such as"),
        ("[web]\nadmin = '::1:8080'", "web.admin: expected host:port, such as"),
        ("[web]\nadmin = '127.0.0.1:\u0663'", "web.admin: expected host:port, such as"),
        ("[web]\nadmin = 8080", "web.admin: expected `str`"),
        ("[web]\nadmin = '0.0.0.0:8080'", "web.admin: other machines can reach the address"),
        ("[web]\nadmin = 'coach.example:8080'", "web.admin: other machines can reach the address"),
        ("[web]\nadmin = '[::]:8080'", "web.admin: other machines can reach the address"),
        ("[web]\npublic = '256.0.0.1:80'", "web.public: the host is not an IP address"),
        ("[web]\npublic = '[::g]:80'", "web.public: expected host:port, such as"),
        ("[web]\npublic = '[:::]:80'", "web.public: the host is not an IP address"),
        ("[web]\npublic = 'http://0.0.0.0:80'", "web.public: expected host:port, such as"),
        ("[web]\nport = 80", "web.port: unknown setting"),
        ("schedules = 1", "schedules: expected a table"),
        ("[schedules]\nx = 1", "schedules.x: expected"),
        ("[schedules.sync-games]\njob = 'a'\ncron = '* * * * *'", "schedules.sync-games: an id"),
        ("[schedules.x]\njob = 'sync-games'\ncron = '* * * * *'", "schedules.x.job: expected"),
        (
            "[schedules.x]\njob = 'a'",
            "schedules.x: one of cron, every and at says when: there is no",
        ),
        ("[schedules.x]\njob = 'a'\ncron = '* * * * *'\nyear = 1", "schedules.x.year: unkn"),
        (
            "[schedules.x]\njob = 'a'\ncron = '* * * * *'\noverlap = 'no'",
            "schedules.x.overlap: inv",
        ),
        (
            "[schedules.x]\njob = 'a'\ncron = '* * * * *'\nevery = { hours = 1 }",
            "schedules.x: one of cron, every and at says when: there is cron and every",
        ),
        ("[schedules.x]\njob = 'a'\nevery = { hours = 0 }", "schedules.x.every: a period is at"),
        ("[schedules.x]\njob = 'a'\nevery = { years = 1 }", "schedules.x.every.years: unknown"),
        ("[schedules.x]\njob = 'a'\nevery = 6", "schedules.x.every: expected"),
        ("[schedules.x]\njob = 'a'\nat = 2026-12-01T09:00:00", "schedules.x.at: expected"),
        ("[schedules.x]\njob = 'a'\ncron = '* * * * *'\ngap = 'skip'", "schedules.x.gap: unknown"),
        ("[schedules.x]\njob = 'a'\ncron = '61 * * * *'", "schedules.x: cron"),
        ("[schedules.x]\njob = 'a'\ncron = '@daily'", "schedules.x: cron"),
        ("[schedules.x]\njob = 'a'\ncron = '0 0 30 2 *'", "schedules.x: cron"),
        (
            "[schedules.x]\njob = 'a'\ncron = '* * * * *'\ntimezone = 'Mars/Base'",
            "schedules.x: timezone",
        ),
        (
            "[schedules.x]\njob = 'a'\ncron = '* * * * *'\ntimezone = '../../etc/passwd'",
            "schedules.x: timezone",
        ),
        (
            "[schedules.x]\njob = 'a'\ncron = '* * * * *'\nmisfire_grace_s = nan",
            "schedules.x.misfire_grace_s: expected",
        ),
        ("[runner\n", "not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(
    load: Loader, tmp_path: Path, text: str, named: str
) -> None:
    message = config_error(load, text)
    assert named in message
    assert str(tmp_path / "given.toml") in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("CHESSCOACH_SOURCES__CONTCT", "x", "sources.contct: unknown setting"),
        ("CHESSCOACH_NOPE__X", "x", "nope: unknown setting"),
        ("CHESSCOACH_RUNNER__LEASE_S", "nan", "runner.lease_s"),
        ("CHESSCOACH_RUNNER__LEASE_S", "inf", "runner.lease_s"),
        ("CHESSCOACH_RUNNER__LEASE_S", "", "runner.lease_s"),
        ("CHESSCOACH_RUNNER__LEASE_S__X", "2", "runner.lease_s"),
        ("CHESSCOACH_RUNNER__", "2", "runner"),
        ("CHESSCOACH_DATABASE__ALLOW_WEAK_WRITES", "yes", "database.allow_weak_writes"),
        ("CHESSCOACH_SCHEDULES__SYNC_GAMES", "0 * * * *", "schedules.sync_games"),
        ("CHESSCOACH_SCHEDULES__SYNC_GAMES__CRON", "99 * * * *", "schedules.sync_games: cron"),
        ("CHESSCOACH_SCHEDULES__SYNC-GAMES__CRON", "0 * * * *", "schedules.sync-games: an id"),
        ("CHESSCOACH_SLOT", "2026-11-21T06:00:00", "CHESSCOACH_SLOT"),
        ("CHESSCOACH_SLOT", "tomorrow", "CHESSCOACH_SLOT"),
        ("CHESSCOACH_SLOT", "9999-12-31T23:59:59-14:00", "CHESSCOACH_SLOT"),
        ("DB_NAME", "a/b", "database.name"),
        ("DB_NAME_FILE", "/nowhere/at/all", "DB_NAME_FILE"),
        ("MONGO_URL_FILE", "/nowhere/at/all", "MONGO_URL_FILE"),
        ("CHESSCOACH_CONFIG", "/nowhere/at/all.toml", "/nowhere/at/all.toml: no such file"),
    ],
)
def test_a_mistake_in_the_environment_is_named(
    load: Loader, name: str, value: str, named: str
) -> None:
    assert named in config_error(load, None, {name: value})


def test_a_named_file_must_exist_and_be_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        config.load(str(tmp_path / "absent.toml"), {})
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(str(tmp_path), {})


@pytest.mark.parametrize("name", ["config.toml", "url", ".env"])
def test_a_file_that_is_not_utf8_is_a_configuration_error(name: str) -> None:
    Path(name).write_bytes(b"MONGO_URL = '\xff'")
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(None, {"MONGO_URL_FILE": "url"} if name == "url" else {})


@pytest.mark.parametrize(
    "name",
    [
        "CHESSCOACH_DATABASE__PASSWORD",
        "CHESSCOACH_DATABASE__NAME",
        "CHESSCOACH_RUNNER__LEASE_S",
        "CHESSCOACH_RUNNER__MAX_ATTEMPTS",
        "CHESSCOACH_DATABASE__ALLOW_WEAK_WRITES",
        "CHESSCOACH_SOURCES__LICHESS__BASE_URL",
        "CHESSCOACH_LOG__LEVEL",
        "CHESSCOACH_WEB__ADMIN",
        "CHESSCOACH_WEB__PUBLIC",
        "CHESSCOACH_SCHEDULES__SYNC_GAMES",
        "CHESSCOACH_SCHEDULES__SYNC_GAMES__JOB",
        "CHESSCOACH_SCHEDULES__SYNC_GAMES__CRON",
        "CHESSCOACH_SCHEDULES__SYNC_GAMES__TIMEZONE",
        "CHESSCOACH_SLOT",
        "DB_NAME",
    ],
)
def test_no_value_is_ever_quoted_for_it_may_be_a_secret_put_in_the_wrong_place(
    load: Loader, name: str
) -> None:
    assert "hunter2" not in config_error(load, None, {name: SECRET})


# Where we listen


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080, True),
        ("127.9.9.9:0", "127.9.9.9", 0, True),
        ("localhost:80", "localhost", 80, True),
        ("[::1]:8080", "::1", 8080, True),
        ("0.0.0.0:8081", "0.0.0.0", 8081, False),  # noqa: S104  # a value, not bound
        ("[::]:8081", "::", 8081, False),
        ("10.0.0.7:65535", "10.0.0.7", 65_535, False),
        ("coach.example:443", "coach.example", 443, False),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host: str, port: int, loopback: bool) -> None:
    address = ListenAddress.parse(text)

    assert (address.host, address.port, address.is_loopback) == (host, port, loopback)
    assert str(address) == text
    assert str(WebSettings(public=text).address("public")) == text


def test_what_is_listened_on_everywhere_is_asked_on_this_machine() -> None:
    for text, near in (("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("a:1", "a:1")):
        assert str(ListenAddress.parse(text).as_reached_locally) == near


def test_operators_may_open_the_admin_listener_to_other_machines(load: Loader) -> None:
    text = "[web]\nadmin = '0.0.0.0:8080'\nallow_remote_admin = true"

    assert str(load(text).config.web.address("admin")) == "0.0.0.0:8080"


def test_an_empty_address_is_none(load: Loader) -> None:
    web = load("[web]\nadmin = ''").config.web

    assert (web.address("admin"), web.address("public")) == (None, None)


# The environment over the file


def test_the_environment_wins_over_the_file(load: Loader) -> None:
    text = "[sync]\nfirst_games = 1\nfirst_months = 1\n[database]\nname = 'file'"
    env = {"CHESSCOACH_SYNC__FIRST_GAMES": "2", "DB_NAME": "env"}
    settings = load(text, env)
    assert (settings.config.sync.first_games, settings.config.sync.first_months) == (2, 1)
    assert settings.config.database.name == "env"


def test_texts_of_the_environment_become_what_the_setting_is(load: Loader) -> None:
    env = {
        "CHESSCOACH_RUNNER__LEASE_S": "2",
        "CHESSCOACH_DATABASE__ALLOW_WEAK_WRITES": "true",
        "CHESSCOACH_SOURCES__LICHESS__BASE_URL": "http://127.0.0.1:1",
        "CHESSCOACH_SOURCES__CONTACT": "5",
        "DB_NAME": "7",
    }
    found = load(None, env).config
    assert found.runner.lease_s == 2.0
    assert found.database.allow_weak_writes is True
    assert found.sources.lichess.base_url == "http://127.0.0.1:1"
    assert (found.sources.contact, found.database.name) == ("5", "7")


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


def test_schedules_in_the_file_take_the_place_of_the_default_ones(load: Loader) -> None:
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

    found = load(file, env).config.schedules["sync_games"]

    assert found == Schedule(job="sync_games", every=Every(seconds=21600))


def test_the_applications_own_interval_leaves_the_rest_of_a_schedule(load: Loader) -> None:
    file = "[schedules.sync_games]\njob = 'sync_games'\ncron = '* * * * *'\njitter_s = 30\n"
    file += "[schedules.other]\njob = 'sync_games'\ncron = '0 1 * * *'"
    found = load(file, {"BACKGROUND_SYNC_INTERVAL_SECONDS": "60"}).config.schedules

    assert found["sync_games"].jitter_s == 30
    assert found["sync_games"].cron is None
    assert found["other"].cron == "0 1 * * *"


@pytest.mark.parametrize("text", ["0", "-5", "6h", "1.5", "9" * 30, "\u0663"])
def test_an_interval_of_the_application_that_is_none_is_named(load: Loader, text: str) -> None:
    with pytest.raises(ConfigError, match="BACKGROUND_SYNC_INTERVAL_SECONDS: expected a positive"):
        load("", {"BACKGROUND_SYNC_INTERVAL_SECONDS": text})


def test_names_that_kubernetes_injects_for_a_service_are_left_alone(load: Loader) -> None:
    env = {
        "CHESSCOACH_PORT": "tcp://10.0.0.1:8080",
        "CHESSCOACH_SERVICE_HOST": "10.0.0.1",
        "CHESSCOACH_PORT_8080_TCP_ADDR": "10.0.0.1",
        "OTHER__SETTING": "x",
    }
    assert load(None, env) == load()


def test_a_dotenv_beside_the_file_is_read_and_the_real_environment_wins(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "c.toml").write_text("")
    (folder / ".env").write_text(
        "MONGO_URL=mongodb://dotenv/\nDB_NAME=dotenv\nCHESSCOACH_SYNC__FIRST_GAMES=9\n"
    )
    settings = config.load(str(folder / "c.toml"), {"DB_NAME": "real"})
    assert settings.process.mongo_url == "mongodb://dotenv/"
    assert (settings.config.database.name, settings.config.sync.first_games) == ("real", 9)


def test_a_mounted_secret_of_the_real_environment_wins_over_a_dotenv() -> None:
    Path(".env").write_text("MONGO_URL=mongodb://dotenv/\n")
    Path("url").write_text("mongodb://mounted/\n")
    assert config.load(None, {"MONGO_URL_FILE": "url"}).process.mongo_url == "mongodb://mounted/"


# What else a process is told


def test_secrets_are_read_from_files_where_they_are_mounted_as_such(load: Loader) -> None:
    Path("url").write_text(f"{SECRET}\n")
    Path("name").write_text("club\n")
    settings = load(None, {"MONGO_URL_FILE": "url", "DB_NAME_FILE": "name"})
    assert settings.process.mongo_url == SECRET
    assert settings.config.database.name == "club"
    assert load(None, {"MONGO_URL": "mongodb://x/", "MONGO_URL_FILE": "url"}).process.mongo_url == (
        "mongodb://x/"
    )
    Path("url").write_text("\n")
    assert load(None, {"MONGO_URL_FILE": "url"}).process.mongo_url is None


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


# Importing

IMPORT_ALL = """
import logging, pkgutil, signal, sys, threading

def watch(event, args):
    outside = ("socket.", "subprocess.", "os.system", "os.fork", "os.remove", "os.mkdir")
    if event.startswith(outside):
        raise SystemExit(f"{event} at import")
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        raise SystemExit(f"{args[0]} is opened for writing at import")

import asyncio, socket, ssl, uuid  # what the interpreter's own library does is not ours
handlers = list(logging.getLogger().handlers), signal.getsignal(signal.SIGTERM)
sys.addaudithook(watch)
import chesscoach

names = [module.name for module in pkgutil.walk_packages(chesscoach.__path__, "chesscoach.")]
for name in names:
    __import__(name)
assert handlers == (list(logging.getLogger().handlers), signal.getsignal(signal.SIGTERM))
assert threading.active_count() == 1
print(*names)
"""


def test_every_module_imports_with_an_empty_environment_and_does_nothing_then() -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", IMPORT_ALL],
        env={},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    imported = {name.removesuffix(".__init__") for name in done.stdout.split()}
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "chesscoach").rglob("*.py")
    }
    assert imported == files - {"chesscoach"}
    assert os.listdir() == []
