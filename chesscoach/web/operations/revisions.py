"""Revisions: a change names the revision that it is based on, so that no change undoes another."""

from collections.abc import Sequence
from typing import Any

import msgspec

from chesscoach.web.problems import Problem
from chesscoach.worker.store.schedules import ScheduleChange


def require_revision(
    name: str, revision: int, given: int | None, history: Sequence[ScheduleChange] = ()
) -> None:
    """Refuses a change that names no revision (428), or not the current one (412).

    The 412 has the changes since then that are remembered: what, when, by whom and why.
    """
    if given is None:
        raise Problem(
            428,
            f"name the revision that you have seen (If-Match): {name} has the revision {revision}",
            current=revision,
        )
    if given == revision:
        return
    changes = [change for change in history if (change.revision or 0) > given]
    raise Problem(
        412,
        f"{name} has changed since revision {given}, to {revision}: look at it again",
        current=revision,
        changes=tuple(_to_json(change) for change in changes),
    )


def _to_json(change: object) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(change)
    return fields
