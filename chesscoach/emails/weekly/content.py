"""The content of the weekly email: texts in one language, in their order.

HTML and plain text are rendered from the same values, so that they cannot differ. An empty part is
left out.
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
    """A value with its label."""

    value: str
    label: str


class WeeklyContent(Struct, frozen=True, kw_only=True):
    """The parts of a weekly summary.

    `score` is as in a tournament: points, out of the games with a known result.
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
    advice: str = ""
    sessions: str = ""


def compose(
    summary: Summary, recipient: Recipient, localizer: Localizer, emails: EmailSettings
) -> WeeklyContent:
    """Compose the content of a summary."""
    won, drawn, lost = (
        sum(getattr(results, name) for results in summary.results_by_speed)
        for name in ("won", "drawn", "lost")
    )
    assessment = phrases.assessment(summary, localizer)
    highlights = (best_game(summary, localizer, emails), critical_move(summary, localizer, emails))
    return WeeklyContent(
        subject=phrases.subject(summary, localizer),
        preheader=assessment[0],
        greeting=greeting(recipient.name, localizer),
        assessment=assessment,
        days=localizer.days(summary.week),
        games=phrases.games(summary.played, localizer) if summary.played else "",
        score=charts.score(won, drawn, lost),
        results=phrases.results(won, drawn, lost, localizer),
        bar=charts.result_bar(won, drawn, lost),
        results_table=results_table(summary.results_by_speed, localizer),
        analysed=_analysed_text(summary, localizer),
        accuracies=charts.accuracies(summary.accuracy, summary.before, localizer)
        if summary.accuracy.accuracy is not None
        else (),
        measures=charts.measures(summary.accuracy, summary.before, localizer),
        traits=_traits(summary, localizer),
        stats=_stats(summary, localizer),
        highlights=tuple(card for card in highlights if card is not None),
        focus=phrases.focus(summary, localizer),
        advice=phrases.advice(summary.extras, localizer),
        sessions=phrases.sessions(summary.extras, localizer),
    )


def greeting(name: str, localizer: Localizer) -> str:
    """Compose a greeting, with the name if there is one."""
    name = sanitize(name, 40)
    if not name:
        return localizer.gettext("Hello,")
    return localizer.gettext("Hello %(name)s,", name=name)


def _analysed_text(summary: Summary, localizer: Localizer) -> str:
    count = summary.accuracy.games
    if not count:
        return ""
    return localizer.ngettext(
        "From %(count)s analysed game", "From %(count)s analysed games", count
    )


def _traits(summary: Summary, localizer: Localizer) -> tuple[LabelledValue, ...]:
    traits = (
        (localizer.gettext("Your main strength"), label_words(summary.strength)),
        (localizer.gettext("Your main weakness"), label_words(summary.weakness)),
    )
    return tuple(
        LabelledValue(label=name, value=value[0].upper() + value[1:])
        for name, value in traits
        if value
    )


def _stats(summary: Summary, localizer: Localizer) -> tuple[LabelledValue, ...]:
    stats = []
    if summary.streak:
        days = localizer.gettext("Days in a row")
        if summary.longest_streak and summary.longest_streak > summary.streak:
            longest = localizer.number(summary.longest_streak)
            days = localizer.gettext("Days in a row (best: %(longest)s)", longest=longest)
        stats.append(LabelledValue(value=localizer.number(summary.streak), label=days))
    if summary.points is not None:
        points = localizer.gettext("Points this week")
        stats.append(LabelledValue(value=localizer.number(summary.points), label=points))
    extras = summary.extras
    if extras.rank is not None:
        rank = localizer.gettext("Rank this week")
        stats.append(LabelledValue(value=localizer.number(extras.rank), label=rank))
    if extras.pace is not None:
        pace = localizer.gettext("Training pace")
        if extras.pace_before is not None:
            before = localizer.number(round(extras.pace_before))
            pace = localizer.gettext("Training pace (last week: %(before)s)", before=before)
        stats.append(LabelledValue(value=localizer.number(round(extras.pace)), label=pace))
    if summary.level is not None:
        stats.append(
            LabelledValue(value=localizer.number(summary.level), label=localizer.gettext("Level"))
        )
    return tuple(stats)
