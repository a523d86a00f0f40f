"""The indexes of the application's users."""

from chesscoach.mongo.index import unique_index
from chesscoach.mongo.index_check import UniqueKeys

INDEXES = (
    unique_index("users", "user_id"),  # reading all users page by page
)
UNIQUE_KEYS: UniqueKeys = {
    "users": (("user_id",), ("email",)),
    "notifications": (("notification_id",),),
}
