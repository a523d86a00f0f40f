"""What a mail says, in the order in which it says it: texts in one language, ready to be set.

HTML and plain text are set from the same values, so that they cannot tell different stories. A part
for which there is nothing to say is empty, and its section is left out.
"""

from msgspec import Struct

from chesscoach.config import Emails
from chesscoach.emails.i18n.localizer import Tongue
from chesscoach.emails.sanitize import clean, label
from chesscoach.emails.weekly import charts, phrases
from chesscoach.emails.weekly.charts import Accuracy, Measure, Part
from chesscoach.emails.weekly.highlights import Moment, best_game, critical
from chesscoach.emails.weekly.results_table import Standing, standings
from chesscoach.emails.weekly.values import Recipient, Summary


class Stat(Struct, frozen=True, kw_only=True):
    """A value and what it is the value of."""

    value: str
    label: str


class Letter(Struct, frozen=True, kw_only=True):
    """The parts of a weekly summary.

    `score` is as a tournament has it: points, out of the games with a known result.
    """

    subject: str
    preheader: str
    greeting: str
    assessment: tuple[str, ...]
    days: str
    games: str = ""
    score: str = ""
    results: str = ""
    bar: tuple[Part, ...] = ()
    standings: tuple[Standing, ...] = ()
    analysed: str = ""
    accuracies: tuple[Accuracy, ...] = ()
    measures: tuple[Measure, ...] = ()
    traits: tuple[Stat, ...] = ()
    stats: tuple[Stat, ...] = ()
    moments: tuple[Moment, ...] = ()
    focus: str = ""


def compose(summary: Summary, recipient: Recipient, tongue: Tongue, emails: Emails) -> Letter:
    """Puts a week into words."""
    won, drawn, lost = (
        sum(getattr(tally, name) for tally in summary.tallies) for name in ("won", "drawn", "lost")
    )
    assessment = phrases.assessment(summary, tongue)
    highlights = (best_game(summary, tongue, emails), critical(summary, tongue, emails))
    return Letter(
        subject=phrases.subject(summary, tongue),
        preheader=assessment[0],
        greeting=greeting(recipient.name, tongue),
        assessment=assessment,
        days=tongue.days(summary.week),
        games=phrases.games(summary.played, tongue) if summary.played else "",
        score=charts.score(won, drawn, lost),
        results=phrases.results(won, drawn, lost, tongue),
        bar=charts.results(won, drawn, lost),
        standings=standings(summary.tallies, tongue),
        analysed=_analysed(summary, tongue),
        accuracies=charts.accuracies(summary.form, summary.before, tongue)
        if summary.form.accuracy is not None
        else (),
        measures=charts.measures(summary.form, summary.before, tongue),
        traits=_traits(summary, tongue),
        stats=_stats(summary, tongue),
        moments=tuple(each for each in highlights if each is not None),
        focus=phrases.focus(summary, tongue),
    )


def greeting(name: str, tongue: Tongue) -> str:
    """A greeting, by name where there is one."""
    name = clean(name, 40)
    if not name:
        return tongue.gettext("Hello,")
    return tongue.gettext("Hello %(name)s,", name=name)


def _analysed(summary: Summary, tongue: Tongue) -> str:
    count = summary.form.games
    if not count:
        return ""
    return tongue.ngettext("From %(count)s analysed game", "From %(count)s analysed games", count)


def _traits(summary: Summary, tongue: Tongue) -> tuple[Stat, ...]:
    traits = (
        (tongue.gettext("Your main strength"), label(summary.strength)),
        (tongue.gettext("Your main weakness"), label(summary.weakness)),
    )
    return tuple(
        Stat(label=name, value=value[0].upper() + value[1:]) for name, value in traits if value
    )


def _stats(summary: Summary, tongue: Tongue) -> tuple[Stat, ...]:
    found = []
    if summary.streak:
        days = tongue.gettext("Days in a row")
        if summary.longest_streak and summary.longest_streak > summary.streak:
            longest = tongue.number(summary.longest_streak)
            days = tongue.gettext("Days in a row (best: %(longest)s)", longest=longest)
        found.append(Stat(value=tongue.number(summary.streak), label=days))
    if summary.points is not None:
        points = tongue.gettext("Points this week")
        found.append(Stat(value=tongue.number(summary.points), label=points))
    if summary.level is not None:
        found.append(Stat(value=tongue.number(summary.level), label=tongue.gettext("Level")))
    return tuple(found)
