"""`chesscoach emails`: the emails in the outbox, and what an operator can do about them."""

from collections.abc import Mapping
from typing import Any

import click

from chesscoach import log
from chesscoach.cli import email_preview, formatting, invocation
from chesscoach.cli.invocation import Output
from chesscoach.cli.options import limit_option
from chesscoach.context import Context
from chesscoach.emails.store.outbox_values import STATES, OutboxEntry
from chesscoach.emails.store.suppressions import normalize_address
from chesscoach.emails.suppression import Suppression
from chesscoach.errors import ConfigError
from chesscoach.schedules.iso_week import Week
from chesscoach.schedules.schedule import format_rfc3339

_JSON_FIELDS = (
    *("id", "kind", "user_id", "week", "state", "reason", "attempts", "resends"),
    *("created_at", "claimed_at", "finished_at", "message_id"),
)


@click.group(cls=invocation.OneLineErrorGroup)
def group() -> None:
    """Emails: preview and resend them, show their states and the suppressed addresses."""


group.add_command(email_preview.preview)


def _parse_week(_: click.Context, __: click.Parameter, text: str | None) -> Week | None:
    try:
        return Week.parse(text) if text is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@group.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only emails in this state.")
@click.option(
    "--week",
    metavar="WEEK",
    callback=_parse_week,
    help="Only emails of this ISO week, such as 2026-W47.",
)
@click.option("--user", "user_id", metavar="USER_ID", help="Only emails to this user.")
@limit_option
@invocation.database_command
async def list_emails(
    ctx: Context, state: str | None, week: Week | None, user_id: str | None, limit: int
) -> Output:
    """Show emails of the outbox, the newest week first, and their number in each state."""
    key = week.key if week is not None else None
    entries = await ctx.emails.outbox.recent(state=state, week=key, user_id=user_id, limit=limit)
    tally = await ctx.emails.outbox.count_by_state(week, user_id)
    scrub = log.Redactor(ctx.process.secrets()).scrub
    emails = [_to_json(entry, scrub(entry.reason) if entry.reason else None) for entry in entries]
    rows = [_cells(email, entry) for email, entry in zip(emails, entries, strict=True)]
    return Output(
        data={"tally": {state: tally.get(state, 0) for state in STATES}, "mails": emails},
        text=[
            invocation.table(("id", "state", "reason", "attempts", "when"), rows),
            _format_counts(tally, key, user_id),
        ],
    )


def _to_json(entry: OutboxEntry, reason: str | None) -> dict[str, Any]:
    fields = formatting.to_json(entry) | {"reason": reason}
    return {name: fields[name] for name in _JSON_FIELDS}


def _cells(email: Mapping[str, Any], entry: OutboxEntry) -> list[str]:
    changed_at = entry.finished_at or entry.claimed_at or entry.created_at
    when = format_rfc3339(changed_at) if changed_at is not None else ""
    return [email["id"], email["state"], email["reason"] or "", str(email["attempts"]), when]


def _format_counts(tally: Mapping[str, int], week: str | None, user_id: str | None) -> str:
    of = f" of {week}" if week else ""
    of += f" to {user_id}" if user_id is not None else ""
    counts = ", ".join(f"{tally[state]} {state}" for state in STATES if tally.get(state))
    return f"emails{of}: {counts or 'none'}"


@group.command()
@click.argument("outbox_id", metavar="OUTBOX_ID")
@invocation.database_command
async def resend(ctx: Context, outbox_id: str) -> Output:
    """Put a failed, skipped or unknown email back into the state pending.

    OUTBOX_ID is its id in `chesscoach emails list`. The next run for unsent emails sends it. An
    unknown email may have arrived: then the player gets it twice.
    """
    before = (await ctx.emails.outbox.find_many([outbox_id])).get(outbox_id)
    if before is None:
        msg = f"email {outbox_id[:200]!r} does not exist: see `chesscoach emails list`"
        raise ConfigError(msg)
    if not await ctx.emails.outbox.requeue(outbox_id):
        entry = (await ctx.emails.outbox.find_many([outbox_id])).get(outbox_id, before)
        msg = f"{outbox_id} is {entry.state}: only a failed, skipped or unknown email can be resent"
        raise ConfigError(msg)
    how = f"python -m chesscoach.jobs.weekly_emails --owed --week {before.week}"
    lines = [f"{outbox_id} is pending; it was {before.state}"]
    if before.state == "unknown":
        lines.append("the email may have arrived: then the player gets it twice")
    lines.append(
        f"`{how}` sends it now; the schedule weekly_emails_owed also does while its week is the "
        "last one"
    )
    return Output(
        data={"id": outbox_id, "was": before.state, "state": "pending", "send": how}, text=lines
    )


@group.command()
@click.argument("address", metavar="[ADDRESS]", required=False)
@limit_option
@invocation.database_command
async def suppressed(ctx: Context, address: str | None, limit: int) -> Output:
    """Show the suppressed addresses, the newest first, or whether ADDRESS is suppressed.

    A suppressed address gets no email. SendGrid's events suppress an address: it bounced, its owner
    complained or unsubscribed there, or SendGrid refuses to send to it.
    """
    if address is not None:
        suppression = await ctx.emails.suppressions.find(address)
        normal = normalize_address(address)
        line = (
            "  ".join(_suppression_cells(suppression))
            if suppression
            else f"{normal} is not suppressed"
        )
        return Output(data={"address": normal, "suppressed": suppression}, text=[line])
    count = await ctx.emails.suppressions.count()
    newest = await ctx.emails.suppressions.list_newest(limit)
    rows = [_suppression_cells(suppression) for suppression in newest]
    return Output(
        data={"count": count, "newest": newest},
        text=[invocation.table(("address", "reason", "since"), rows), f"suppressed: {count}"],
    )


def _suppression_cells(suppression: Suppression) -> list[str]:
    return [suppression.address, suppression.reason, format_rfc3339(suppression.at)]


@group.command()
@click.argument("address", metavar="ADDRESS")
@invocation.database_command
async def unsuppress(ctx: Context, address: str) -> Output:
    """Let ADDRESS get email again, from the next week on.

    SendGrid keeps a list of its own: remove the address from that list too, or SendGrid drops the
    email.
    """
    if not await ctx.emails.suppressions.remove(address):
        msg = "ADDRESS is not suppressed: see `chesscoach emails suppressed`"
        raise ConfigError(msg)
    normal = normalize_address(address)
    return Output(
        data={"unsuppressed": normal},
        text=[f"{normal} gets email again; remove it from SendGrid's own list too"],
    )
