"""`chesscoach emails preview`: a player's weekly email as files, neither stored nor sent."""

import asyncio
import webbrowser
from collections.abc import AsyncIterator
from pathlib import Path

import click
from msgspec import Struct
from msgspec.structs import replace

from chesscoach.cli import invocation
from chesscoach.cli.invocation import Output
from chesscoach.context import Context
from chesscoach.emails.sending import campaign, composition, week_zone
from chesscoach.emails.sending.audience import parse_week_option
from chesscoach.emails.sending.due_email import KIND, DueEmail
from chesscoach.emails.transports import folder
from chesscoach.emails.transports.transport import Message
from chesscoach.emails.weekly import summary
from chesscoach.errors import ConfigError
from chesscoach.schedules import week_bounds

_DEFAULT_FOLDER = ".chesscoach/preview"


class EmailPreview(Struct, frozen=True, kw_only=True):
    """An email as a run would compose it now; `notes` say why a run would not send it."""

    due: DueEmail
    message: Message
    notes: tuple[str, ...]


@click.command()
@click.argument("user_id", metavar="USER_ID")
@click.option("--week", metavar="WEEK", help="ISO week, such as 2026-W47 (default: the last one).")
@click.option("--open", "show", is_flag=True, help="Open the HTML in a browser.")
@click.option(
    "--out", metavar="DIR", default=_DEFAULT_FOLDER, show_default=True, help="Folder of the files."
)
@invocation.database_command
async def preview(ctx: Context, user_id: str, week: str | None, show: bool, out: str) -> Output:
    """Write a player's weekly email into files, as HTML and as text.

    The command stores and sends nothing, and the email's unsubscribe link does not work. If the
    user would get no email, the command writes one all the same and says why.
    """
    sample = await _build_preview(ctx, user_id, week)
    html, text = await asyncio.to_thread(_write_files, Path(out), sample)
    opened = show and await asyncio.to_thread(_open_in_browser, html)
    fields = {
        "user_id": user_id,
        "week": sample.due.week.key,
        "timezone": sample.due.zone.key,
        "subject": sample.message.subject,
        "html": str(html),
        "text": str(text),
    }
    notes = list(sample.notes)
    if show and not opened:
        notes.append("no browser can be opened here: open the HTML yourself")
    return Output(
        data={**fields, "remarks": list(sample.notes), "opened": opened},
        text=[f"{name:<8}  {value}" for name, value in fields.items()]
        + [f"{'note':<8}  {note}" for note in notes],
    )


async def _build_preview(ctx: Context, user_id: str, week: str | None) -> EmailPreview:
    named = parse_week_option(week, ctx.now(), ctx.config.cleanup.keep_outbox_days)
    recipient = await ctx.emails.recipients.find(user_id)
    if recipient is None:
        msg = f"user {user_id[:120]!r} does not exist: see `chesscoach accounts list`"
        raise ConfigError(msg)
    emails = ctx.config.emails
    zone = week_zone.week_zone(recipient, emails, await week_zone.schedule_zone(ctx.emails))
    due = DueEmail(
        recipient=recipient, week=named or week_bounds.last_closed_week(ctx.now(), zone), zone=zone
    )
    player_weeks = await ctx.emails.player_weeks.read([user_id], due.week, zone)
    now = await asyncio.to_thread(week_zone.local_now, recipient, emails, ctx.now())
    ranks = await ctx.momentum.week_ranks.of_users(due.week, [user_id])
    player_week = replace(player_weeks[user_id], rank=ranks.get(user_id))
    week_summary = summary.summarise(player_week, now)
    renderer = await asyncio.to_thread(campaign.load_renderer, ctx.emails)
    # It has the form of an unsubscribe link but no signature, so the server refuses it.
    unsigned_link = (
        f"{(emails.public_url or campaign.PLACEHOLDER_URL).rstrip('/')}/unsubscribe/preview"
    )
    return EmailPreview(
        due=due,
        message=composition.render_message(renderer, due, week_summary, unsigned_link),
        notes=tuple([note async for note in _send_notes(ctx, due, empty=week_summary.is_empty)]),
    )


async def _send_notes(ctx: Context, due: DueEmail, *, empty: bool) -> AsyncIterator[str]:
    """Why a run would not send this email, and its state in the outbox."""
    user_id, address = due.recipient.user_id, due.recipient.email
    if not await ctx.emails.subscriptions.subscribed([user_id], KIND):
        yield (
            "the user does not want this email (email_notifications, email_opt_out, or [emails] "
            "default_opt_in): a run does not send it"
        )
    if not address:
        yield "the user has no address: a run does not send the email"
    elif composition.ADDRESS_PATTERN.fullmatch(address) is None:
        yield "the user's address is not a valid email address: a run does not send the email"
    elif await ctx.emails.suppressions.find_suppressed([address]):
        yield (
            "the user's address is suppressed: a run does not send the email "
            "(see `chesscoach emails suppressed`)"
        )
    if empty and not ctx.config.emails.no_games_note:
        yield (
            "the player has no activity in this week: a run does not send the email; with [emails] "
            "no_games_note, it sends this note"
        )
    if entry := (await ctx.emails.outbox.find_many([due.outbox_id])).get(due.outbox_id):
        reason = f" ({entry.reason})" if entry.reason else ""
        yield f"in the outbox, the email of this week is {entry.state}{reason}"


def _write_files(where: Path, sample: EmailPreview) -> tuple[Path, Path]:
    """Writes the two files over those of an earlier preview; returns their absolute paths.

    Raises:
        ConfigError: the folder or a file cannot be written.
    """
    due = sample.due
    stem = folder.file_name(f"{due.recipient.user_id}_{due.week.key}").removesuffix(".eml")
    html, text = (where.absolute() / f"{stem}.{suffix}" for suffix in ("html", "txt"))
    try:
        where.mkdir(parents=True, exist_ok=True)
        html.write_text(sample.message.html, "utf-8")
        text.write_text(sample.message.text, "utf-8")
    except OSError as error:
        msg = f"--out: {where} cannot be written: {error.strerror}"
        raise ConfigError(msg) from None
    return html, text


def _open_in_browser(html: Path) -> bool:
    try:
        return webbrowser.open(html.as_uri())
    except (webbrowser.Error, OSError):
        return False
