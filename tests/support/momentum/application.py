"""Documents of players and of what they did, as each version of the application writes them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any, Literal
from uuid import uuid4

Version = Literal["A", "B", "C"]
VERSIONS: tuple[Version, ...] = ("A", "B", "C")
"""The oldest, the one with a worker of its own, the newest."""

_MIDDLE_MOVES = ("good", "best", "excellent", "inaccuracy", "mistake")


class Application:
    """A version of the application, which writes into a database.

    Methods that write one document return what names it. Fields that are given override those that
    the application writes; the value `...` leaves a field out.
    """

    def __init__(self, db: Any, version: Version = "B") -> None:
        self._db = db
        self.version = version
        self._numbers = count(1)

    def register(self, user_id: str, **fields: Any) -> str:
        """Adds a user as the registration does: there is no time zone."""
        user: dict[str, Any] = {
            "user_id": user_id,
            "email": f"{user_id}@example.org",
            "name": user_id.title(),
            "picture": None,
            "created_at": "2025-11-03T09:12:44.120381+00:00",
            "chess_com_username": None,
            "lichess_username": None,
        }
        if self.version == "C":
            user |= {"role": "user", "email_opt_out": False}
        self._db.users.insert_one(_given(user | fields))
        return user_id

    def start_progress(self, user_id: str, **fields: Any) -> Any:
        """Adds a progress document as the application's first look at it does."""
        made = datetime(2025, 11, 3, 9, 15, tzinfo=UTC)
        progress = {
            "user_id": user_id,
            "xp": 0,
            "level": 1,
            "games_imported": 0,
            "games_analyzed": 0,
            "puzzles_solved": 0,
            "fast_puzzles": 0,
            "no_blunders_games": 0,
            "best_accuracy": 0,
            "current_streak": 0,
            "longest_streak": 0,
            "last_activity_date": None,
            "streak_start_date": None,
            "total_play_time_minutes": 0,
            "last_daily_claim": None,
            "created_at": made,
            "updated_at": made,
        }
        return self._db.user_progress.insert_one(_given(progress | fields)).inserted_id

    def sync_game(self, user_id: str, at: datetime, **fields: Any) -> str:
        """Adds a game that the automatic sync has fetched: nothing is paid for it."""
        game = {
            "game_id": str(uuid4()),
            "user_id": user_id,
            "platform": "lichess",
            "username": user_id,
            "pgn": '[Event "rated blitz game"]\n[Result "1-0"]\n\n1. e4 e5 2. Nf3 Nc6 1-0',
            "url": f"https://lichess.org/{next(self._numbers):08x}",
            "user_color": "white",
            "result": "mate",
            "time_control": "blitz",
            "white_player": user_id,
            "black_player": "opponent",
            "opponent_name": "opponent",
            "imported_at": _text(at),
            "auto_synced": True,
        }
        return self._insert("games", game | fields, "game_id")

    def import_game(self, user_id: str, at: datetime, **fields: Any) -> str:
        """Adds a game that the player imported by hand: the application paid 5 points for it."""
        game = {
            "game_id": f"game_{uuid4().hex[:12]}",
            "user_id": user_id,
            "platform": "chess.com",
            "pgn": '[Link "https://www.chess.com/game/live/1"]\n[Result "0-1"]\n\n1. d4 d5 0-1',
            "user_color": "black",
            "result": "0-1",
            "time_control": "600",
            "date_played": f"{at:%Y.%m.%d}",
            "opening": "D00",
            "imported_at": _text(at),
            "is_analyzed": False,
        }
        return self._insert("games", game | fields, "game_id")

    def analyse_by_worker(
        self,
        user_id: str,
        at: datetime,
        *,
        accuracy: float = 71.5,
        blunders: int = 1,
        moves: int = 6,
        **fields: Any,
    ) -> str:
        """Adds an analysis of the worker (B and C): dates, no `analysis_id`, nothing is paid."""
        assert self.version != "A", "the oldest version has no worker"
        analysis = {
            "game_id": str(uuid4()),
            "user_id": user_id,
            "created_at": at,
            "analyzed_at": at,
            "stockfish_failed": False,
            "stockfish_analysis": _engine_result(accuracy, _moves(moves, blunders, self.version)),
        }
        return self._insert("game_analyses", analysis | fields, "game_id")

    def analyse_on_page(
        self,
        user_id: str,
        at: datetime,
        *,
        accuracy: float = 71.5,
        blunders: int = 1,
        **fields: Any,
    ) -> str:
        """Adds an analysis that the player asked for: it has an `analysis_id` and was paid."""
        analysis = {
            "analysis_id": f"analysis_{uuid4().hex[:12]}",
            "game_id": f"game_{uuid4().hex[:12]}",
            "user_id": user_id,
            "stockfish_failed": False,
            "stockfish_analysis": _engine_result(accuracy, _moves(6, blunders, self.version)),
            "blunders": blunders,
            "weaknesses": [],
            "identified_weaknesses": [],
            "strengths": [],
            "created_at": _text(at),
        }
        return self._insert("game_analyses", analysis | fields, "game_id")

    def analyse_automatically(
        self, user_id: str, at: datetime, *, accuracy: float = 71.5, **fields: Any
    ) -> str:
        """Adds an analysis after an import: no `analysis_id`, no evaluations, and it was paid."""
        analysis = {
            "game_id": f"game_{uuid4().hex[:12]}",
            "user_id": user_id,
            "stockfish_failed": False,
            "stockfish_analysis": {"accuracy": accuracy, "blunders": 1, "best_moves": 9},
            "weaknesses": [],
            "created_at": _text(at),
        }
        return self._insert("game_analyses", analysis | fields, "game_id")

    def attempt_puzzle(
        self,
        user_id: str,
        at: datetime,
        *,
        solved: bool | None = None,
        seconds: float = 45,
        **fields: Any,
    ) -> Any:
        """Adds an attempt at a puzzle as its page does; only the newest version says `correct`."""
        attempt: dict[str, Any] = {
            "user_id": user_id,
            "puzzle_index": next(self._numbers),
            "solution_submitted": "Nf7+",
            "time_taken_seconds": seconds,
            "attempted_at": _text(at),
        }
        if self.version == "C" and solved is not None:
            attempt["correct"] = solved
        return self._db.puzzle_attempts.insert_one(_given(attempt | fields)).inserted_id

    def attempt_puzzle_by_schema(
        self, user_id: str, at: datetime, *, solved: bool, seconds: float = 45, **fields: Any
    ) -> Any:
        """Adds an attempt as the application's schema describes it."""
        attempt = {
            "attempt_id": str(uuid4()),
            "user_id": user_id,
            "puzzle_id": str(uuid4()),
            "success": solved,
            "time_taken_ms": round(seconds * 1000),
            "created_at": _text(at),
        }
        return self._db.puzzle_attempts.insert_one(_given(attempt | fields)).inserted_id

    def reflect(self, user_id: str, at: datetime, *, right: bool = True, **fields: Any) -> Any:
        """Adds a reflection on a move: there is no `reflection_id`."""
        reflection = {
            "user_id": user_id,
            "game_id": str(uuid4()),
            "move_number": next(self._numbers),
            "move_correct": right,
            "reason_correct": right,
            "user_move": "Qh5",
            "best_move": "Nf3",
            "created_at": _text(at),
        }
        return self._db.reflection_results.insert_one(_given(reflection | fields)).inserted_id

    def claim_daily_reward(self, user_id: str, at: datetime) -> None:
        """Pays the reward of a day, as the application does: points and the date of the claim."""
        self._db.user_progress.update_one(
            {"user_id": user_id}, {"$inc": {"xp": 10}, "$set": {"last_daily_claim": at}}
        )

    def touch_streak(self, user_id: str, at: datetime) -> None:
        """Counts a day of the application's own streak, in UTC, and pays for it."""
        progress = self._db.user_progress.find_one({"user_id": user_id}) or {}
        last, streak, paid = progress.get("last_activity_date"), progress.get("current_streak"), 0
        gap = (at.date() - last.date()).days if last else None
        if gap == 1:
            streak = (streak or 0) + 1
            paid = 20 * min(streak, 7) + {7: 100, 30: 500}.get(streak, 0)
        elif gap != 0:
            streak = 1
        longest = max(streak or 0, progress.get("longest_streak") or 0)
        self._db.user_progress.update_one(
            {"user_id": user_id},
            {
                "$inc": {"xp": paid},
                "$set": {
                    "current_streak": streak,
                    "longest_streak": longest,
                    "last_activity_date": at,
                },
            },
        )

    def _insert(self, collection: str, document: dict[str, Any], key: str) -> str:
        document = _given(document)
        self._db[collection].insert_one(document)
        return str(document[key])


def _text(at: datetime) -> str:
    """An instant as the application writes it: always with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _given(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value is not ...}


def _engine_result(accuracy: float, moves: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = [move["evaluation"] for move in moves]
    return {
        "accuracy": accuracy,
        "blunders": kinds.count("blunder"),
        "mistakes": kinds.count("mistake"),
        "inaccuracies": kinds.count("inaccuracy"),
        "best_moves": kinds.count("best"),
        "move_evaluations": moves,
    }


def _moves(number: int, blunders: int, version: Version) -> list[dict[str, Any]]:
    kinds = ["blunder"] * blunders
    kinds += [_MIDDLE_MOVES[place % len(_MIDDLE_MOVES)] for place in range(number - blunders)]
    more = {"is_opponent_move": False, "cognitive_gap": None} if version == "C" else {}
    return [
        {
            "move_number": place,
            "move": "Nf3",
            "evaluation": kind,
            "cp_loss": 320 if kind == "blunder" else 12,
            "best_move": "Nc3",
            **more,
        }
        for place, kind in enumerate(kinds, 1)
    ]
