"""An email that a player is due, and what happens if it cannot be composed."""

from zoneinfo import ZoneInfo

from msgspec import Struct

from chesscoach import log
from chesscoach.emails.recipient import EmailKind, Recipient
from chesscoach.emails.store import outbox_values
from chesscoach.errors import ChesscoachError
from chesscoach.schedules.iso_week import Week
from chesscoach.worker.job import Run

KIND: EmailKind = "weekly_summary"


class DueEmail(Struct, frozen=True, kw_only=True):
    """A recipient and the week of their email, in the time zone of that week."""

    recipient: Recipient
    week: Week
    zone: ZoneInfo

    @property
    def outbox_id(self) -> str:
        """The id of the email in the outbox."""
        return outbox_values.outbox_id(KIND, self.recipient.user_id, self.week)


def count_failure(run: Run, due: DueEmail, error: Exception) -> None:
    """Count and log an email that could not be composed; it stays as it is, and others go on."""
    ours = isinstance(error, ChesscoachError)
    reason = str(error) if ours else type(error).__name__
    run.counts.failed += 1
    run.counts.add_error(user_id=due.recipient.user_id, error=reason)
    log.get_logger().warning(
        "email_render_failed",
        outbox_id=due.outbox_id,
        reason=reason,
        exc_info=None if ours else error,
    )
