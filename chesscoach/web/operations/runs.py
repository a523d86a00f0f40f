"""Actions on runs."""

from chesscoach.errors import NotFound
from chesscoach.web.auth import Operator
from chesscoach.web.operations.admin import Admin, display_name, logged_action
from chesscoach.web.problems import Problem


async def cancel(admin: Admin, operator: Operator, run_id: str) -> None:
    """Asks the process that has a run to end it; the slot does not run again.

    It ends when its process next reports progress: within a third of `[runner] lease_s`.

    Raises:
        NotFound: there is no such run.
        Problem: the run has ended (409).
    """
    worker = admin.ctx.worker
    record = await worker.runs.find(run_id)
    if record is None:
        msg = f"run {run_id[:120]!r} does not exist"
        raise NotFound(msg)
    async with logged_action(admin, operator, "runs cancel", run=run_id):
        if not await worker.runs.cancellations.request(
            run_id, display_name(operator), worker.now()
        ):
            ended = await worker.runs.find(run_id) or record
            raise Problem(409, f"{run_id} is not running: it has {ended.outcome}")
