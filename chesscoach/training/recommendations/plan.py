"""Which recommendations of a player become active, and which are retired.

A player has one recommendation of a type and week. It is active, dismissed by the player until the
week ends, or retired.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from chesscoach.training.recommendations.rules import MAX_ACTIVE, Recommendation


class WeeklyRecommendation(Struct, frozen=True, kw_only=True):
    """A stored recommendation of a player's week, with its status."""

    content: Recommendation
    is_active: bool
    is_dismissed: bool


class Plan(Struct, frozen=True, kw_only=True):
    """The recommendations to write as active, and the types to retire."""

    active: tuple[Recommendation, ...]
    retired: tuple[str, ...]


def plan_week(candidates: Iterable[Recommendation], stored: Sequence[WeeklyRecommendation]) -> Plan:
    """What becomes of a player's week: the most important ones that were not dismissed."""
    dismissed = {item.content.type for item in stored if item.is_dismissed}
    ordered = sorted(candidates, key=lambda item: -item.priority)
    active = [item for item in ordered if item.type not in dismissed][:MAX_ACTIVE]
    kept = {item.type for item in active}
    retired = [item.content.type for item in stored if item.is_active]
    return Plan(active=tuple(active), retired=tuple(kind for kind in retired if kind not in kept))


def plan_addition(added: Recommendation, stored: Sequence[WeeklyRecommendation]) -> Plan:
    """What becomes of the week with one more recommendation, or one in place of an older one."""
    others = [item.content for item in stored if item.is_active and item.content.type != added.type]
    return plan_week([added, *others], stored)
