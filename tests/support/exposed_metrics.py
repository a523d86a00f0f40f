"""The metrics that a process exposes."""

from prometheus_client import Counter, Histogram

from chesscoach.metrics import Metrics
from chesscoach.schedules.schedule import Schedule
from chesscoach.web.metric_families import (
    GapCache,
    alert_metric,
    outbox_metric,
    process_metrics,
    run_metrics,
)
from chesscoach.worker.store.schedules import StoredSchedule
from chesscoach.worker.store.statistics import RunStatistics
from tests.conftest import NOON
from tests.web.conftest import ManualClock, make_ticker


def exposed_metrics() -> dict[str, set[str]]:
    """Every metric of ours, by name, with its labels."""
    metrics = Metrics()
    stored = StoredSchedule(
        id="a",
        schedule=Schedule(job="a", cron="0 * * * *"),
        origin="user",
        revision=1,
        effective_since=NOON,
    )
    ledger = RunStatistics(
        last_success={"a": NOON},
        running_since={"a": NOON},
        recent={("a", "failed"): 1},
        schedules=(stored,),
    )
    alarm = make_ticker(ManualClock())
    looked_up = [
        *process_metrics(alarm),
        *run_metrics(ledger, GapCache(), NOON),
        outbox_metric({"pending": 1}),
        alert_metric({"missed": 1}),
    ]
    found = {family.name: set(family.samples[0].labels) for family in looked_up}
    for counted in vars(metrics).values():
        if isinstance(counted, Counter | Histogram):
            (family,) = counted.describe()
            name = family.name + ("_total" if isinstance(counted, Counter) else "")
            found[name] = set(counted._labelnames)
    return found
