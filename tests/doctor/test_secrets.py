"""Where secrets come from, which users can read them, and whether logs mask them."""

import os
import stat
from pathlib import Path

import pytest
from msgspec.structs import replace

from chesscoach.config import Settings
from chesscoach.doctor import secrets
from chesscoach.doctor.finding import CheckContext
from chesscoach.mongo import client
from tests.doctor.conftest import PASSWORD, SHORT_TIMEOUTS, UNREACHABLE, check_context, run_doctor


@pytest.mark.parametrize(
    ("query", "level"),
    [
        (f"mongodb://coach:{PASSWORD}@db.example/", "warn"),
        (f"mongodb://coach:{PASSWORD}@db.example/?tls=false", "warn"),
        (f"mongodb://coach:{PASSWORD}@127.0.0.1,db.example/?replicaSet=rs", "warn"),
        (f"mongodb+srv://coach:{PASSWORD}@db.example/?tls=false", "warn"),
        (f"mongodb+srv://coach:{PASSWORD}@db.example/", "ok"),
        (f"mongodb://coach:{PASSWORD}@db.example/?tls=true", "ok"),
        (f"mongodb://coach:{PASSWORD}@db.example/?ssl=true", "ok"),
        (f"mongodb://coach:{PASSWORD}@localhost,127.0.0.2,[::1]/", "ok"),
        (f"mongodb://coach:{PASSWORD}@%2Ftmp%2Fmongodb.sock/", "ok"),
        ("mongodb://db.example/", "ok"),
    ],
)
async def test_a_password_that_crosses_a_network_without_tls_is_a_warning(
    query: str, level: str
) -> None:
    finding = await secrets.tls(await check_context(MONGO_URL=query))

    assert finding.level == level
    assert PASSWORD not in finding.what + finding.do


def test_a_url_that_cannot_be_read_has_no_address() -> None:
    assert client.parse_connection("localhost:27017") is None


@pytest.mark.parametrize(
    ("mode", "level"), [(0o600, "ok"), (0o640, "ok"), (0o644, "warn"), (0o604, "warn")]
)
async def test_files_with_secrets_that_other_users_can_read_are_a_warning(
    tmp_path: Path, mode: int, level: str
) -> None:
    secret, beside = tmp_path / "secret", tmp_path / ".env"
    for path in (secret, beside):
        path.write_text("" if path == beside else UNREACHABLE)
        path.chmod(mode)
        assert stat.S_IMODE(os.stat(path).st_mode) == mode
    given = {"MONGO_URL_FILE": str(secret)}

    finding = await secrets.files(await check_context(**given))

    assert finding.level == level
    assert str(secret) in finding.what
    assert str(beside) in finding.what
    assert ("chmod 600" in finding.do) is (level == "warn")


async def test_the_finding_names_the_origin_of_the_url(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(UNREACHABLE)
    (tmp_path / ".env").write_text(f"MONGO_URL={UNREACHABLE}")
    file, variable = {"MONGO_URL_FILE": str(tmp_path / "secret")}, {"MONGO_URL": UNREACHABLE}

    for given, text, advice in (
        (variable, "MONGO_URL in the environment", ""),
        (file, "MONGO_URL_FILE in the environment, which names a file", ""),
        ({**file, **variable}, "MONGO_URL in the environment", "unset MONGO_URL_FILE: not read"),
        ({}, "MONGO_URL in .env", ""),
    ):
        finding = await secrets.secrets_origin(await check_context(**given))
        assert finding.what == text
        assert finding.level == ("warn" if advice else "ok")
        assert advice in finding.do


async def test_a_password_that_is_too_short_to_be_masked_is_a_warning(
    environment: dict[str, str],
) -> None:
    masked = await run_doctor(
        {**environment, **SHORT_TIMEOUTS, "MONGO_URL": f"mongodb://u:{PASSWORD}@h:1/"}
    )
    short = await run_doctor({**environment, **SHORT_TIMEOUTS, "MONGO_URL": "mongodb://u:qzj@h:1/"})

    for done, mark in ((masked, "ok"), (short, "warn")):
        (line,) = [line for line in done.out.splitlines() if " redaction " in line]
        assert line.startswith(mark), line
        assert "qzj" not in done.out + done.err


async def test_a_secret_that_the_log_does_not_know_is_a_failure(settings: Settings) -> None:
    given = replace(settings.process, mongo_url=f"mongodb://coach:{PASSWORD}@db.example/")

    finding = await secrets.redaction(CheckContext(settings=replace(settings, process=given)))

    assert finding.level == "fail"
