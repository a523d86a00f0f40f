"""What other slices add to the weekly email: slices know nothing of one another."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

from chesscoach.context import Context
from chesscoach.emails.weekly.values import WeekExtras
from chesscoach.schedules.iso_week import Week
from chesscoach.training.store.recommendations import StoredRecommendation

_SUNDAY = timedelta(days=6)


def extras_reader(
    ctx: Context,
) -> Callable[[Week, Sequence[str]], Awaitable[Mapping[str, WeekExtras]]]:
    """Reads ranks, the pace of training and the most important recommendation."""

    async def read(week: Week, user_ids: Sequence[str]) -> Mapping[str, WeekExtras]:
        ranks = await ctx.momentum.week_ranks.of_users(week, user_ids)
        last, before = week.monday + _SUNDAY, week.before.monday + _SUNDAY
        paces = await ctx.training.snapshots.paces(user_ids, (last, before))
        advice = await ctx.training.recommendations.top(user_ids)
        return {
            user_id: WeekExtras(
                rank=ranks.get(user_id),
                pace=paces.get((user_id, last)),
                pace_before=paces.get((user_id, before)),
                **_advice_fields(advice.get(user_id)),
            )
            for user_id in user_ids
        }

    return read


def _advice_fields(advice: StoredRecommendation | None) -> dict[str, str]:
    """The type of a recommendation, and what it is about."""
    if advice is None:
        return {}
    evidence = advice.metadata if isinstance(advice.metadata, dict) else {}
    subjects = (evidence.get(name) for name in ("weakness", "opening", "time_control"))
    return {
        "advice": advice.recommendation_type,
        "advice_subject": next((text for text in subjects if isinstance(text, str)), ""),
    }
