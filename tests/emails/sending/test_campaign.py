"""The campaign: its settings, its transport and its command."""

import asyncio
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from msgspec.structs import replace

from chesscoach.errors import ConfigError
from tests.support.emails.email_scenario import EmailScenario
from tests.support.processes import run

JOB = "chesscoach.jobs.weekly_emails"


async def test_without_a_key_emails_are_files(emails: EmailScenario, tmp_path: Path) -> None:
    emails.settings = replace(
        emails.settings,
        process=replace(emails.settings.process, sendgrid_key=None, sender_email=None),
    )
    emails.change_settings(outbox_dir=str(tmp_path / "mails"), public_url="", signing_key="")
    emails.add_user("ann")
    await emails.run()
    (file,) = await asyncio.to_thread(lambda: list((tmp_path / "mails").iterdir()))
    read = message_from_bytes(await asyncio.to_thread(file.read_bytes), policy=policy.default)
    assert read["To"] == "ann@example.org"
    assert read["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "/unsubscribe/" in read["List-Unsubscribe"]
    assert emails.states() == {"ann": "sent"}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("public_url", {"public_url": ""}),
        ("signing_key", {"signing_key": " , "}),
        ("SENDER_EMAIL", {}),
    ],
)
async def test_with_a_key_the_job_does_not_start_without_the_other_settings(
    emails: EmailScenario, name: str, change: dict[str, str]
) -> None:
    emails.add_user("ann")
    emails.change_settings(**change)
    if not change:
        process = replace(emails.settings.process, sender_email=None)
        emails.settings = replace(emails.settings, process=process)
    ending = await emails.run()
    assert ending.exit_code == 2
    assert name in ending.record["errors"][0]["error"]
    assert emails.states() == {}


async def test_every_email_has_an_unsubscribe_link_and_no_address_in_its_arguments(
    emails: EmailScenario,
) -> None:
    emails.add_user("ann")
    await emails.run()
    payload = emails.sendgrid.accepted[0].payload
    (to,) = payload["personalizations"]
    headers = payload.get("headers", {}) | to.get("headers", {})
    assert headers["List-Unsubscribe"].startswith("<https://chess.example.org/unsubscribe/")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    arguments = str(payload.get("custom_args", {}) | to.get("custom_args", {}))
    assert "@" not in arguments
    assert "Ann" not in arguments
    assert "ann" not in str(payload.get("categories", []))


async def test_a_dry_run_counts_and_writes_nothing(emails: EmailScenario) -> None:
    emails.add_user("ann")
    emails.add_user("idle", games=0)
    ending = await emails.run_dry()
    assert ending.record["notes"] == {"would_send": 1, "skipped_no_games": 1}
    assert emails.sendgrid.requests == 0
    assert emails.states() == {}


async def test_the_jobs_own_command_refuses_without_settings_and_says_their_name(
    environment: dict[str, str],
) -> None:
    command = await run({**environment, "SENDGRID_API_KEY": "SG.x.y"}, JOB)
    assert command.code == 2
    assert all(name in command.out for name in ("SENDER_EMAIL", "public_url", "signing_key"))
    assert "SG.x.y" not in command.out + command.err


async def test_owed_refuses_a_single_user(emails: EmailScenario) -> None:
    emails.add_user("ann")
    assert (await emails.run(owed=True, user="ann")).exit_code == 2
    with pytest.raises(ConfigError):
        await emails.run(weeks=1)
