"""The indexes that the worker needs."""

from chesscoach.mongo.index import index
from chesscoach.mongo.index_check import UniqueKeys

INDEXES = (
    index("job_runs", "schedule", "-slot"),  # the newest slot of a schedule
    index("job_runs", "outcome", "-started_at"),  # runs that are open
    index("job_runs", "job", "-started_at"),  # runs that an operator looks at, as the next one
    index("job_runs", "schedule", "-started_at"),
    # The last success of a job, how runs ended; claims are not in it.
    index("job_runs", "job", "outcome", "-finished_at", only_if_exists="finished_at"),
    index("job_runs", "-started_at"),  # the newest runs, and those to delete
)
COLLECTIONS = (
    "job_runs",
    "job_leases",
    "schedules",
    "admin_log",
)
UNIQUE_KEYS: UniqueKeys = dict.fromkeys(COLLECTIONS, ())
