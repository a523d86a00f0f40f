"""Random players in zones of all the world, and their writing into a database step by step."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

from tests.support.momentum.application import Application
from tests.support.momentum.oracle import Evidence, Kind, PlayerHistory, Session
from tests.support.training.session_documents import insert_session

ZONES = sorted(zone for zone in available_timezones() if "/" in zone or zone == "UTC")
_KINDS: tuple[Kind, ...] = ("game", "analysis", "analysis", "puzzle", "puzzle", "reflection")
_STATUSES = ("completed", "completed", "completed", "missed", "cancelled")


def random_players(
    chance: random.Random, count: int, begun: datetime, ended: datetime
) -> list[PlayerHistory]:
    """Players of all kinds: diligent ones, who are active each day, and others."""
    zones = chance.sample(ZONES, min(count, len(ZONES)))
    return [
        _player(chance, f"u{number:04}", zones[number % len(zones)], begun, ended)
        for number in range(count)
    ]


def _player(
    chance: random.Random, user_id: str, zone: str, begun: datetime, ended: datetime
) -> PlayerHistory:
    has_progress = int(user_id[1:]) % 3 > 0
    player = PlayerHistory(
        user_id=user_id, timezone=zone, evidence=[], sessions=[], has_progress=has_progress
    )
    share = chance.choice((0.1, 0.5, 0.9, 1.0))
    first, last = player.local_day(begun) + timedelta(days=1), player.local_day(ended)
    strict = chance.random() < 0.4  # completes every session
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        midnight = datetime(day.year, day.month, day.day, tzinfo=player.zone)
        for _ in range(chance.choice((1, 1, 2, 4)) if chance.random() < share else 0):
            seconds = chance.choice((1, 3600, 86_398, chance.randrange(1, 86_399)))
            at = midnight.astimezone(UTC) + timedelta(seconds=seconds)
            if player.local_day(at) == day:
                player.evidence.append(_evidence(chance, at))
        if chance.random() < share / 2:
            status = "completed" if strict else chance.choice(_STATUSES)
            player.sessions.append(Session(day=day, status=status))
    return player


def _evidence(chance: random.Random, at: datetime) -> Evidence:
    return Evidence(
        kind=chance.choice(_KINDS),
        at=at.replace(microsecond=0),
        accuracy=chance.choice((55.5, 71.0, 80.0, 89.9, 90.0, 96.2)),
        blunders=chance.choice((0, 1, 2)),
        solved=chance.choice((True, True, False, None)),
        seconds=chance.choice((5, 30, 30.5, 200)),
    )


class PlayersInDatabase:
    """Writes of players what has happened by an instant; a second time writes only what is new."""

    def __init__(self, db: Any, players: Sequence[PlayerHistory]) -> None:
        self._db = db
        self._players = players
        self._application = Application(db, "C")
        self._until = datetime.min.replace(tzinfo=UTC)

    def register(self) -> None:
        """Adds the users, some of them without a progress document, and all sessions ahead."""
        for player in self._players:
            self._application.register(player.user_id, timezone=player.timezone)
            if player.has_progress:
                self._application.start_progress(player.user_id)
            for session in player.sessions:
                name = f"{player.user_id}|{session.day}"
                insert_session(self._db, player.user_id, f"{session.day}", "scheduled", _id=name)

    def write_until(self, now: datetime) -> None:
        """Adds what has happened since the last time, up to an instant."""
        for player in self._players:
            for number, item in enumerate(player.evidence):
                if self._until < item.at <= now:
                    self._write(player.user_id, item, f"{player.user_id}-{number}")
            for session in player.sessions:
                if self._until < session.settled_at(player.zone) <= now:
                    self._db.training_sessions.update_one(
                        {"_id": f"{player.user_id}|{session.day}"},
                        {"$set": {"status": session.status}},
                    )
        self._until = now

    def _write(self, user_id: str, item: Evidence, name: str) -> None:
        """Adds a piece of evidence; the same name makes two databases comparable."""
        write = self._application
        match item.kind:
            case "game":
                write.sync_game(user_id, item.at, game_id=name, _id=name)
            case "analysis":
                write.analyse_by_worker(
                    user_id,
                    item.at,
                    accuracy=item.accuracy,
                    blunders=item.blunders,
                    game_id=name,
                    _id=name,
                )
            case "puzzle":
                write.attempt_puzzle(
                    user_id, item.at, solved=item.solved, seconds=item.seconds, _id=name
                )
            case "reflection":
                write.reflect(user_id, item.at, _id=name)
