"""The coach's words: what the numbers of a week come to, in sentences."""

from chesscoach.emails.i18n.localizer import Localizer
from chesscoach.emails.sanitize import label_words
from chesscoach.emails.weekly.values import Summary

_GOOD_REFLECTION_RATE = 0.7
_FAIR_REFLECTION_RATE = 0.4


def subject(summary: Summary, tongue: Localizer) -> str:
    """A subject line with the week's own numbers in it."""
    if not summary.played:
        analysed = tongue.ngettext(
            "%(count)s game analysed", "%(count)s games analysed", summary.accuracy.games
        )
        return tongue.gettext("Your week in chess: %(news)s", news=analysed)
    news = [games(summary.played, tongue)]
    if won := sum(tally.won for tally in summary.results_by_speed):
        news.append(tongue.ngettext("%(count)s won", "%(count)s won", won))
    if _has_fewer_blunders(summary, tongue):
        news.append(tongue.gettext("fewer blunders"))
    elif (gain := best_gain(summary)) > 0:
        news.append(tongue.gettext("rating %(change)s", change=tongue.signed(gain)))
    return tongue.gettext("Your week in chess: %(news)s", news=", ".join(news))


def games(count: int, tongue: Localizer) -> str:
    """A number of games."""
    return tongue.ngettext("%(count)s game", "%(count)s games", count)


def results(won: int, drawn: int, lost: int, tongue: Localizer) -> str:
    """Results in words, those that did not occur left out."""
    told = []
    if won:
        told.append(tongue.ngettext("%(count)s won", "%(count)s won", won))
    if drawn:
        told.append(tongue.ngettext("%(count)s drawn", "%(count)s drawn", drawn))
    if lost:
        told.append(tongue.ngettext("%(count)s lost", "%(count)s lost", lost))
    return ", ".join(told)


def assessment(summary: Summary, tongue: Localizer) -> tuple[str, ...]:
    """One sentence each on the trend, the weakness and the answers to the coach's questions."""
    told = [_trend(summary, tongue)]
    if weakness := label_words(summary.weakness):
        told.append(
            tongue.gettext("What costs you most at the moment: %(weakness)s.", weakness=weakness)
        )
    if (answers := _reflections(summary, tongue)) is not None:
        told.append(answers)
    return tuple(told)


def focus(summary: Summary, tongue: Localizer) -> str:
    """What to do next week, in one or two sentences."""
    weakness = label_words(summary.weakness)
    match summary.focus:
        case "weakness" if weakness:
            return tongue.gettext(
                "Work on one thing: %(weakness)s. Ten puzzles on it a day, then look for it in "
                "each game of your own.",
                weakness=weakness,
            )
        case "blunders":
            return tongue.gettext(
                "Before each move, look at every check, capture and threat your opponent will "
                "have. That alone ends most blunders."
            )
        case "mistakes":
            return tongue.gettext(
                "Name two candidate moves before you choose one. Mistakes shrink when the first "
                "idea has a rival."
            )
        case "analyse":
            return tongue.gettext(
                "Have two or three of your games analysed. A lost one teaches the most."
            )
        case "reflect":
            return tongue.gettext(
                "Go through your own critical moments: decide what you would play now, before "
                "you look at the answer."
            )
        case _:
            return tongue.gettext(
                "Keep going as you do: play slowly, and look at each game once more when it is "
                "over."
            )


def best_gain(summary: Summary) -> int:
    """The most that one rating has gained in the week; 0 if none has."""
    gains = (
        tally.rating_end - tally.rating_start
        for tally in summary.results_by_speed
        if tally.rating_start is not None and tally.rating_end is not None
    )
    return max((0, *gains))


def _trend(summary: Summary, tongue: Localizer) -> str:
    form, before = summary.accuracy, summary.before
    if not form.games:
        return tongue.gettext("You have played, and none of it has been analysed yet.")
    now, then = _blunders(summary, tongue)
    if form.blunders == 0:
        return tongue.gettext("Not one blunder in all the games that were analysed this week.")
    if not before.games:
        return tongue.gettext(
            "You blundered %(now)s times per game: that is the mark to beat.", now=now
        )
    if summary.trend == "improving":
        if _has_fewer_blunders(summary, tongue):
            return tongue.gettext(
                "Blunders dropped from %(then)s to %(now)s per game: you are getting better.",
                then=then,
                now=now,
            )
        return tongue.gettext("Your play is getting better, week by week.")
    if summary.trend == "declining":
        if form.per_game(form.blunders) > before.per_game(before.blunders) and now != then:
            return tongue.gettext(
                "Blunders rose from %(then)s to %(now)s per game: slow down where it gets sharp.",
                then=then,
                now=now,
            )
        return tongue.gettext("A harder week than the last. It happens to every player.")
    return tongue.gettext("Your play held steady, at %(now)s blunders per game.", now=now)


def _blunders(summary: Summary, tongue: Localizer) -> tuple[str, str]:
    form, before = summary.accuracy, summary.before
    return (
        tongue.decimal(form.per_game(form.blunders)),
        tongue.decimal(before.per_game(before.blunders)),
    )


def _has_fewer_blunders(summary: Summary, tongue: Localizer) -> bool:
    """Whether the mail may say so: also in the figures as they are printed."""
    form, before = summary.accuracy, summary.before
    if summary.trend != "improving" or not (form.games and before.games):
        return False
    now, then = _blunders(summary, tongue)
    return form.per_game(form.blunders) < before.per_game(before.blunders) and now != then


def _reflections(summary: Summary, tongue: Localizer) -> str | None:
    asked, right = summary.reflections, summary.reflections_right
    if not asked or not right:
        return None
    values = {"right": tongue.number(right)}
    if right / asked >= _GOOD_REFLECTION_RATE:
        return tongue.ngettext(
            "You found what went wrong in your own games, %(right)s right of %(count)s.",
            "You found what went wrong in your own games, %(right)s right of %(count)s.",
            asked,
            **values,
        )
    if right / asked >= _FAIR_REFLECTION_RATE:
        return tongue.ngettext(
            "You are learning to see your own slips: %(right)s right of %(count)s.",
            "You are learning to see your own slips: %(right)s right of %(count)s.",
            asked,
            **values,
        )
    return tongue.ngettext(
        "Your own slips are still hard to see: %(right)s right of %(count)s. Take more time.",
        "Your own slips are still hard to see: %(right)s right of %(count)s. Take more time.",
        asked,
        **values,
    )
