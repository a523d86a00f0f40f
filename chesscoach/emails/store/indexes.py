"""The indexes that the emails need."""

from chesscoach.mongo.index import index, ttl_index
from chesscoach.mongo.index_check import UniqueKeys

INDEXES = (
    # The games of a week: by their end, or by their import where the PGN has the end.
    index("games", "user_id", "ended_at", "imported_at"),
    index("game_analyses", "user_id", "created_at"),  # the analyses of a week
    index("reflection_results", "user_id", "created_at"),  # the answers of a week
    # The profiles, streaks and levels of a batch of players. The `_id` makes them no index of the
    # application, which may have one on the user_id with any options.
    index("player_profiles", "user_id", "_id"),
    index("user_progress", "user_id", "_id"),
    index("email_outbox", "week", "state", "_id"),  # the unsent emails of a week
    index("email_outbox", "user_id", "-week"),  # a user's emails
    index("email_outbox", "-week", "_id"),  # emails that an operator looks at, as the next one
    index("email_outbox", "state", "-week", "_id"),
    index("email_suppressions", "-at", "_id"),  # the newest suppressions
    ttl_index("email_events", "at", days=30),  # SendGrid repeats an event for a day or so
)
COLLECTIONS = (
    "email_outbox",
    "email_suppressions",
    "email_events",
)
UNIQUE_KEYS: UniqueKeys = dict.fromkeys(COLLECTIONS, ())
