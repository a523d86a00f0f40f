"""Whose zone a week is that of: the schedule's for all, or each player's own."""

from zoneinfo import ZoneInfo

from chesscoach.config import EmailSettings
from chesscoach.emails.context import EmailContext
from chesscoach.emails.sending import delivery_time
from chesscoach.emails.weekly.values import Recipient

SCHEDULE_ID = "weekly_emails"
"""The mail's own schedule."""


async def schedule_zone(ctx: EmailContext, schedule: str = SCHEDULE_ID) -> ZoneInfo:
    """The zone of a schedule; of the mail's own where that is none of its."""
    for key in (schedule, SCHEDULE_ID):
        stored = await ctx.schedules.get(key)
        found = stored.schedule if stored is not None else ctx.configured_schedules.get(key)
        if found is not None and not found.args.get("owed"):
            return ZoneInfo(found.timezone)
    return ZoneInfo(ctx.settings.timezone)


def week_zone(recipient: Recipient, emails: EmailSettings, shared_zone: ZoneInfo) -> ZoneInfo:
    """The zone of a player's week: with a time of day in `[emails] deliver_at` it is his own."""
    if not emails.deliver_at:
        return shared_zone
    return delivery_time.zone_of(recipient.timezone, ZoneInfo(emails.timezone))
