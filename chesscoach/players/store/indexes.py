"""The indexes of the application's users."""

from chesscoach.mongo.indexes import index

INDEXES = (
    index("users", "user_id", unique=True),  # reading all users page by page
)
