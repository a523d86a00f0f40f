"""The indexes that the sync needs."""

from chesscoach.mongo.index import index, unique_index
from chesscoach.mongo.index_check import UniqueKeys

INDEXES = (
    unique_index("games", "game_id"),  # one game once per user
    index("games", "user_id", "url"),  # recognising what the application imported
    index("analysis_queue", "user_id", "created_at"),  # the daily allowance
    index("sync_accounts", "platform", "due_at", "_id"),  # which accounts are due, stalest first
    index("sync_accounts", "links.user_id"),  # a user's accounts
    index("sync_accounts", "platform", "standing", "failures"),  # how many are in which status
)
COLLECTIONS = ("sync_accounts",)
UNIQUE_KEYS: UniqueKeys = {
    "games": (("game_id",), ("user_id", "url")),
    "analysis_queue": (("queue_id",),),
    "sync_accounts": (),
}
