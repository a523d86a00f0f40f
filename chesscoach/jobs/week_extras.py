"""What other slices add to the weekly email: slices know nothing of one another."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

from chesscoach.context import Context
from chesscoach.emails.weekly.values import PlannedSession, WeekExtras
from chesscoach.schedules.iso_week import Week
from chesscoach.training.sessions.administration import load_zones
from chesscoach.training.store.recommendations import StoredRecommendation

_SUNDAY = timedelta(days=6)


def extras_reader(
    ctx: Context,
) -> Callable[[Week, Sequence[str]], Awaitable[Mapping[str, WeekExtras]]]:
    """Reads ranks, the pace of training, the best recommendation and the next sessions."""

    async def read(week: Week, user_ids: Sequence[str]) -> Mapping[str, WeekExtras]:
        ranks = await ctx.momentum.week_ranks.of_users(week, user_ids)
        last, before = week.monday + _SUNDAY, week.before.monday + _SUNDAY
        paces = await ctx.training.snapshots.paces(user_ids, (last, before))
        advice = await ctx.training.recommendations.top(user_ids)
        sessions = await _planned_sessions(ctx, week.after, user_ids)
        return {
            user_id: WeekExtras(
                sessions=sessions.get(user_id, ()),
                rank=ranks.get(user_id),
                pace=paces.get((user_id, last)),
                pace_before=paces.get((user_id, before)),
                **_advice_fields(advice.get(user_id)),
            )
            for user_id in user_ids
        }

    return read


async def _planned_sessions(
    ctx: Context, week: Week, user_ids: Sequence[str]
) -> dict[str, tuple[PlannedSession, ...]]:
    """The training sessions of a week that are still scheduled, by user."""
    found = await ctx.training.sessions.coming(user_ids, week.monday, week.monday + _SUNDAY)
    planned: dict[str, tuple[PlannedSession, ...]] = {}
    if not found:
        return planned
    zones = await load_zones(ctx.training)
    for session in found:
        local = session.starts_at.astimezone(zones.known(session.timezone) or zones.default)
        shown = PlannedSession(starts=local, title=session.title)
        planned[session.user_id] = (*planned.get(session.user_id, ()), shown)
    return planned


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
