"""The indexes that training needs."""

from chesscoach.mongo.index import index
from chesscoach.mongo.index_check import UniqueKeys

INDEXES = (
    # The days of a player. The `_id` is the player and the day, so it needs no unique index.
    index("performance_snapshots", "user_id", "local_date"),
)
COLLECTIONS = ("performance_snapshots",)
UNIQUE_KEYS: UniqueKeys = dict.fromkeys(COLLECTIONS, ())
