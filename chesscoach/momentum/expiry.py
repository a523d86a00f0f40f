"""Ends streaks: pages then show no streak that is over, and a long one is notified.

The order of writes: notifications, our streak, and at last the player's progress, by which a run
finds what has ended. A run that is killed in between does it again.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from msgspec.structs import replace

from chesscoach.momentum import notifications, zones
from chesscoach.momentum.booking import shown_streak
from chesscoach.momentum.check import Check
from chesscoach.momentum.player import Player
from chesscoach.momentum.store.progress import ended_query, unseen_query
from chesscoach.momentum.streaks import Streak, is_over
from chesscoach.players.store.notifications import Notification

_TWO_DAYS = timedelta(days=2)


async def show_streaks(check: Check) -> None:
    """Shows the longer streak again where the application has written its own."""
    for players in check.filters():
        async for page in check.ctx.progress.pages(unseen_query(players), check.ctx.settings.batch):
            await _show_page(check, page)


async def _show_page(check: Check, page: list[Player]) -> None:
    page = check.dry.without_streaks(page)
    streaks = await check.ctx.streaks.of_users([player.user_id for player in page])
    shown = [
        (
            player,
            shown_streak.shown_fields(
                check, player, streaks.get(player.user_id, Streak()), check.now
            ),
        )
        for player in page
    ]
    check.note("streaks_shown", len(shown))
    if not check.run.dry_run:
        await check.ctx.progress.show(shown)
        return
    for player, fields in shown:
        check.dry.show(player, streaks.get(player.user_id, Streak()), fields)


async def end_streaks(check: Check) -> None:
    """Sets to 0 what pages show of streaks without activity since the day before yesterday."""
    ctx = check.ctx
    today_utc = datetime.combine(check.now.astimezone(UTC).date(), time.min, UTC)
    for today, group in zones.by_date(await check.zones(), check.now).items():
        query = ended_query(today, today_utc, next(check.filters(group)))
        async for page in ctx.progress.pages(query, ctx.settings.batch):
            await _end_page(check, check.dry.without_streaks(page), today)
        changed = check.dry.players_with_streaks(group)
        await _end_page(check, [p for p in changed if _is_any_over(check, p, today)], today)


def _is_any_over(check: Check, player: Player, today: date) -> bool:
    """Whether a streak of a player is over, ours or the application's."""
    application, _ = shown_streak.application_streak(check, player)
    today_utc = check.now.astimezone(UTC).date()
    return bool(
        (player.ours and is_over(player.last_local, today))
        or (application.current and application.is_over(today, today_utc))
    )


async def _end_page(check: Check, page: list[Player], today: date) -> None:
    ctx = check.ctx
    streaks = await check.streaks_of([player.user_id for player in page])
    shown, lost, over = list[tuple[Player, dict[str, Any]]](), list[Notification](), list[str]()
    for player in page:
        streak = streaks.get(player.user_id, Streak())
        last = streak.last or player.last_local
        if player.ours and is_over(last, today):
            over.append(player.user_id)
            streak = replace(streak, current=0)
        application, _ = shown_streak.application_streak(check, player)
        fields = shown_streak.shown_fields(check, player, streak, check.now)
        if fields["current_streak"] == 0:
            # The one that ended last is lost: pages showed it when the other one ended.
            ends = ((last, player.ours), (application.last_local, application.current))
            known = [(day, days) for day, days in ends if day is not None and days]
            ended, length = max(known, default=(today - _TWO_DAYS, 0))
            fields["streak_lost"] = length
            fields["streak_lost_on"] = (ended + _TWO_DAYS).isoformat()
            fields["momentum_streak"] |= {"ours": 0, "application": 0}
            if length >= ctx.settings.notify_lost_streak and check.is_news(player, ended):
                lost.append(notifications.streak_lost(player.user_id, ended, length))
        elif application.is_over(today, check.now.astimezone(UTC).date()):
            fields["momentum_streak"]["application"] = 0
        shown.append((player, fields))
    check.note("streaks_ended", sum(fields["current_streak"] == 0 for _, fields in shown))
    await check.notify(lost)
    if not check.run.dry_run:
        await ctx.streaks.end(over)
        await ctx.progress.show(shown)
