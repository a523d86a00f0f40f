"""What actions and pages need of the process, and the log of actions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct

from chesscoach import log
from chesscoach.context import Context
from chesscoach.errors import ChesscoachError
from chesscoach.web.auth import Operator
from chesscoach.web.problems import Problem
from chesscoach.worker.runner.manual_runs import ManualRuns
from chesscoach.worker.store.admin_log import AdminLog


class Admin(Struct, frozen=True, kw_only=True):
    """What the handlers of the admin listener share; links begin with `base_path`."""

    ctx: Context
    manual_runs: ManualRuns
    base_path: str = ""

    @property
    def admin_log(self) -> AdminLog:
        """The log of actions."""
        return AdminLog(self.ctx.mongo.database)

    def scrub(self, text: str) -> str:
        """A text without the secrets of this process and without addresses."""
        return log.Redactor(self.ctx.process.secrets()).scrub(text)


@asynccontextmanager
async def logged_action(
    admin: Admin,
    operator: Operator,
    action: str,
    *,
    user_id: str | None = None,
    **details: Any,
) -> AsyncIterator[dict[str, Any]]:
    """Wraps an action: its document is written before it and completed after it.

    Args:
        admin: what the web room needs.
        operator: who acts.
        action: two words, such as "schedules pause", as on the command line.
        user_id: the user whom the action is about.
        details: what the action is about, as JSON values.

    Yields:
        What came of it, which the action may fill in, such as the id of a run.
    """
    log_id, came = uuid4().hex, dict[str, Any]()
    actor = msgspec.to_builtins(operator)
    flags = msgspec.to_builtins(details, enc_hook=str)
    await admin.admin_log.begin(log_id, action, flags, user_id, admin.ctx.now(), actor=actor)
    outcome = "failed"
    try:
        yield came
        outcome = "succeeded"
    except (Problem, ChesscoachError):
        outcome = "refused"
        raise
    finally:
        await admin.admin_log.end(log_id, outcome, came, {}, admin.ctx.now())
        log.get_logger().info(
            "admin_action",
            action=action,
            outcome=outcome,
            role=operator.role,
            run=came.get("run_id"),
        )


def display_name(operator: Operator) -> str:
    """An operator as the history of a schedule names them."""
    return operator.name or f"{operator.role} ({operator.via})"
