"""A player's weekly email as a run would compose it now: neither stored nor sent."""

import asyncio
from collections.abc import AsyncIterator

from msgspec import Struct
from msgspec.structs import replace

from chesscoach.emails.context import EmailContext
from chesscoach.emails.sending import campaign, composition, week_zone
from chesscoach.emails.sending.audience import parse_week_option
from chesscoach.emails.sending.due_email import KIND, DueEmail
from chesscoach.emails.sending.summaries import ExtrasReader
from chesscoach.emails.transports.transport import Message
from chesscoach.emails.weekly import summary
from chesscoach.emails.weekly.values import WeekExtras
from chesscoach.errors import NotFound
from chesscoach.schedules import week_bounds


class EmailPreview(Struct, frozen=True, kw_only=True):
    """An email as a run would compose it now; `notes` say why a run would not send it."""

    due: DueEmail
    message: Message
    notes: tuple[str, ...]


async def build_preview(
    ctx: EmailContext, user_id: str, week: str | None, *, extras: ExtrasReader
) -> EmailPreview:
    """Composes a player's email of a week, such as `2026-W47` (None: the last one).

    Its unsubscribe link does not work. `extras` reads what other slices add to the week.

    Raises:
        NotFound: the user does not exist.
        ConfigError: the week is not one, is not over, or is too long ago.
    """
    named = parse_week_option(week, ctx.now(), ctx.keep_outbox_days)
    recipient = await ctx.recipients.find(user_id)
    if recipient is None:
        msg = f"user {user_id[:120]!r} does not exist: see `chesscoach accounts list`"
        raise NotFound(msg)
    settings = ctx.settings
    zone = week_zone.week_zone(recipient, settings, await week_zone.schedule_zone(ctx))
    due = DueEmail(
        recipient=recipient, week=named or week_bounds.last_closed_week(ctx.now(), zone), zone=zone
    )
    player_weeks = await ctx.player_weeks.read([user_id], due.week, zone)
    now = await asyncio.to_thread(week_zone.local_now, recipient, settings, ctx.now())
    own = (await extras(due.week, [user_id])).get(user_id, WeekExtras())
    week_summary = summary.summarise(replace(player_weeks[user_id], extras=own), now)
    renderer = await asyncio.to_thread(campaign.load_renderer, ctx)
    # It has the form of an unsubscribe link but no signature, so the server refuses it.
    unsigned_link = (
        f"{(settings.public_url or campaign.PLACEHOLDER_URL).rstrip('/')}/unsubscribe/preview"
    )
    return EmailPreview(
        due=due,
        message=composition.render_message(renderer, due, week_summary, unsigned_link),
        notes=tuple([note async for note in _send_notes(ctx, due, empty=week_summary.is_empty)]),
    )


async def _send_notes(ctx: EmailContext, due: DueEmail, *, empty: bool) -> AsyncIterator[str]:
    """Why a run would not send this email, and its state in the outbox."""
    user_id, address = due.recipient.user_id, due.recipient.email
    if not await ctx.subscriptions.subscribed([user_id], KIND):
        yield (
            "the user does not want this email (email_notifications, email_opt_out, or [emails] "
            "default_opt_in): a run does not send it"
        )
    if not address:
        yield "the user has no address: a run does not send the email"
    elif composition.ADDRESS_PATTERN.fullmatch(address) is None:
        yield "the user's address is not a valid email address: a run does not send the email"
    elif await ctx.suppressions.find_suppressed([address]):
        yield (
            "the user's address is suppressed: a run does not send the email "
            "(see `chesscoach emails suppressed`)"
        )
    if empty and not ctx.settings.no_games_note:
        yield (
            "the player has no activity in this week: a run does not send the email; with [emails] "
            "no_games_note, it sends this note"
        )
    if entry := (await ctx.outbox.find_many([due.outbox_id])).get(due.outbox_id):
        reason = f" ({entry.reason})" if entry.reason else ""
        yield f"in the outbox, the email of this week is {entry.state}{reason}"
