"""The indexes that the application's own script creates, with the driver's default names.

`ON_MISSING_FIELDS` has those on fields that no part of the application sets: with them its second
document of a kind is refused. An installation that is in use has not run that part.
"""

from typing import Any

UNIQUE = {
    "users": ["user_id", "email"],
    "user_sessions": ["session_token"],
    "games": ["game_id"],
    "game_analyses": ["analysis_id", "game_id"],
    "player_profiles": ["profile_id", "user_id"],
    "puzzle_attempts": ["attempt_id"],
    "analysis_queue": ["queue_id"],
    "notifications": ["notification_id"],
    "reflection_results": ["reflection_id"],
}
ON_MISSING_FIELDS = {"analysis_id", "attempt_id", "queue_id", "notification_id", "reflection_id"}
PLAIN: list[tuple[str, list[str]]] = [
    ("user_sessions", ["user_id"]),
    ("games", ["user_id"]),
    ("games", ["user_id", "platform"]),
    ("games", ["user_id", "is_analyzed"]),
    ("game_analyses", ["user_id"]),
    ("puzzle_attempts", ["user_id"]),
    ("puzzle_attempts", ["puzzle_id"]),
    ("puzzle_attempts", ["user_id", "puzzle_id"]),
    ("analysis_queue", ["user_id"]),
    ("analysis_queue", ["status"]),
    ("analysis_queue", ["user_id", "status"]),
    ("notifications", ["user_id"]),
    ("notifications", ["user_id", "read"]),
    ("notifications", ["created_at"]),
    ("reflection_results", ["user_id"]),
    ("reflection_results", ["game_id"]),
]


def create_application_indexes(db: Any, *, only_usable: bool = False) -> None:
    """Creates them as the script does, or without those on fields that nothing sets."""
    for collection, fields in UNIQUE.items():
        for field in fields:
            if not (only_usable and field in ON_MISSING_FIELDS):
                db[collection].create_index(field, unique=True)
    db.user_sessions.create_index("expires_at", expireAfterSeconds=0)
    for collection, names in PLAIN:
        db[collection].create_index([(name, 1) for name in names])
