"""The indexes that the cleanup needs."""

from chesscoach.mongo.index import index, ttl_index

INDEXES = (
    index("analysis_queue", "status", "created_at"),  # items that have waited for too long
    index("notifications", "read", "created_at"),  # notifications that were read long ago
    index("email_outbox", "state", "finished_at"),  # emails that are finished
    index("performance_snapshots", "local_date"),  # days that are long past
    ttl_index("user_sessions", "expires_at", days=0),  # as the application's schema has it
)
