"""The indexes that training needs."""

from chesscoach.mongo.index import index
from chesscoach.mongo.index_check import UniqueKeys

INDEXES = (
    index("puzzle_attempts", "user_id", "created_at"),  # the last puzzles of a player
    index("game_analyses", "user_id", "created_at"),  # the analyses of a month
    index("game_analyses", "created_at"),  # the low accuracies of the last days
    index("game_analyses", "game_id", "user_id"),  # whether a game has an analysis
    index("games", "user_id", "ended_at", "imported_at"),  # the games of some days
    index("training_sessions", "user_id", "local_date"),  # the completed ones of some days
    index("user_progress", "user_id", "_id"),  # the oldest progress of each player
    index("training_routines", "user_id"),  # the routines of a player
    index("training_sessions", "routine_id", "local_date"),  # the sessions of a routine
    # Those that may still change, in the order of their days.
    index("training_sessions", "settled", "status", "local_date", "_id"),
    # The days of a player. The `_id` is the player and the day, so it needs no unique index.
    index("performance_snapshots", "user_id", "local_date"),
    index("adaptive_recommendations", "user_id", "refresh_key"),  # a week of some players
    index("adaptive_recommendations", "user_id", "is_active", "refresh_key"),  # the active ones
    index("mistake_cards", "user_id", "next_review"),  # the cards that are due
    index("player_profiles", "user_id", "_id"),  # the weaknesses of some players
)
COLLECTIONS = (
    "performance_snapshots",
    "adaptive_recommendations",
    "training_routines",
    "training_sessions",
)
UNIQUE_KEYS: UniqueKeys = dict.fromkeys(COLLECTIONS, ())
