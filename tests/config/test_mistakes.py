from pathlib import Path

import pytest

from chesscoach import config
from chesscoach.errors import ConfigError
from tests.config.conftest import SECRET, Loader, config_error


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
        ('[sources]\ncontact = "Köln"', "sources.contact: expected"),
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
            "[schedules.x]\njob = 'a'\ncron = '*/90 * * * *'",
            "schedules.x: cron cannot be read: Bad min",
        ),
        ("[schedules.x]\njob = 'a'", "schedules.x: give one of cron, every and at; there is no"),
        ("[schedules.x]\njob = 'a'\ncron = '* * * * *'\nyear = 1", "schedules.x.year: unkn"),
        (
            "[schedules.x]\njob = 'a'\ncron = '* * * * *'\noverlap = 'no'",
            "schedules.x.overlap: inv",
        ),
        (
            "[schedules.x]\njob = 'a'\ncron = '* * * * *'\nevery = { hours = 1 }",
            "schedules.x: give one of cron, every and at; there is cron and every",
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
        ("CHESSCOACH_MOMENTUM__BOOK", "puzzles,chess", "momentum.book: give some of games_imp"),
        ("CHESSCOACH_ALERTS__WEBHOOK_URL", "nope", "alerts.webhook_url: expected an http or"),
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


def test_no_value_is_ever_quoted_because_it_may_be_a_secret_in_the_wrong_place(
    load: Loader,
) -> None:
    for name in (
        *("DATABASE__PASSWORD", "DATABASE__NAME", "DATABASE__ALLOW_WEAK_WRITES", "LOG__LEVEL"),
        *("RUNNER__LEASE_S", "RUNNER__MAX_ATTEMPTS", "SOURCES__LICHESS__BASE_URL", "WEB__ADMIN"),
        *("WEB__PUBLIC", "SCHEDULES__SYNC_GAMES", "SCHEDULES__SYNC_GAMES__JOB", "SLOT"),
        *("SCHEDULES__SYNC_GAMES__CRON", "SCHEDULES__SYNC_GAMES__TIMEZONE"),
    ):
        assert "hunter2" not in config_error(load, None, {f"CHESSCOACH_{name}": SECRET})
    assert "hunter2" not in config_error(load, None, {"DB_NAME": SECRET})
