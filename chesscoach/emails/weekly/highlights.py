"""The two games worth opening again: the most accurate one, and the one with the largest swing."""

from msgspec import Struct

from chesscoach.config import EmailSettings
from chesscoach.emails.i18n.localizer import Localizer
from chesscoach.emails.sanitize import sanitize
from chesscoach.emails.weekly import game_links
from chesscoach.emails.weekly.results_table import site_and_speed
from chesscoach.emails.weekly.values import Highlight, Summary

_MAX_PAWNS = 10
"""A swing beyond that is a mate missed or allowed, and its centipawns are a convention."""


class HighlightCard(Struct, frozen=True, kw_only=True):
    """A card: what it is about, its number, where it was, and the way there (may be empty)."""

    kind: str
    figure: str
    note: str
    where: str
    link: str
    invitation: str


def best_game(summary: Summary, tongue: Localizer, emails: EmailSettings) -> HighlightCard | None:
    """The week's best game by accuracy."""
    best = summary.best_game
    if best is None:
        return None
    return HighlightCard(
        kind=tongue.gettext("Best game of the week"),
        figure=tongue.percent(best.accuracy),
        note=tongue.gettext("accuracy"),
        where=_location(best, tongue),
        link=game_links.game_url(best, emails),
        invitation=tongue.gettext("Enjoy it again"),
    )


def critical_move(
    summary: Summary, tongue: Localizer, emails: EmailSettings
) -> HighlightCard | None:
    """The week's costliest move."""
    found = summary.critical
    if found is None or found.swing is None:
        return None
    swing = found.swing
    pawns = swing.cp_loss / 100
    where = [_location(found, tongue)]
    if swing.move_number is not None:
        number = tongue.number(swing.move_number)
        if move := sanitize(swing.move, 12):
            where.insert(0, tongue.gettext("Move %(number)s, %(move)s", number=number, move=move))
        else:
            where.insert(0, tongue.gettext("Move %(number)s", number=number))
    return HighlightCard(
        kind=tongue.gettext("Critical moment"),
        figure=f"{_MAX_PAWNS}+" if pawns > _MAX_PAWNS else tongue.decimal(pawns),
        note=tongue.gettext("pawns lost in one move"),
        where=" · ".join(part for part in where if part),
        link=game_links.game_url(found, emails),
        invitation=tongue.gettext("Find the better move"),
    )


def _location(highlight: Highlight, tongue: Localizer) -> str:
    game = highlight.game
    if game is None:
        return ""
    parts = []
    if opponent := sanitize(game.opponent, 40):
        parts.append(tongue.gettext("against %(opponent)s", opponent=opponent))
    if played := site_and_speed(game.platform, game.speed, tongue):
        parts.append(played)
    return " · ".join(parts)
