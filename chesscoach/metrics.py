"""The Prometheus counters of a process; one registry per context, so that tests do not share it.

The label is `job_name`, since a scrape adds its own `job`. No label holds a user.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram

from chesscoach.schedules.outcome import SKIP_OUTCOMES, Outcome


class Metrics:
    """The counters of one process.

    Durations are seconds. `upstream_requests` counts requests that were sent, by platform and
    status (`error` without a response), including those that the client repeated by itself.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.job_runs = Counter(
            "chesscoach_job_runs",
            "Attempts that ended in this process, or that it found dead, by outcome.",
            ["job_name", "outcome"],
            registry=self.registry,
        )
        self.job_skipped = Counter(
            "chesscoach_job_skipped",
            "Slots that this process recorded as not to be worked, by reason.",
            ["job_name", "reason"],
            registry=self.registry,
        )
        self.job_duration = Histogram(
            "chesscoach_job_duration_seconds",
            "How long runs of this process took.",
            ["job_name"],
            buckets=(1, 5, 15, 60, 300, 900, 1800, 3600, 7200),
            registry=self.registry,
        )
        self.slot_lateness = Histogram(
            "chesscoach_slot_lateness_seconds",
            "How long after its slot a first attempt began in this process.",
            ["job_name"],
            buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 900, 3600, 21_600, 86_400),
            registry=self.registry,
        )
        self.upstream_requests = Counter(
            "chesscoach_upstream_requests",
            "Requests sent to the sites.",
            ["platform", "status"],
            registry=self.registry,
        )
        self.unknown_values = Counter(
            "chesscoach_unknown_values",
            "Values in games that the sites' documentation does not describe.",
            ["platform", "field"],
            registry=self.registry,
        )
        self.mongo_retries = Counter(
            "chesscoach_mongo_retries",
            "Commands to MongoDB that failed in a way in which the driver repeats them, once.",
            registry=self.registry,
        )
        self.clock_steps = Counter(
            "chesscoach_clock_steps",
            "Times that the wall clock moved against the monotonic clock.",
            registry=self.registry,
        )
        self.tick_errors = Counter(
            "chesscoach_tick_errors",
            "Ticks of the scheduler that ended in an error.",
            registry=self.registry,
        )
        self.loop_lag = Histogram(
            "chesscoach_loop_lag_seconds",
            "How late a timer of the event loop fired, looked at once a second.",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self.emails = Counter(
            "chesscoach_emails",
            "Mails that this process has tried to send, by kind and what became of them.",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self.email_events = Counter(
            "chesscoach_email_events",
            "Events from SendGrid, each once, by kind; `duplicate` and `unreadable` beside them.",
            ["event"],
            registry=self.registry,
        )
        self.alerts = Counter(
            "chesscoach_alerts",
            "Changes of alerts that this process made, by kind and new state.",
            ["kind", "state"],
            registry=self.registry,
        )
        self.alert_messages = Counter(
            "chesscoach_alert_messages",
            "Messages of alerts and to monitors, by channel and outcome.",
            ["channel", "outcome"],
            registry=self.registry,
        )
        self.http_requests = Counter(
            "chesscoach_http_requests",
            "Requests answered, by listener, route and status.",
            ["listener", "path", "status"],
            registry=self.registry,
        )

    def count_skipped(self, job_name: str, outcome: Outcome, slots: int = 1) -> None:
        """Counts skipped slots, or an attempt that ended without a run."""
        if outcome in SKIP_OUTCOMES:
            self.job_skipped.labels(job_name, outcome).inc(slots)
        else:
            self.job_runs.labels(job_name, outcome).inc()
