"""The checks of the emails: their transport, links, subscribers and outbox."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chesscoach.context import Context, utc_now
from chesscoach.doctor import emails
from chesscoach.emails.sending import week_zone
from chesscoach.schedules import week_bounds
from chesscoach.schedules.iso_week import Week
from tests.doctor.conftest import (
    KEY,
    PRODUCTION,
    SIGNING,
    check_context,
    failed_line,
    problems,
    run_checks,
    run_doctor,
)
from tests.support.fake_sendgrid import FakeSendGrid

# Where it goes


@pytest.mark.usefixtures("ctx")
async def test_without_a_key_emails_go_into_the_folder(environment: dict[str, str]) -> None:
    findings = await run_checks(environment)

    assert problems(findings) == {}
    assert "written to .chesscoach/outbox and not sent" in findings["email"].what
    assert "SENDGRID_API_KEY is not set" in findings["sendgrid"].what


@pytest.mark.usefixtures("ctx")
async def test_with_all_settings_sendgrid_gets_one_request_and_no_email(
    production: dict[str, str], sendgrid: FakeSendGrid
) -> None:
    findings = await run_checks(production)

    assert problems(findings) == {}
    assert findings["email"].what == "by SendGrid"
    in_sandbox = {**production, "CHESSCOACH_EMAILS__SENDGRID__SANDBOX": "true"}
    assert (await emails.transport(await check_context(**in_sandbox))).level == "warn"
    assert findings["sendgrid"].what == "accepts the key, which may send email"
    assert (sendgrid.scope_requests, sendgrid.requests, sendgrid.accepted) == (1, 0, [])


@pytest.mark.usefixtures("ctx")
async def test_what_is_missing_beside_the_key_is_named_and_the_exit_code_is_2(
    production: dict[str, str],
) -> None:
    for name in ("SENDER_EMAIL", "CHESSCOACH_EMAILS__SIGNING_KEY"):
        del production[name]

    done = await run_doctor(production)

    assert done.code == 2
    line = failed_line(done)
    assert "SENDER_EMAIL, [emails] signing_key: set with SENDGRID_API_KEY" in line
    assert KEY not in done.out + done.err


async def test_a_catalog_that_cannot_be_used_fails_before_the_first_email(tmp_path: Path) -> None:
    (tmp_path / "de.po").write_text('msgid "Hello %(name)s,"\nmsgstr "Hallo %(nome)s,"\n')
    given = {"CHESSCOACH_EMAILS__LOCALES_DIR": str(tmp_path)}

    finding = await emails.transport(await check_context(**given))

    assert (finding.level, finding.unusable) == ("fail", True)
    assert "de.po" in finding.what


# Links and events


@pytest.mark.parametrize(
    ("changed", "level", "said"),
    [
        ({}, "ok", "public_url is https://chess.example.org"),
        ({"CHESSCOACH_EMAILS__PUBLIC_URL": "http://chess.example.org"}, "warn", "is not https"),
        ({"CHESSCOACH_EMAILS__SIGNING_KEY": "k" * 15}, "warn", "fewer than 16 characters"),
        ({"CHESSCOACH_EMAILS__SIGNING_KEY": f"{SIGNING},k"}, "warn", "fewer than 16 characters"),
        ({"CHESSCOACH_EMAILS__SIGNING_KEY": f"{'k' * 16},{SIGNING}"}, "ok", ""),
        ({"CHESSCOACH_WEB__PUBLIC": ""}, "warn", "[web] public is empty"),
        ({"SENDGRID_API_KEY": "", "CHESSCOACH_EMAILS__PUBLIC_URL": "http://here"}, "ok", ""),
        ({"SENDGRID_API_KEY": "", "CHESSCOACH_EMAILS__SIGNING_KEY": ""}, "ok", "no signing_key"),
    ],
)
async def test_links_that_players_cannot_trust_or_follow_are_a_warning(
    changed: dict[str, str], level: str, said: str
) -> None:
    given = {**PRODUCTION, **changed}

    finding = await emails.links(await check_context(**given))

    assert (finding.level, bool(finding.do)) == (level, level == "warn")
    assert said in finding.what


@pytest.mark.parametrize(
    ("key", "level", "text"),
    [
        ("", "warn", "unknown emails stay unknown"),
        ("no key", "fail", "emails.sendgrid.events_key"),
        ("TUZrd0V3WUhLb1pJemowQ0FRWUk=", "fail", "emails.sendgrid.events_key"),
    ],
)
async def test_a_missing_or_invalid_events_key_is_named(
    production: dict[str, str], key: str, level: str, text: str
) -> None:
    given = {**production, "CHESSCOACH_EMAILS__SENDGRID__EVENTS_KEY": key}

    finding = await emails.events(await check_context(**given))

    assert (finding.level, finding.unusable) == (level, level == "fail")
    assert text in finding.what


# The subscribers


async def test_the_users_about_whom_the_default_decides_are_counted(ctx: Context, db: Any) -> None:
    preferences: list[dict[str, Any]] = [
        {"email_notifications": {"weekly_summary": True}},
        {"email_notifications": {"weekly_summary": False}},
        {},
        {"email_notifications": None},
        {"email_opt_out": True},
    ]
    db.users.insert_many(
        user | {"user_id": f"u{n}", "email": f"{n}@x.org"} for n, user in enumerate(preferences)
    )
    db.users.insert_many([{"user_id": "a", "email": ""}, {"user_id": "b"}])

    for default, counted in (
        (False, "1 users get the weekly emails; 2 users have no preference and get none"),
        (True, "3 users get the weekly emails; 2 users have no preference and get them"),
    ):
        chosen = replace(ctx.config.emails, default_opt_in=default)
        finding = await emails.subscribers(replace(ctx, config=replace(ctx.config, emails=chosen)))
        assert finding.level == "ok"
        assert finding.what == f"{counted}: [emails] default_opt_in is {str(default).lower()}"


# The outbox


def insert_email(db: Any, week: Week, state: str, hours: float) -> None:
    """An email that was created that many hours ago."""
    db.email_outbox.insert_one(
        {
            "_id": f"weekly_summary:{state}:{week.key}", "kind": "weekly_summary", "state": state,
            "user_id": state, "week": week.key, "created_at": utc_now() - timedelta(hours=hours),
        }
    )  # fmt: skip


async def test_emails_that_are_pending_for_long_or_unknown_are_a_warning(
    ctx: Context, db: Any
) -> None:
    week = week_bounds.last_closed_week(ctx.now(), await week_zone.schedule_zone(ctx.emails))
    insert_email(db, week.before, "unknown", 200)
    finding = await emails.outbox(ctx)
    assert (finding.level, finding.what) == ("ok", f"{week.key}: no email yet")

    for state, hours, level in (
        ("sent", 30, "ok"),
        ("skipped", 30, "ok"),
        ("pending", 1, "ok"),
        ("pending", 3, "warn"),
        ("unknown", 1, "warn"),
    ):
        db.email_outbox.delete_many({"week": week.key})
        insert_email(db, week, state, hours)
        finding = await emails.outbox(ctx)
        assert finding.level == level
        assert finding.what.startswith(f"{week.key}: 1 {state}")
