"""Commands that failed in a way in which the driver sends them once more."""

from pymongo import monitoring

from chesscoach.metrics import Metrics

_NETWORK_ERRORS = frozenset(
    {"AutoReconnect", "NetworkTimeout", "NotPrimaryError", "ConnectionFailure"}
)
_RETRYABLE_CODES = frozenset({6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436})
"""The server's codes after which a read may be repeated: the drivers' specification of retryable
reads. A write says so itself, by a label."""


class RetryCounter(monitoring.CommandListener):
    """Counts them; the driver calls it in its threads."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Nothing to do."""

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to do."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Counts a failure, unless it is a verdict on what was asked."""
        said = event.failure
        labels = said.get("errorLabels", ())
        if (
            said.get("errtype") in _NETWORK_ERRORS
            or said.get("code") in _RETRYABLE_CODES
            or "RetryableWriteError" in labels
        ):
            self._metrics.mongo_retries.inc()
