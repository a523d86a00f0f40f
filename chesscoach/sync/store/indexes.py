"""The indexes that the sync needs."""

from chesscoach.mongo.indexes import index

INDEXES = (
    index("games", "game_id", unique=True),  # one game once per user
    index("games", "user_id", "url"),  # recognising what the application imported
    index("analysis_queue", "queue_id", unique=True),  # one item per game
    index("analysis_queue", "user_id", "created_at"),  # the daily allowance
    index("sync_accounts", "platform", "due_at", "_id"),  # which accounts are due, stalest first
    index("sync_accounts", "links.user_id"),  # a user's accounts
)
COLLECTIONS = ("sync_accounts",)
