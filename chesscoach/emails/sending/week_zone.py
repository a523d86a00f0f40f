"""The time zone of a player, and that of their week: the schedule's, or the player's own."""

from datetime import datetime
from zoneinfo import ZoneInfo

from chesscoach.config import EmailSettings
from chesscoach.emails.context import EmailContext
from chesscoach.emails.recipient import Recipient
from chesscoach.emails.sending import delivery_time

SCHEDULE_ID = "weekly_emails"
"""The schedule of the weekly emails."""


async def schedule_zone(ctx: EmailContext, schedule: str = SCHEDULE_ID) -> ZoneInfo:
    """The zone of a schedule; that of `weekly_emails` if it only sends what is owed."""
    for key in (schedule, SCHEDULE_ID):
        stored = await ctx.schedules.get(key)
        current = stored.schedule if stored is not None else ctx.configured_schedules.get(key)
        if current is not None and not current.args.get("owed"):
            return ZoneInfo(current.timezone)
    return ZoneInfo(ctx.settings.timezone)


def week_zone(recipient: Recipient, emails: EmailSettings, shared_zone: ZoneInfo) -> ZoneInfo:
    """The zone of a player's week: their own if `[emails] deliver_at` has a time of day."""
    return own_zone(recipient, emails) if emails.deliver_at else shared_zone


def own_zone(recipient: Recipient, emails: EmailSettings) -> ZoneInfo:
    """The zone of a player; the default one if theirs is missing or invalid."""
    return delivery_time.zone_of(recipient.timezone, ZoneInfo(emails.timezone))


def local_now(recipient: Recipient, emails: EmailSettings, now: datetime) -> datetime:
    """The time in a player's own zone; blocks while a zone is read."""
    return now.astimezone(own_zone(recipient, emails))
