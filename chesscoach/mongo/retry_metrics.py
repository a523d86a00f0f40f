"""Counts failed commands that are repeated, by the driver or by us."""

from pymongo import monitoring

from chesscoach.metrics import Metrics
from chesscoach.mongo.conflicts import CONFLICT_CODES

_NETWORK_ERRORS = frozenset(
    {"AutoReconnect", "NetworkTimeout", "NotPrimaryError", "ConnectionFailure"}
)
_RETRYABLE_CODES = CONFLICT_CODES | frozenset(
    {6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436}
)
"""Error codes after which a read is repeated, from the drivers' specification of retryable reads. A
write that is repeated after a lost connection has a label."""


class RetryCounter(monitoring.CommandListener):
    """Counts such failures; the driver calls it in its threads."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Does nothing."""

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Does nothing."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Counts a failure, unless the command itself is at fault."""
        failure = event.failure
        labels = failure.get("errorLabels", ())
        if (
            failure.get("errtype") in _NETWORK_ERRORS
            or failure.get("code") in _RETRYABLE_CODES
            or "RetryableWriteError" in labels
        ):
            self._metrics.mongo_retries.inc()
