"""The indexes that momentum needs."""

from chesscoach.mongo.index import index
from chesscoach.mongo.index_check import UniqueKeys

INDEXES = (
    index("momentum_events", "batch", "user_id"),  # a batch, to be applied
    index("momentum_events", "week_key", "user_id", "points"),  # a week of all or of some players
    index("momentum_events", "month_key", "user_id", "points"),  # the same of a month
    index("momentum_events", "user_id", "ts"),  # all awards of a player
    index("momentum_periods", "kind", "key", "-points", "_id"),  # a leaderboard
    index("user_progress", "user_id", "_id"),  # the oldest progress of each player
    index("user_progress", "tz", "user_id"),  # the time zones in use, and the players of some
    index("user_progress", "-xp", "user_id"),  # the board of all time
    index("user_progress", "last_daily_claim"),  # the evidence of an hour, as are these
    index("games", "imported_at"),
    index("game_analyses", "created_at"),
    # Whether the application has paid for a game. It has a unique index on `game_id` alone.
    index("game_analyses", "game_id", "user_id"),
    index("puzzle_attempts", "created_at", "attempted_at"),
    index("reflection_results", "created_at"),
    index("training_sessions", "local_date", "user_id"),
    index("training_sessions", "user_id", "local_date"),  # the planned sessions of a period
    index("user_achievements", "user_id", "achievement_id"),
)
COLLECTIONS = (
    "momentum_events",
    "momentum_periods",
    "momentum_streaks",
    "momentum_state",
    "momentum_levels",
    "momentum_achievements",
)
UNIQUE_KEYS: UniqueKeys = {
    **dict.fromkeys(COLLECTIONS, ()),
    "user_progress": (("user_id",),),
    "user_achievements": (("user_id", "achievement_id"),),
}
