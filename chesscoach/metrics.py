"""What is counted, in Prometheus terms; one registry per context, so that tests do not share it.

The label is `job_name`, for a scrape adds a `job` of its own. No label holds a user.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram


class Metrics:
    """The counters of one process.

    Durations are seconds. `upstream_requests` counts what went over the wire, by platform and
    status (`error` where no reply came), including a request that the client repeated by itself.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.job_runs = Counter(
            "chesscoach_job_runs",
            "Runs that ended, by outcome.",
            ["job_name", "outcome"],
            registry=self.registry,
        )
        self.job_duration = Histogram(
            "chesscoach_job_duration_seconds",
            "How long runs took.",
            ["job_name"],
            buckets=(1, 5, 15, 60, 300, 900, 1800, 3600, 7200),
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
