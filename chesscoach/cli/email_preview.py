"""`chesscoach emails preview`: a player's weekly mail as files; nothing is stored, nothing sent."""

import asyncio
import webbrowser
from collections.abc import AsyncIterator
from pathlib import Path

import click
from msgspec import Struct

from chesscoach.cli import invocation
from chesscoach.context import Context
from chesscoach.emails.sending import campaign, composition, week_zone
from chesscoach.emails.sending.audience import parse_week_option
from chesscoach.emails.sending.composition import KIND, DueEmail
from chesscoach.emails.transports import folder
from chesscoach.emails.weekly import summary
from chesscoach.emails.weekly.values import Message
from chesscoach.errors import ConfigError
from chesscoach.schedules import week_bounds
from chesscoach.worker.shutdown import ShutdownRequest

_DEFAULT_FOLDER = ".chesscoach/preview"


class EmailPreview(Struct, frozen=True, kw_only=True):
    """A mail as it would be written now; `remarks` say why it would not be sent."""

    due: DueEmail
    message: Message
    notes: tuple[str, ...]


@click.command()
@click.argument("user_id", metavar="USER_ID")
@click.option("--week", metavar="WEEK", help="The ISO week, as 2026-W47; else the last.")
@click.option("--open", "show", is_flag=True, help="Open the HTML in a browser.")
@click.option(
    "--out", metavar="DIR", default=_DEFAULT_FOLDER, show_default=True, help="Where the files go."
)
@invocation.config_option
@invocation.json_option
def preview(
    user_id: str, week: str | None, show: bool, out: str, config: str | None, as_json: bool
) -> None:
    """Write a player's weekly mail into files, as HTML and as text.

    Nothing is stored or sent, and its link to unsubscribe leads nowhere. A user who would get no
    mail is previewed all the same, with the reason.
    """

    async def body(ctx: Context, _: ShutdownRequest) -> None:
        sample = await _build_preview(ctx, user_id, week)
        html, text = await asyncio.to_thread(_write_files, Path(out), sample)
        opened = show and await asyncio.to_thread(_open_in_browser, html)
        told = {
            "user_id": user_id,
            "week": sample.due.week.key,
            "timezone": sample.due.zone.key,
            "subject": sample.message.subject,
            "html": str(html),
            "text": str(text),
        }
        if as_json:
            invocation.print_json({**told, "remarks": list(sample.notes), "opened": opened})
            return
        for name, value in told.items():
            click.echo(f"{name:<8}  {value}")
        for remark in sample.notes:
            click.echo(f"{'note':<8}  {remark}")
        if show and not opened:
            click.echo(f"{'note':<8}  no browser could be opened here: open the HTML yourself")

    invocation.run_with_context(config, body)


async def _build_preview(ctx: Context, user_id: str, week: str | None) -> EmailPreview:
    named = parse_week_option(week, ctx.now(), ctx.config.cleanup.keep_outbox_days)
    recipient = await ctx.emails.recipients.find(user_id)
    if recipient is None:
        msg = f"there is no user with the user_id {user_id[:120]!r}"
        raise ConfigError(msg)
    emails = ctx.config.emails
    zone = week_zone.week_zone(recipient, emails, await week_zone.schedule_zone(ctx.emails))
    due = DueEmail(
        recipient=recipient, week=named or week_bounds.last_closed_week(ctx.now(), zone), zone=zone
    )
    found = await ctx.emails.player_weeks.read([user_id], due.week, zone)
    told = summary.summarise(found[user_id])
    renderer = await asyncio.to_thread(campaign.load_renderer, ctx.emails)
    # It looks like one, but was never signed: whoever follows it is told that it is none.
    nowhere = f"{(emails.public_url or campaign.PLACEHOLDER_URL).rstrip('/')}/unsubscribe/preview"
    return EmailPreview(
        due=due,
        message=composition.render_message(renderer, due, told, nowhere),
        notes=tuple([remark async for remark in _send_notes(ctx, due, empty=told.is_empty)]),
    )


async def _send_notes(ctx: Context, due: DueEmail, *, empty: bool) -> AsyncIterator[str]:
    """What keeps this mail from being sent, and what has become of it."""
    user_id, address = due.recipient.user_id, due.recipient.email
    if not await ctx.emails.subscriptions.subscribed([user_id], KIND):
        yield "the user does not want this mail (email_notifications): none is sent"
    if not address:
        yield "the user has no address: no mail is sent"
    elif composition.ADDRESS_PATTERN.fullmatch(address) is None:
        yield "the user's address is none that mail can be sent to"
    elif await ctx.emails.suppressions.find_suppressed([address]):
        yield "the user's address is suppressed: none is sent (chesscoach emails suppressed)"
    if empty and not ctx.config.emails.no_games_note:
        yield (
            "there is nothing to tell of this week: no mail is sent; this is the note that "
            "[emails] no_games_note would send"
        )
    if row := (await ctx.emails.outbox.find_many([due.outbox_id])).get(due.outbox_id):
        reason = f" ({row.reason})" if row.reason else ""
        yield f"in the outbox the mail of this week is {row.state}{reason}"


def _write_files(where: Path, sample: EmailPreview) -> tuple[Path, Path]:
    """The absolute paths of the two files; a second preview takes their places.

    Raises:
        ConfigError: they cannot be written there.
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
