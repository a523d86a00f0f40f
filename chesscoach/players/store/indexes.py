"""The indexes of the application's users."""

from chesscoach.mongo.index_check import UniqueKeys
from chesscoach.mongo.indexes import unique_index

INDEXES = (
    unique_index("users", "user_id"),  # reading all users page by page
)
UNIQUE_KEYS: UniqueKeys = {
    "users": (("user_id",), ("email",)),
    "notifications": (("notification_id",),),
}
