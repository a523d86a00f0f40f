"""Weeks to write home about, and a renderer for them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from chesscoach.config import EmailSettings
from chesscoach.emails.recipient import Recipient
from chesscoach.emails.rendering import Renderer
from chesscoach.emails.transports.transport import Message
from chesscoach.emails.weekly.values import (
    Highlight,
    ResultsBySpeed,
    Summary,
    Swing,
    WeekAccuracy,
    WeekExtras,
)
from chesscoach.players.game import PlayedGame
from chesscoach.schedules.iso_week import Week

WEEK = Week(2026, 46)
UNSUBSCRIBE = "https://coach.example.org/unsubscribe/weekly_summary/eyJ1IjoxfQ.c2ln"
EMAILS = EmailSettings(public_url="https://coach.example.org")
MIA = Recipient(user_id="u1", email="mia@example.org", name="Mia")

GERMAN = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

msgid "Hello %(name)s,"
msgstr "Hallo %(name)s,"

msgid "Your week in chess"
msgstr "Deine Schachwoche"

msgid "Your week in chess: %(news)s"
msgstr "Deine Schachwoche: %(news)s"

msgid "%(count)s game"
msgid_plural "%(count)s games"
msgstr[0] "%(count)s Partie"
msgstr[1] "%(count)s Partien"

msgid "%(count)s won"
msgid_plural "%(count)s won"
msgstr[0] "%(count)s gewonnen"
msgstr[1] "%(count)s gewonnen"

msgid "How you played"
msgstr "So hast du gespielt & gekämpft"
"""


def make_game(**changes: Any) -> PlayedGame:
    """A won blitz game at Lichess."""
    game = PlayedGame(
        game_id="3f1c",
        platform="lichess",
        speed="blitz",
        colour="white",
        result="1-0",
        ended_at=datetime(2026, 11, 12, 20, 0, tzinfo=UTC),
        opponent="rook_lifter",
        url="https://lichess.org/AbCdEfGh",
    )
    return msgspec.structs.replace(game, **changes)


def make_results(**changes: Any) -> ResultsBySpeed:
    """Nine blitz games, and 29 points of rating gained."""
    tally = ResultsBySpeed(
        platform="lichess",
        speed="blitz",
        played=9,
        won=5,
        drawn=1,
        lost=3,
        rating_start=1642,
        rating_end=1671,
    )
    return msgspec.structs.replace(tally, **changes)


def full_summary(**changes: Any) -> Summary:
    """A week in which there is something to say about everything."""
    summary = Summary(
        user_id="u1",
        week=WEEK,
        results_by_speed=(
            make_results(),
            make_results(
                platform="chess.com",
                speed="rapid",
                played=3,
                won=2,
                lost=0,
                rating_start=1510,
                rating_end=1498,
            ),
            make_results(
                speed="bullet", played=2, won=0, drawn=0, lost=2, rating_start=None, rating_end=1400
            ),
        ),
        accuracy=WeekAccuracy(games=6, accuracy=81.37, blunders=5, mistakes=11, best_moves=88),
        before=WeekAccuracy(games=5, accuracy=76.2, blunders=8, mistakes=9, best_moves=60),
        trend="improving",
        weakness="missed_forks",
        strength="endgame technique",
        reflections=10,
        reflections_right=8,
        streak=5,
        longest_streak=12,
        points=1340,
        extras=WeekExtras(
            rank=3,
            pace=62.4,
            pace_before=55.0,
            advice="REVIEW_GAME",
        ),
        level=4,
        best_game=Highlight(game_id="3f1c", accuracy=94.2, game=make_game()),
        critical=Highlight(
            game_id="77aa",
            accuracy=61.0,
            swing=Swing(cp_loss=420, move_number=23, move="Qxb7"),
            game=make_game(
                game_id="77aa", opponent="pawn_storm", url="https://lichess.org/ZyXwVuTs"
            ),
        ),
        focus="weakness",
    )
    return msgspec.structs.replace(summary, **changes)


def bare_summary(**changes: Any) -> Summary:
    """One lost game, of which nothing else is known."""
    tally = ResultsBySpeed(platform="lichess", speed="blitz", played=1, won=0, drawn=0, lost=1)
    summary = Summary(user_id="u1", week=WEEK, results_by_speed=(tally,), focus="analyse")
    return msgspec.structs.replace(summary, **changes)


def render_email(
    summary: Summary | None = None,
    recipient: Recipient = MIA,
    *,
    renderer: Renderer | None = None,
    emails: EmailSettings = EMAILS,
    unsubscribe_url: str = UNSUBSCRIBE,
) -> Message:
    """The email about a week; by default the full one's."""
    return (renderer or Renderer(emails)).render_summary(
        full_summary() if summary is None else summary,
        recipient,
        outbox_id="weekly_summary:u1:2026-W46",
        unsubscribe_url=unsubscribe_url,
    )


def renderer_with(folder: Path, **catalogs: str) -> Renderer:
    """A renderer that has further languages: the text of a catalog for each."""
    for language, text in catalogs.items():
        (folder / f"{language}.po").write_text(text, encoding="utf-8")
    return Renderer(msgspec.structs.replace(EMAILS, locales_dir=str(folder)))


def recipient(**changes: Any) -> Recipient:
    """Mia, somewhat changed."""
    return msgspec.structs.replace(MIA, **changes)
