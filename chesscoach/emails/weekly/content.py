"""What a mail says, in the order in which it says it: texts in one language, ready to be set.

HTML and plain text are set from the same values, so that they cannot tell different stories. A part
for which there is nothing to say is empty, and its section is left out.
"""

from msgspec import Struct

from chesscoach.config import EmailSettings
from chesscoach.emails.i18n.localizer import Localizer
from chesscoach.emails.recipient import Recipient
from chesscoach.emails.sanitize import label_words, sanitize
from chesscoach.emails.weekly import charts, phrases
from chesscoach.emails.weekly.charts import Accuracy, BarSegment, Metric
from chesscoach.emails.weekly.highlights import HighlightCard, best_game, critical_move
from chesscoach.emails.weekly.results_table import ResultsRow, results_table
from chesscoach.emails.weekly.values import Summary


class LabelledValue(Struct, frozen=True, kw_only=True):
    """A value and what it is the value of."""

    value: str
    label: str


class WeeklyContent(Struct, frozen=True, kw_only=True):
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
    bar: tuple[BarSegment, ...] = ()
    results_table: tuple[ResultsRow, ...] = ()
    analysed: str = ""
    accuracies: tuple[Accuracy, ...] = ()
    measures: tuple[Metric, ...] = ()
    traits: tuple[LabelledValue, ...] = ()
    stats: tuple[LabelledValue, ...] = ()
    highlights: tuple[HighlightCard, ...] = ()
    focus: str = ""


def compose(
    summary: Summary, recipient: Recipient, tongue: Localizer, emails: EmailSettings
) -> WeeklyContent:
    """Puts a week into words."""
    won, drawn, lost = (
        sum(getattr(tally, name) for tally in summary.results_by_speed)
        for name in ("won", "drawn", "lost")
    )
    assessment = phrases.assessment(summary, tongue)
    highlights = (best_game(summary, tongue, emails), critical_move(summary, tongue, emails))
    return WeeklyContent(
        subject=phrases.subject(summary, tongue),
        preheader=assessment[0],
        greeting=greeting(recipient.name, tongue),
        assessment=assessment,
        days=tongue.days(summary.week),
        games=phrases.games(summary.played, tongue) if summary.played else "",
        score=charts.score(won, drawn, lost),
        results=phrases.results(won, drawn, lost, tongue),
        bar=charts.result_bar(won, drawn, lost),
        results_table=results_table(summary.results_by_speed, tongue),
        analysed=_analysed(summary, tongue),
        accuracies=charts.accuracies(summary.accuracy, summary.before, tongue)
        if summary.accuracy.accuracy is not None
        else (),
        measures=charts.measures(summary.accuracy, summary.before, tongue),
        traits=_traits(summary, tongue),
        stats=_stats(summary, tongue),
        highlights=tuple(each for each in highlights if each is not None),
        focus=phrases.focus(summary, tongue),
    )


def greeting(name: str, tongue: Localizer) -> str:
    """A greeting, by name where there is one."""
    name = sanitize(name, 40)
    if not name:
        return tongue.gettext("Hello,")
    return tongue.gettext("Hello %(name)s,", name=name)


def _analysed(summary: Summary, tongue: Localizer) -> str:
    count = summary.accuracy.games
    if not count:
        return ""
    return tongue.ngettext("From %(count)s analysed game", "From %(count)s analysed games", count)


def _traits(summary: Summary, tongue: Localizer) -> tuple[LabelledValue, ...]:
    traits = (
        (tongue.gettext("Your main strength"), label_words(summary.strength)),
        (tongue.gettext("Your main weakness"), label_words(summary.weakness)),
    )
    return tuple(
        LabelledValue(label=name, value=value[0].upper() + value[1:])
        for name, value in traits
        if value
    )


def _stats(summary: Summary, tongue: Localizer) -> tuple[LabelledValue, ...]:
    found = []
    if summary.streak:
        days = tongue.gettext("Days in a row")
        if summary.longest_streak and summary.longest_streak > summary.streak:
            longest = tongue.number(summary.longest_streak)
            days = tongue.gettext("Days in a row (best: %(longest)s)", longest=longest)
        found.append(LabelledValue(value=tongue.number(summary.streak), label=days))
    if summary.points is not None:
        points = tongue.gettext("Points this week")
        found.append(LabelledValue(value=tongue.number(summary.points), label=points))
    if summary.level is not None:
        found.append(
            LabelledValue(value=tongue.number(summary.level), label=tongue.gettext("Level"))
        )
    return tuple(found)
