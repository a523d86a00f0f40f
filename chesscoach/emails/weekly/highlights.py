"""The two highlights: the most accurate game, and the game with the largest swing."""

from msgspec import Struct

from chesscoach.config import EmailSettings
from chesscoach.emails.i18n.localizer import Localizer
from chesscoach.emails.sanitize import sanitize
from chesscoach.emails.weekly import game_links
from chesscoach.emails.weekly.results_table import source_and_speed
from chesscoach.emails.weekly.values import Highlight, Summary

_MAX_PAWNS = 10
"""A larger swing is a missed or allowed mate, whose centipawns are a convention."""


class HighlightCard(Struct, frozen=True, kw_only=True):
    """A card: its title, number, game and link (may be empty)."""

    kind: str
    figure: str
    note: str
    where: str
    link: str
    invitation: str


def best_game(
    summary: Summary, localizer: Localizer, emails: EmailSettings
) -> HighlightCard | None:
    """Build the card of the week's best game by accuracy."""
    best = summary.best_game
    if best is None:
        return None
    return HighlightCard(
        kind=localizer.gettext("Best game of the week"),
        figure=localizer.percent(best.accuracy),
        note=localizer.gettext("accuracy"),
        where=_location(best, localizer),
        link=game_links.game_url(best, emails),
        invitation=localizer.gettext("Enjoy it again"),
    )


def critical_move(
    summary: Summary, localizer: Localizer, emails: EmailSettings
) -> HighlightCard | None:
    """Build the card of the week's costliest move."""
    highlight = summary.critical
    if highlight is None or highlight.swing is None:
        return None
    swing = highlight.swing
    pawns = swing.cp_loss / 100
    where = [_location(highlight, localizer)]
    if swing.move_number is not None:
        number = localizer.number(swing.move_number)
        if move := sanitize(swing.move, 12):
            where.insert(
                0, localizer.gettext("Move %(number)s, %(move)s", number=number, move=move)
            )
        else:
            where.insert(0, localizer.gettext("Move %(number)s", number=number))
    return HighlightCard(
        kind=localizer.gettext("Critical moment"),
        figure=f"{_MAX_PAWNS}+" if pawns > _MAX_PAWNS else localizer.decimal(pawns),
        note=localizer.gettext("pawns lost in one move"),
        where=" · ".join(part for part in where if part),
        link=game_links.game_url(highlight, emails),
        invitation=localizer.gettext("Find the better move"),
    )


def _location(highlight: Highlight, localizer: Localizer) -> str:
    game = highlight.game
    if game is None:
        return ""
    parts = []
    if opponent := sanitize(game.opponent, 40):
        parts.append(localizer.gettext("against %(opponent)s", opponent=opponent))
    if played := source_and_speed(game.platform, game.speed, localizer):
        parts.append(played)
    return " · ".join(parts)
