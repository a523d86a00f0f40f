"""Where the secrets of emails come from, and that they are not shown."""

import json
from pathlib import Path

from chesscoach.context import Context
from chesscoach.doctor import secrets
from tests.doctor.conftest import KEY, SIGNING, check_context, run_doctor


async def test_it_names_the_origin_of_each_secret_and_shows_none(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "config.toml").write_text(f"[emails]\nsigning_key = '{SIGNING}'")
    given = {"MONGO_URL": "mongodb://h/", "SENDGRID_API_KEY_FILE": str(tmp_path / "key")}

    seen = await check_context(**given)
    said = (await secrets.secrets_origin(seen)).what

    assert said == (
        "MONGO_URL in the environment; "
        "SENDGRID_API_KEY_FILE in the environment, which names a file; "
        f"signing_key in {tmp_path / 'config.toml'}"
    )
    named = {**given, "CHESSCOACH_EMAILS__SIGNING_KEY": SIGNING}
    said = (await secrets.secrets_origin(await check_context(**named))).what
    assert said.endswith("; CHESSCOACH_EMAILS__SIGNING_KEY in the environment")


async def test_a_config_toml_with_a_signing_key_is_a_file_with_a_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "config.toml").write_text(f"[emails]\nsigning_key = '{SIGNING}'")
    (tmp_path / "config.toml").chmod(0o644)
    given = {"SENDGRID_API_KEY_FILE": str(tmp_path / "key")}

    finding = await secrets.files(await check_context(**given))
    assert finding.level == "warn"
    assert str(tmp_path / "config.toml") in finding.what
    assert str(tmp_path / "key") not in finding.what

    (tmp_path / "key").chmod(0o644)
    (tmp_path / "config.toml").write_text("")
    finding = await secrets.files(await check_context(**given))
    assert str(tmp_path / "key") in finding.what
    assert str(tmp_path / "config.toml") not in finding.what


async def test_keys_are_masked_in_logs_and_in_findings(
    production: dict[str, str], ctx: Context
) -> None:
    strange = {"SENDGRID_API_KEY": "qzjx-vwkb-no-form", "CHESSCOACH_EMAILS__SIGNING_KEY": "mypet"}

    done = await run_doctor({**production, **strange}, "--json")

    report = json.loads(done.out)
    redaction = next(check for check in report["checks"] if check["check"] == "redaction")
    assert (redaction["level"], redaction["what"]) == ("ok", "every secret is masked in logs")
    assert not any(value in done.out + done.err for value in strange.values())
