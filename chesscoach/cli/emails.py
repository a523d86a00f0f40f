"""`chesscoach email`: what became of players' mails, and what an operator can do about it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from chesscoach import log
from chesscoach.cli import email_preview, email_suppressions, formatting, invocation
from chesscoach.context import Context
from chesscoach.emails.store.outbox_values import STATES, OutboxEntry
from chesscoach.errors import ConfigError
from chesscoach.schedules.iso_week import Week
from chesscoach.schedules.schedule import format_rfc3339
from chesscoach.worker.shutdown import ShutdownRequest

_JSON_FIELDS = (
    *("id", "kind", "user_id", "week", "state", "reason", "attempts", "resends"),
    *("created_at", "claimed_at", "finished_at", "message_id"),
)


@click.group(cls=invocation.OneLineErrorGroup)
def group() -> None:
    """Mail: how it looks, what became of it, and who gets none."""


group.add_command(email_preview.preview)
group.add_command(email_suppressions.suppressed)
group.add_command(email_suppressions.unsuppress)


def _parse_week(_: click.Context, __: click.Parameter, text: str | None) -> Week | None:
    """An ISO week."""
    try:
        return Week.parse(text) if text is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@group.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only in that state.")
@click.option(
    "--week", metavar="WEEK", callback=_parse_week, help="Only of that week, as 2026-W47."
)
@click.option("--user", "user_id", metavar="USER_ID", help="Only to that user.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many."
)
@invocation.config_option
@invocation.json_option
def list_emails(
    state: str | None,
    week: Week | None,
    user_id: str | None,
    limit: int,
    config: str | None,
    as_json: bool,
) -> None:
    """Show mails of the outbox, those of the newest week first, and how many there are."""

    async def body(ctx: Context, _: ShutdownRequest) -> None:
        key = week.key if week is not None else None
        rows = await ctx.emails.outbox.recent(state=state, week=key, user_id=user_id, limit=limit)
        tally = await ctx.emails.outbox.count_by_state(week, user_id)
        scrub = log.Redactor(ctx.process.secrets()).scrub
        mails = [_to_json(row, scrub(row.reason) if row.reason else None) for row in rows]
        if as_json:
            invocation.print_json({"tally": _count_all(tally), "mails": mails})
            return
        columns = ("id", "state", "reason", "attempts", "when")
        invocation.print_table(
            columns, [_cells(mail, row) for mail, row in zip(mails, rows, strict=True)]
        )
        click.echo(_format_counts(tally, key, user_id))

    invocation.run_with_context(config, body)


def _to_json(row: OutboxEntry, reason: str | None) -> dict[str, Any]:
    fields = formatting.to_json(row) | {"reason": reason}
    return {name: fields[name] for name in _JSON_FIELDS}


def _cells(mail: Mapping[str, Any], row: OutboxEntry) -> list[str]:
    at = _last_change(row)
    when = format_rfc3339(at) if at is not None else ""
    return [mail["id"], mail["state"], mail["reason"] or "", str(mail["attempts"]), when]


def _last_change(row: OutboxEntry) -> datetime | None:
    """When something last became of a mail."""
    return row.finished_at or row.claimed_at or row.created_at


def _count_all(tally: Mapping[str, int]) -> dict[str, int]:
    return {state: tally.get(state, 0) for state in STATES}


def _format_counts(tally: Mapping[str, int], week: str | None, user_id: str | None) -> str:
    of = f" of {week}" if week else ""
    of += f" to {user_id}" if user_id is not None else ""
    counted = ", ".join(f"{tally[state]} {state}" for state in STATES if tally.get(state))
    return f"mails{of}: {counted or 'none'}"


@group.command()
@click.argument("outbox_id", metavar="OUTBOX_ID")
@invocation.config_option
@invocation.json_option
def resend(outbox_id: str, config: str | None, as_json: bool) -> None:
    """Make an email pending again that failed, was skipped or is unknown.

    OUTBOX_ID is its name in `chesscoach emails list`. The next run for unsent emails sends it. An
    email that is unknown may have arrived: then its player gets it twice.
    """

    async def body(ctx: Context, _: ShutdownRequest) -> None:
        before = (await ctx.emails.outbox.find_many([outbox_id])).get(outbox_id)
        if before is None:
            msg = f"there is no mail {outbox_id[:200]!r}: see `chesscoach emails list`"
            raise ConfigError(msg)
        if not await ctx.emails.outbox.requeue(outbox_id):
            found = (await ctx.emails.outbox.find_many([outbox_id])).get(outbox_id, before)
            msg = f"{outbox_id} is {found.state}: only what failed, was skipped or is unknown"
            raise ConfigError(f"{msg} can be owed again")
        how = f"python -m chesscoach.jobs.weekly_emails --owed --week {before.week}"
        if as_json:
            invocation.print_json(
                {"id": outbox_id, "was": before.state, "state": "pending", "send": how}
            )
            return
        click.echo(f"{outbox_id} is pending; it was {before.state}")
        if before.state == "unknown":
            click.echo("it may have arrived: then it comes a second time")
        click.echo(
            f"`{how}` sends it now; while its week is the last one, so does the schedule "
            "weekly_emails_owed"
        )

    invocation.run_with_context(config, body)
