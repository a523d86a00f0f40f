"""What the doctor finds out about mail."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from chesscoach.context import Context, utc_now
from chesscoach.doctor import emails, secrets
from chesscoach.emails.sending import week_zone
from chesscoach.schedules import week_bounds
from chesscoach.schedules.iso_week import Week
from tests.doctor.test_checks import (
    check_context,
    http_server,
    levels_by_check,
    load_settings,
    run_checks,
    run_doctor,
)
from tests.support.fake_sendgrid import FakeSendGrid, SendGridFault

KEY = "SG.stand-in-for-tests"
SIGNING = "k" * 32
PRODUCTION = {
    "SENDGRID_API_KEY": KEY,
    "SENDER_EMAIL": "coach@example.org",
    "CHESSCOACH_EMAILS__PUBLIC_URL": "https://chess.example.org",
    "CHESSCOACH_EMAILS__SIGNING_KEY": SIGNING,
    "CHESSCOACH_WEB__PUBLIC": "127.0.0.1:0",
}


@pytest.fixture
async def sendgrid() -> AsyncIterator[FakeSendGrid]:
    """SendGrid on loopback."""
    standin = FakeSendGrid(key=KEY)
    async with standin.serve():
        yield standin


@pytest.fixture
def production(environment: dict[str, str], sendgrid: FakeSendGrid) -> dict[str, str]:
    """Settings with which mail goes by the stand-in and nothing is amiss."""
    return {
        **environment,
        **PRODUCTION,
        "CHESSCOACH_EMAILS__SENDGRID__BASE_URL": sendgrid.url,
        "CHESSCOACH_EMAILS__SENDGRID__EVENTS_KEY": sendgrid.events_key,
    }


# Where it goes


@pytest.mark.usefixtures("ctx")
async def test_without_a_key_mail_goes_into_the_folder_and_that_is_well(
    environment: dict[str, str],
) -> None:
    found = await run_checks(await load_settings(environment))

    assert levels_by_check(found) == {}
    assert "written to .chesscoach/outbox and sent to nobody" in found["mail"].what
    assert "no SENDGRID_API_KEY" in found["sendgrid"].what


@pytest.mark.usefixtures("ctx")
async def test_where_all_is_set_sendgrid_is_asked_once_and_sent_nothing(
    production: dict[str, str], sendgrid: FakeSendGrid
) -> None:
    found = await run_checks(await load_settings(production))

    assert levels_by_check(found) == {}
    assert found["mail"].what == "by SendGrid"
    assert found["sendgrid"].what == "takes the key, which may send mail"
    assert (sendgrid.scope_requests, sendgrid.requests, sendgrid.accepted) == (1, 0, [])


@pytest.mark.usefixtures("ctx")
async def test_what_is_missing_beside_the_key_is_named_and_the_exit_code_is_2(
    production: dict[str, str],
) -> None:
    for name in ("SENDER_EMAIL", "CHESSCOACH_EMAILS__SIGNING_KEY"):
        del production[name]

    done = await run_doctor(production)

    assert done.code == 2
    (line,) = [line for line in done.out.splitlines() if line.startswith("FAIL")]
    assert "SENDER_EMAIL, [emails] signing_key: needed with SENDGRID_API_KEY" in line
    assert KEY not in done.out + done.err


@pytest.mark.usefixtures("ctx")
async def test_a_rehearsal_that_was_left_on_is_worth_a_warning(production: dict[str, str]) -> None:
    sandbox = {"CHESSCOACH_EMAILS__SENDGRID__SANDBOX": "true"}

    found = await run_checks(await load_settings({**production, **sandbox}))

    assert levels_by_check(found) == {"mail": "warn"}


async def test_a_catalog_that_cannot_be_used_is_found_before_the_first_mail(tmp_path: Path) -> None:
    (tmp_path / "de.po").write_text('msgid "Hello %(name)s,"\nmsgstr "Hallo %(nome)s,"\n')
    given = {"CHESSCOACH_EMAILS__LOCALES_DIR": str(tmp_path)}

    found = await emails.transport(await asyncio.to_thread(lambda: check_context(**given)))

    assert (found.level, found.unusable) == ("fail", True)
    assert "de.po" in found.what


# Links and events


@pytest.mark.parametrize(
    ("changed", "level", "said"),
    [
        ({}, "ok", "they lead to https://chess.example.org"),
        ({"CHESSCOACH_EMAILS__PUBLIC_URL": "http://chess.example.org"}, "warn", "is not https"),
        ({"CHESSCOACH_EMAILS__SIGNING_KEY": "k" * 15}, "warn", "shorter than 16 characters"),
        ({"CHESSCOACH_EMAILS__SIGNING_KEY": f"{SIGNING},k"}, "warn", "shorter than 16 characters"),
        ({"CHESSCOACH_EMAILS__SIGNING_KEY": f"{'k' * 16},{SIGNING}"}, "ok", ""),
        ({"CHESSCOACH_WEB__PUBLIC": ""}, "warn", "[web] public is empty"),
        ({"SENDGRID_API_KEY": "", "CHESSCOACH_EMAILS__PUBLIC_URL": "http://here"}, "ok", ""),
        ({"SENDGRID_API_KEY": "", "CHESSCOACH_EMAILS__SIGNING_KEY": ""}, "ok", "no signing_key"),
    ],
)
async def test_links_that_players_could_not_trust_or_follow_are_told(
    changed: dict[str, str], level: str, said: str
) -> None:
    given = {**PRODUCTION, **changed}

    found = await emails.links(await asyncio.to_thread(lambda: check_context(**given)))

    assert (found.level, bool(found.do)) == (level, level == "warn")
    assert said in found.what


async def test_without_events_it_is_told_what_that_costs(production: dict[str, str]) -> None:
    del production["CHESSCOACH_EMAILS__SENDGRID__EVENTS_KEY"]

    found = await emails.events(await asyncio.to_thread(lambda: check_context(**production)))

    assert found.level == "warn"
    assert "mails that are unknown stay so" in found.what


@pytest.mark.parametrize("key", ["no key", "TUZrd0V3WUhLb1pJemowQ0FRWUk=", SIGNING])
async def test_an_events_key_that_is_none_fails(production: dict[str, str], key: str) -> None:
    given = {**production, "CHESSCOACH_EMAILS__SENDGRID__EVENTS_KEY": key}

    found = await emails.events(await asyncio.to_thread(lambda: check_context(**given)))

    assert (found.level, found.unusable) == ("fail", True)
    assert "emails.sendgrid.events_key" in found.what


# SendGrid


async def test_a_key_that_sendgrid_does_not_know_fails_and_is_not_shown(
    production: dict[str, str], ctx: Context
) -> None:
    done = await run_doctor({**production, "SENDGRID_API_KEY": "SG.another-key"})

    assert done.code == 1
    (line,) = [line for line in done.out.splitlines() if line.startswith("FAIL")]
    assert "refuses the key (401)" in line
    assert "another-key" not in done.out + done.err


async def test_a_key_that_may_not_send_fails(
    production: dict[str, str], sendgrid: FakeSendGrid
) -> None:
    sendgrid.scopes = ["templates.read"]

    found = await emails.sendgrid(await asyncio.to_thread(lambda: check_context(**production)))

    assert found.level == "fail"
    assert "Mail Send" in found.do


@pytest.mark.parametrize(
    ("fault", "level", "said"),
    [
        ("403", "fail", "refuses the key (403)"),
        ("500", "warn", "do not understand (500)"),
        ("302", "warn", "do not understand (302)"),
        ("429", "warn", "do not understand (429)"),
        ("html", "warn", "200 with a text that is none of SendGrid's"),
        ("cut", "fail", "cannot be reached"),
        ("garbage", "fail", "cannot be reached"),
    ],
)
async def test_what_sendgrid_answers_instead_is_said_in_words(
    production: dict[str, str],
    sendgrid: FakeSendGrid,
    fault: SendGridFault,
    level: str,
    said: str,
) -> None:
    sendgrid.faults.extend([fault, fault])  # aiohttp repeats a GET whose connection is cut

    found = await emails.sendgrid(await asyncio.to_thread(lambda: check_context(**production)))

    assert found.level == level
    assert said in found.what
    assert found.do


@pytest.mark.parametrize("key", ["SG.\nX-Other: 1", "SG.schlüssel"])
async def test_a_key_that_cannot_stand_in_a_header_is_not_sent(
    production: dict[str, str], sendgrid: FakeSendGrid, key: str
) -> None:
    given = {**production, "SENDGRID_API_KEY": key}

    found = await emails.sendgrid(await asyncio.to_thread(lambda: check_context(**given)))

    assert (found.level, sendgrid.scope_requests) == ("fail", 0)


async def test_a_key_is_not_sent_across_a_network_in_the_clear(production: dict[str, str]) -> None:
    given = {**production, "CHESSCOACH_EMAILS__SENDGRID__BASE_URL": "http://sendgrid.invalid"}

    found = await emails.sendgrid(await asyncio.to_thread(lambda: check_context(**given)))

    assert found.level == "fail"
    assert "base_url is not https" in found.what


async def test_an_answer_that_never_ends_is_cut_off(production: dict[str, str]) -> None:
    async def flood(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65_536)

    async with http_server(flood) as url:
        given = {**production, "CHESSCOACH_EMAILS__SENDGRID__BASE_URL": url}
        found = await emails.sendgrid(await asyncio.to_thread(lambda: check_context(**given)))

    assert found.level == "warn"


# The outbox


def insert_email(db: Any, week: Week, state: str, hours: float) -> None:
    """A mail that was put into the outbox so many hours ago."""
    db.email_outbox.insert_one(
        {
            "_id": f"weekly_summary:{state}:{week.key}", "kind": "weekly_summary", "state": state,
            "user_id": state, "week": week.key, "created_at": utc_now() - timedelta(hours=hours),
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "hours", "level"),
    [
        ("sent", 30, "ok"),
        ("skipped", 30, "ok"),
        ("pending", 1, "ok"),
        ("pending", 3, "warn"),
        ("unknown", 1, "warn"),
    ],
)
async def test_mails_that_wait_or_whose_fate_nobody_knows_are_told(
    ctx: Context, db: Any, state: str, hours: float, level: str
) -> None:
    async def look() -> tuple[str, str]:
        found = await emails.outbox(ctx)
        return found.level, found.what

    week = week_bounds.last_closed_week(ctx.now(), await week_zone.schedule_zone(ctx.emails))
    assert await look() == ("ok", f"{week.key}: no mail yet")
    insert_email(db, week.before, "unknown", 200)
    assert await look() == ("ok", f"{week.key}: no mail yet")

    insert_email(db, week, state, hours)

    found, told = await look()
    assert found == level
    assert told.startswith(f"{week.key}: 1 {state}")


# Secrets


async def test_it_says_where_each_secret_comes_from_and_shows_none(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "config.toml").write_text(f"[emails]\nsigning_key = '{SIGNING}'")
    given = {"MONGO_URL": "mongodb://h/", "SENDGRID_API_KEY_FILE": str(tmp_path / "key")}

    seen = await asyncio.to_thread(lambda: check_context(**given))
    said = (await secrets.origin(seen)).what

    assert said == (
        "MONGO_URL in the environment; "
        "SENDGRID_API_KEY_FILE in the environment, from the file that it names; "
        f"signing_key in {tmp_path / 'config.toml'}"
    )
    named = {**given, "CHESSCOACH_EMAILS__SIGNING_KEY": SIGNING}
    said = (await secrets.origin(await asyncio.to_thread(lambda: check_context(**named)))).what
    assert said.endswith("; CHESSCOACH_EMAILS__SIGNING_KEY in the environment")


async def test_a_config_toml_with_a_signing_key_is_a_file_with_a_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "config.toml").write_text(f"[emails]\nsigning_key = '{SIGNING}'")
    (tmp_path / "config.toml").chmod(0o644)
    given = {"SENDGRID_API_KEY_FILE": str(tmp_path / "key")}

    found = await secrets.files(await asyncio.to_thread(lambda: check_context(**given)))
    assert found.level == "warn"
    assert str(tmp_path / "config.toml") in found.what
    assert str(tmp_path / "key") not in found.what

    (tmp_path / "key").chmod(0o644)
    (tmp_path / "config.toml").write_text("")
    found = await secrets.files(await asyncio.to_thread(lambda: check_context(**given)))
    assert str(tmp_path / "key") in found.what
    assert str(tmp_path / "config.toml") not in found.what


async def test_keys_are_masked_in_logs_and_in_findings(
    production: dict[str, str], ctx: Context
) -> None:
    strange = {"SENDGRID_API_KEY": "qzjx-vwkb-no-form", "CHESSCOACH_EMAILS__SIGNING_KEY": "mypet"}

    done = await run_doctor({**production, **strange}, "--json")

    report = json.loads(done.out)
    masking = next(check for check in report["checks"] if check["check"] == "masking")
    assert (masking["level"], masking["what"]) == ("ok", "every secret is masked in logs")
    assert not any(value in done.out + done.err for value in strange.values())
