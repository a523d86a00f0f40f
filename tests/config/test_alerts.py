"""The settings of alerts: what is refused, by its key, and what is kept secret."""

import base64
from pathlib import Path

import pytest

from chesscoach import config
from chesscoach.errors import ConfigError

SECRETS = ["whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2)]


@pytest.mark.parametrize(
    ("variables", "key"),
    [
        ({"ALERTS__WEBHOOK_URL": "https://x.example"}, "alerts.webhook_secret"),
        ({"ALERTS__WEBHOOK_URL": "planted://x"}, "alerts.webhook_url"),
        ({"ALERTS__WEBHOOK_URL": "http://:planted@"}, "alerts.webhook_url"),
        ({"ALERTS__WEBHOOK_SECRET": "planted"}, "alerts.webhook_secret"),
        ({"ALERTS__WEBHOOK_SECRET": "whsec_planted"}, "alerts.webhook_secret"),
        ({"ALERTS__WEBHOOK_SECRET": f"{SECRETS[0]},whsec_!planted"}, "alerts.webhook_secret"),
        ({"ALERTS__URLS": "planted"}, "alerts.urls"),
        ({"ALERTS__SENTRY_DSN": "planted"}, "alerts.sentry_dsn"),
        ({"ALERTS__SENTRY_DSN": "https://sentry.example/7"}, "alerts.sentry_dsn"),
        ({"ALERTS__SENTRY_DSN": "https://planted@sentry.example"}, "alerts.sentry_dsn"),
        ({"ALERTS__SENTRY_DSN": "https://planted@sentry.example/x"}, "alerts.sentry_dsn"),
        ({"ALERTS__SENTRY_DSN": "https://planted@sentry.example:x/7"}, "alerts.sentry_dsn"),
        ({"ALERTS__OTLP_ENDPOINT": "planted:4318"}, "alerts.otlp_endpoint"),
        ({"ALERTS__OTLP_ENDPOINT": "http://:planted@"}, "alerts.otlp_endpoint"),
        ({"ALERTS__MAX_PER_HOUR": "0"}, "alerts.max_per_hour"),
        ({"ALERTS__WEBHOOK": "planted"}, "alerts.webhook"),
        ({"JOBS__CLEANUP__PING_URL": "planted"}, "jobs.cleanup.ping_url"),
        ({"JOBS__CLEANUP__PING_URL": "https:///planted"}, "jobs.cleanup.ping_url"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_by_its_key_alone(
    variables: dict[str, str], key: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        config.load(None, {f"CHESSCOACH_{name}": value for name, value in variables.items()})

    assert str(refused.value).startswith(f"{key}: ")
    assert "planted" not in str(refused.value)


def test_the_secret_may_come_from_another_place_than_the_url(tmp_path: Path) -> None:
    file, secret_file = tmp_path / "c.toml", tmp_path / "secret"
    file.write_text('[alerts]\nwebhook_url = "https://x.example/hook"\n')
    secret_file.write_text(f"{SECRETS[0]}\n")

    loaded = config.load(str(file), {"CHESSCOACH_ALERTS__WEBHOOK_SECRET_FILE": str(secret_file)})

    assert loaded.config.alerts.webhook_keys == (b"\x01" * 32,)


def test_two_secrets_and_several_urls_are_read_from_one_text_or_a_list(tmp_path: Path) -> None:
    urls = ["tgram://token/chat", "mailto://u:p@h?to=a@b.example,c@d.example"]
    file = tmp_path / "c.toml"
    file.write_text(f"[alerts]\nurls = {urls}\n")
    by_file = config.load(str(file), {}).config.alerts
    by_variable = config.load(
        None,
        {
            "CHESSCOACH_ALERTS__URLS": " ".join(urls),
            "CHESSCOACH_ALERTS__WEBHOOK_SECRET": " ".join(SECRETS),
        },
    ).config.alerts

    assert by_file.apprise_urls == by_variable.apprise_urls == tuple(urls)
    assert by_variable.webhook_keys == (b"\x01" * 32, b"\x02" * 32)


def test_all_of_them_are_secrets_of_the_process_and_may_be_in_files(tmp_path: Path) -> None:
    values = {
        "CHESSCOACH_ALERTS__WEBHOOK_URL": "https://x.example/token",
        "CHESSCOACH_ALERTS__WEBHOOK_SECRET": SECRETS[0],
        "CHESSCOACH_ALERTS__URLS": "tgram://token/chat",
        "CHESSCOACH_ALERTS__SENTRY_DSN": "https://key@sentry.example/7",
        "CHESSCOACH_ALERTS__OTLP_ENDPOINT": "https://user:key@otlp.example",
        "CHESSCOACH_JOBS__SYNC_GAMES__PING_URL": "https://hc.example/uuid",
    }
    files = {f"{name}_FILE": tmp_path / name for name in values}
    for file, value in zip(files.values(), values.values(), strict=True):
        file.write_text(f"{value}\n")

    loaded = config.load(None, values)
    mounted = config.load(None, {name: str(file) for name, file in files.items()})

    assert set(values.values()) <= set(loaded.process.secrets())
    assert (mounted.config, mounted.process) == (loaded.config, loaded.process)
    assert mounted.origin.secret_files == tuple(map(str, files.values()))
