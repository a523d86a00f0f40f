"""Line breaks, control characters, byte order marks and bytes that are not UTF-8."""

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.inspect import CustomType, StructType, Type

from chesscoach import config
from chesscoach.config import Config
from chesscoach.errors import ConfigError
from chesscoach.schedules.schedule import Schedule
from tests.config.conftest import SECRET, Loader, config_error

URL = "https://coach.example"


def test_a_line_break_at_the_end_of_a_variable_is_dropped(load: Loader) -> None:
    env = {
        "MONGO_URL": f"{SECRET}\n",
        "DB_NAME": "club\r\n",
        "SENDGRID_API_KEY": "SG.key\n",
        "SENDER_EMAIL": " coach@club.example\n",
        "CHESSCOACH_EMAILS__SIGNING_KEY": "a-key\n",
        "CHESSCOACH_EMAILS__PUBLIC_URL": f"{URL}\n",
        "CHESSCOACH_SCHEDULES__SYNC_GAMES__CRON": "5 * * * *\n",
        "CHESSCOACH_SLOT": "2026-11-21T06:00:00Z\n",
        "KUBERNETES_JOB_NAME": "sync-29387520\n",
        "JOB_COMPLETION_INDEX": "3\n",
        "BACKGROUND_SYNC_INTERVAL_SECONDS": "60\n",
    }
    settings = load(None, env)

    process, emails = settings.process, settings.config.emails
    assert (process.mongo_url, settings.config.database.name) == (SECRET, "club")
    assert (process.sendgrid_key, process.sender_email) == ("SG.key", "coach@club.example")
    assert (emails.signing_keys, emails.public_url) == (("a-key",), URL)
    assert (process.kubernetes_job, process.completion_index) == ("sync-29387520", "3")
    assert process.slot is not None


def test_a_line_break_at_the_end_of_a_dotenv_value_is_dropped(load: Loader) -> None:
    Path(".env").write_text(f'MONGO_URL="{SECRET}\\n"\nDB_NAME="club\\n"\n')
    settings = load()
    assert (settings.process.mongo_url, settings.config.database.name) == (SECRET, "club")


TEXT_VARIABLES = (
    *("MONGO_URL", "DB_NAME", "SENDGRID_API_KEY", "SENDER_EMAIL", "CHESSCOACH_CONFIG"),
    *("CHESSCOACH_SLOT", "KUBERNETES_JOB_NAME", "JOB_COMPLETION_INDEX", "MONGO_URL_FILE"),
    *("CHESSCOACH_EMAILS__SIGNING_KEY", "CHESSCOACH_EMAILS__PUBLIC_URL"),
    *("CHESSCOACH_SOURCES__CONTACT", "CHESSCOACH_SCHEDULES__X__CRON", "CHESSCOACH_WEB__ADMIN"),
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hunter2\nx", "contains a control character (U+000A)"),
        ("hunter2\x00x", "contains a control character (U+0000)"),
        ("hunter2\x7fx", "contains a control character (U+007F)"),
        ("hunter2\x85x", "contains a control character (U+0085)"),
        ("hunter2\u2028x", "contains a control character (U+2028)"),
        ("\ufeffhunter2", "contains a control character (U+FEFF)"),
        ("hunter2\udcff", "not UTF-8"),
    ],
)
def test_a_variable_with_a_character_that_no_setting_has_is_named(
    load: Loader, text: str, reason: str
) -> None:
    for name in TEXT_VARIABLES:
        message = config_error(load, None, {name: text})
        assert name in message
        assert reason in message
        assert "hunter2" not in message
        assert message.isprintable()


@pytest.mark.parametrize("name", ["MONGO_URL_FILE", "DB_NAME_FILE", "SENDGRID_API_KEY_FILE"])
@pytest.mark.parametrize("content", [b"hunter2\nx", b"hunter2\xff", b"hunter2\x00"])
def test_a_secret_file_with_such_a_character_is_named(
    load: Loader, name: str, content: bytes
) -> None:
    Path("secret").write_bytes(content)
    message = config_error(load, None, {name: "secret"})
    assert message.startswith(f"{name}: ")
    assert "hunter2" not in message


def test_a_name_of_a_variable_that_is_not_utf8_is_shown_as_plain_text(load: Loader) -> None:
    message = config_error(load, None, {"CHESSCOACH_LOG__\udcff": "x"})
    assert "CHESSCOACH_LOG__\\udcff: not UTF-8" in message
    assert message.isprintable()


@pytest.mark.parametrize("name", ["MONGO_URL", "DB_NAME"])
def test_what_decides_where_the_data_is_may_not_be_blank(load: Loader, name: str) -> None:
    Path("empty").write_text("\n")
    for env, reason in (
        ({name: "\n"}, f"{name}: only white space"),
        ({f"{name}_FILE": "empty"}, f"{name}_FILE: the file is empty"),
        ({f"{name}_FILE": "missing"}, f"{name}_FILE: cannot be read: FileNotFoundError"),
        ({f"{name}_FILE": ""}, f"{name}_FILE: names no file"),
    ):
        assert reason in config_error(load, None, env)
    assert load(None, {name: "value", f"{name}_FILE": ""}) == load(None, {name: "value"})


@pytest.mark.parametrize("name", ["SENDGRID_API_KEY", "SENDER_EMAIL"])
def test_a_secret_that_an_installation_without_emails_lacks_may_be_an_empty_file(
    load: Loader, name: str
) -> None:
    Path("empty").write_text("\n")
    process = load(None, {f"{name}_FILE": "empty"}).process
    assert (process.sendgrid_key, process.sender_email) == (None, None)


def test_a_byte_order_mark_is_read_over(load: Loader) -> None:
    mark = b"\xef\xbb\xbf"
    Path("config.toml").write_bytes(mark + b"[sync]\nfirst_games = 7\n")
    Path(".env").write_bytes(mark + b"DB_NAME=club\n")
    Path("url").write_bytes(mark + SECRET.encode())
    settings = config.load(None, {"MONGO_URL_FILE": "url"})
    assert (settings.config.sync.first_games, settings.config.database.name) == (7, "club")
    assert settings.process.mongo_url == SECRET


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
@pytest.mark.parametrize("name", ["config.toml", ".env"])
def test_a_file_in_another_encoding_is_named(name: str, encoding: str) -> None:
    Path(name).write_bytes("DB_NAME='Köln'".encode(encoding))
    with pytest.raises(ConfigError, match=rf"{re.escape(name)}: cannot be read"):
        config.load(None, {})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[emails]\npublic_url = """https://x\n"""', "emails.public_url: contains a control"),
        ('[sources]\ncontact = "a\\tb"', "sources.contact: contains a control"),
        ('[database]\nembedded_dir = "a\\u0000"', "database.embedded_dir: contains a control"),
        ('[log]\nlevel = "info\\n"', "log.level: contains a control"),
        (
            '[schedules.x]\njob = "cleanup"\ncron = "0 3 * * *\\n"',
            "schedules.x.cron: contains a control",
        ),
        (
            '[schedules.x]\njob = "cleanup"\ncron = "0 3 * * *"\nargs = {rule = ["a\\n"]}',
            "schedules.x.args.rule: contains a control",
        ),
        ('"so\\nurces" = 1', "so\\nurces: contains a control"),
        (f"x = {'[' * 2000}", "nested too deeply"),
    ],
)
def test_a_control_character_in_the_file_is_refused_by_key(
    load: Loader, text: str, named: str
) -> None:
    message = config_error(load, text)
    assert named in message
    assert message.isprintable()


def test_a_long_number_of_seconds_is_a_mistake_too(load: Loader) -> None:
    for name in ("BACKGROUND_SYNC_INTERVAL_SECONDS", "CHESSCOACH_SYNC__FIRST_GAMES"):
        assert config_error(load, None, {name: "9" * 5000})


def test_a_name_of_a_database_has_at_most_63_bytes(load: Loader) -> None:
    assert load(None, {"DB_NAME": "é" * 31}).config.database.name == "é" * 31
    assert "database.name: longer than 63 bytes" in config_error(load, None, {"DB_NAME": "é" * 32})


def patterns(found: Type) -> Iterator[str]:
    """The patterns of a type and of all types in it."""
    if pattern := getattr(found, "pattern", None):
        yield pattern
    inner: list[Any] = [getattr(found, name, None) for name in ("type", "key_type", "value_type")]
    inner += getattr(found, "types", ())
    inner += [field.type for field in found.fields] if isinstance(found, StructType) else []
    for part in inner:
        if isinstance(part, Type) and not isinstance(part, CustomType):
            yield from patterns(part)


def test_every_pattern_is_anchored_at_the_very_end() -> None:
    found = [*patterns(msgspec.inspect.type_info(Config))]
    found += patterns(msgspec.inspect.type_info(Schedule))
    assert len(found) > 8
    assert [pattern for pattern in found if not pattern.endswith(r"\Z")] == []


def test_no_pattern_of_the_package_ends_before_a_line_break() -> None:
    root = Path(inspect.getfile(config)).parents[1]
    calls = re.compile(r"""(?:pattern=|re\.[a-z]+\(\s*)r?(["'])(?P<text>.*?)\1[,)\s]""")
    texts = [
        (path.name, match["text"])
        for path in sorted(root.rglob("*.py"))
        for match in calls.finditer(path.read_text())
    ]
    assert len(texts) > 20
    assert [found for found in texts if re.search(r"(?<!\\)\$\)?$", found[1])] == []


PEM = "-----BEGIN PUBLIC KEY-----\nMFkw\nEwYH\n-----END PUBLIC KEY-----"


@pytest.mark.parametrize("text", [PEM, PEM.replace("\n", "\r\n"), PEM + "\n"])
def test_a_public_key_may_have_lines_wherever_it_is_set(load: Loader, text: str) -> None:
    variable = {"CHESSCOACH_EMAILS__SENDGRID__EVENTS_KEY": text}
    assert load(None, variable).config.emails.sendgrid.events_key == text.strip()

    table = f"[emails.sendgrid]\nevents_key = {json.dumps(text)}\n"
    assert load(table).config.emails.sendgrid.events_key == text


def test_a_public_key_has_no_other_control_character(load: Loader) -> None:
    message = config_error(load, None, {"CHESSCOACH_EMAILS__SENDGRID__EVENTS_KEY": "a\x00b"})
    assert "events_key" in message
    assert "U+0000" in message
