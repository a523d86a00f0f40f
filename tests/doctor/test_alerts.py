"""The check of the receivers of alerts, and where their secrets come from."""

import base64
import sys
from pathlib import Path

import pytest

from chesscoach.doctor import alerts, secrets
from tests.doctor.conftest import check_context

PLANTED = "planted-token-4711"
RECEIVERS = {
    "CHESSCOACH_ALERTS__WEBHOOK_URL": f"https://hooks.example/{PLANTED}",
    "CHESSCOACH_ALERTS__WEBHOOK_SECRET": "whsec_" + base64.b64encode(bytes(32)).decode(),
    "CHESSCOACH_ALERTS__URLS": f"json://hooks.example/{PLANTED} xml://hooks.example/{PLANTED}",
    "CHESSCOACH_ALERTS__SENTRY_DSN": f"https://{PLANTED}@sentry.example/7",
    "CHESSCOACH_ALERTS__OTLP_ENDPOINT": f"https://{PLANTED}@otlp.example",
    "CHESSCOACH_JOBS__CLEANUP__PING_URL": f"https://hc.example/{PLANTED}",
}


async def test_it_counts_the_receivers_and_names_the_jobs_with_pings() -> None:
    finding = await alerts.receivers(await check_context(**RECEIVERS))

    assert finding.level == "ok"
    assert finding.what == (
        "a webhook; 2 URLs of apprise; check-ins at Sentry; spans of runs by OTLP; pings of cleanup"
    )


async def test_without_a_receiver_the_finding_says_where_alerts_are() -> None:
    finding = await alerts.receivers(await check_context())

    assert (finding.level, "log and metrics" in finding.what) == ("ok", True)


async def test_a_url_that_apprise_cannot_use_is_named_by_its_number() -> None:
    urls = {"CHESSCOACH_ALERTS__URLS": f"nosuch://{PLANTED}"}

    finding = await alerts.receivers(await check_context(**urls))

    assert (finding.level, finding.unusable) == ("fail", True)
    assert "alerts.urls" in finding.what
    assert PLANTED not in finding.what


async def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)

    finding = await alerts.receivers(await check_context(**RECEIVERS))

    assert (finding.level, finding.unusable) == ("fail", True)
    assert 'install the extra "sentry"' in finding.what
    assert PLANTED not in finding.what


async def test_the_origin_of_each_secret_is_named_and_none_is_shown(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        f"[jobs.sync_games]\nping_url = 'https://hc.example/{PLANTED}'\n"
    )
    (tmp_path / "config.toml").chmod(0o644)
    seen = await check_context(**RECEIVERS)

    said = (await secrets.secrets_origin(seen)).what
    files = await secrets.files(seen)

    for name in RECEIVERS:
        assert f"{name} in the environment" in said
    assert f"ping_url in {tmp_path / 'config.toml'}" in said
    assert PLANTED not in said
    assert files.level == "warn"
