"""`chesscoach email preview`: a player's weekly mail as files; nothing is stored, nothing sent."""

import asyncio
import webbrowser
from collections.abc import AsyncIterator
from pathlib import Path

import click
from msgspec import Struct

from chesscoach.cli import invocation
from chesscoach.context import Context
from chesscoach.emails.sending import campaign, composition, week_zone
from chesscoach.emails.sending.audience import week_named
from chesscoach.emails.sending.composition import KIND, Due
from chesscoach.emails.transports import folder
from chesscoach.emails.weekly import summary
from chesscoach.emails.weekly.values import Message
from chesscoach.errors import ConfigError
from chesscoach.schedules import week_bounds
from chesscoach.worker.job import Stop

_FOLDER = ".chesscoach/preview"


class Sample(Struct, frozen=True, kw_only=True):
    """A mail as it would be written now; `remarks` say why it would not be sent."""

    due: Due
    message: Message
    remarks: tuple[str, ...]


@click.command()
@click.argument("user_id", metavar="USER_ID")
@click.option("--week", metavar="WEEK", help="The ISO week, as 2026-W47; else the last.")
@click.option("--open", "show", is_flag=True, help="Open the HTML in a browser.")
@click.option(
    "--out", metavar="DIR", default=_FOLDER, show_default=True, help="Where the files go."
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

    async def body(ctx: Context, _: Stop) -> None:
        sample = await _sample(ctx, user_id, week)
        html, text = await asyncio.to_thread(_written, Path(out), sample)
        opened = show and await asyncio.to_thread(_opened, html)
        told = {
            "user_id": user_id,
            "week": sample.due.week.key,
            "timezone": sample.due.zone.key,
            "subject": sample.message.subject,
            "html": str(html),
            "text": str(text),
        }
        if as_json:
            invocation.show_json({**told, "remarks": list(sample.remarks), "opened": opened})
            return
        for name, value in told.items():
            click.echo(f"{name:<8}  {value}")
        for remark in sample.remarks:
            click.echo(f"{'note':<8}  {remark}")
        if show and not opened:
            click.echo(f"{'note':<8}  no browser could be opened here: open the HTML yourself")

    invocation.run(config, body)


async def _sample(ctx: Context, user_id: str, week: str | None) -> Sample:
    named = week_named(week, ctx.now(), ctx.config.cleanup.keep_outbox_days)
    recipient = await ctx.store.recipients.known(user_id)
    if recipient is None:
        msg = f"there is no user with the user_id {user_id[:120]!r}"
        raise ConfigError(msg)
    emails = ctx.config.emails
    zone = week_zone.of(recipient, emails, await week_zone.shared(ctx))
    due = Due(recipient=recipient, week=named or week_bounds.closed(ctx.now(), zone), zone=zone)
    found = await ctx.store.weeks.read([user_id], due.week, zone)
    told = summary.summarise(found[user_id])
    renderer = await asyncio.to_thread(campaign.renderer, ctx)
    # It looks like one, but was never signed: whoever follows it is told that it is none.
    nowhere = f"{(emails.public_url or campaign.NOWHERE).rstrip('/')}/unsubscribe/preview"
    return Sample(
        due=due,
        message=composition.message(renderer, due, told, nowhere),
        remarks=tuple([remark async for remark in _remarks(ctx, due, empty=told.empty)]),
    )


async def _remarks(ctx: Context, due: Due, *, empty: bool) -> AsyncIterator[str]:
    """What keeps this mail from being sent, and what has become of it."""
    user_id, address = due.recipient.user_id, due.recipient.email
    if not await ctx.store.subscriptions.wanted([user_id], KIND):
        yield "the user does not want this mail (email_notifications): none is sent"
    if not address:
        yield "the user has no address: no mail is sent"
    elif composition.ADDRESS.fullmatch(address) is None:
        yield "the user's address is none that mail can be sent to"
    elif await ctx.store.suppressions.among([address]):
        yield "the user's address is suppressed: none is sent (chesscoach email suppressed)"
    if empty and not ctx.config.emails.no_games_note:
        yield (
            "there is nothing to tell of this week: no mail is sent; this is the note that "
            "[emails] no_games_note would send"
        )
    if row := (await ctx.store.outbox.standing([due.id])).get(due.id):
        reason = f" ({row.reason})" if row.reason else ""
        yield f"in the outbox the mail of this week is {row.state}{reason}"


def _written(where: Path, sample: Sample) -> tuple[Path, Path]:
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


def _opened(html: Path) -> bool:
    try:
        return webbrowser.open(html.as_uri())
    except (webbrowser.Error, OSError):
        return False
