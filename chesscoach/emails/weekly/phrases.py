"""The coach's phrases: the numbers of a week in sentences."""

from chesscoach.emails.i18n.localizer import Localizer
from chesscoach.emails.sanitize import label_words, sanitize
from chesscoach.emails.weekly.values import Summary, WeekExtras

_GOOD_REFLECTION_RATE = 0.7
_FAIR_REFLECTION_RATE = 0.4
_MAX_SESSIONS = 7


def subject(summary: Summary, localizer: Localizer) -> str:
    """Compose a subject line with the numbers of the week."""
    if not summary.played:
        analysed = localizer.ngettext(
            "%(count)s game analysed", "%(count)s games analysed", summary.accuracy.games
        )
        return localizer.gettext("Your week in chess: %(news)s", news=analysed)
    news = [games(summary.played, localizer)]
    if won := sum(results.won for results in summary.results_by_speed):
        news.append(localizer.ngettext("%(count)s won", "%(count)s won", won))
    if _has_fewer_blunders(summary, localizer):
        news.append(localizer.gettext("fewer blunders"))
    elif (gain := best_gain(summary)) > 0:
        news.append(localizer.gettext("rating %(change)s", change=localizer.signed(gain)))
    return localizer.gettext("Your week in chess: %(news)s", news=", ".join(news))


def games(count: int, localizer: Localizer) -> str:
    """Format a number of games."""
    return localizer.ngettext("%(count)s game", "%(count)s games", count)


def results(won: int, drawn: int, lost: int, localizer: Localizer) -> str:
    """Format the results that occurred."""
    parts = []
    if won:
        parts.append(localizer.ngettext("%(count)s won", "%(count)s won", won))
    if drawn:
        parts.append(localizer.ngettext("%(count)s drawn", "%(count)s drawn", drawn))
    if lost:
        parts.append(localizer.ngettext("%(count)s lost", "%(count)s lost", lost))
    return ", ".join(parts)


def assessment(summary: Summary, localizer: Localizer) -> tuple[str, ...]:
    """Compose sentences on the trend, the weakness and the answers to the coach's questions."""
    sentences = [_trend(summary, localizer)]
    if weakness := label_words(summary.weakness):
        sentences.append(
            localizer.gettext("What costs you most at the moment: %(weakness)s.", weakness=weakness)
        )
    if (answers := _reflections(summary, localizer)) is not None:
        sentences.append(answers)
    return tuple(sentences)


def focus(summary: Summary, localizer: Localizer) -> str:
    """Compose one or two sentences on what to do next week."""
    weakness = label_words(summary.weakness)
    match summary.focus:
        case "weakness" if weakness:
            return localizer.gettext(
                "Work on one thing: %(weakness)s. Ten puzzles on it a day, then look for it in "
                "each game of your own.",
                weakness=weakness,
            )
        case "blunders":
            return localizer.gettext(
                "Before each move, look at every check, capture and threat your opponent will "
                "have. That alone ends most blunders."
            )
        case "mistakes":
            return localizer.gettext(
                "Name two candidate moves before you choose one. Mistakes shrink when the first "
                "idea has a rival."
            )
        case "analyse":
            return localizer.gettext(
                "Have two or three of your games analysed. A lost one teaches the most."
            )
        case "reflect":
            return localizer.gettext(
                "Go through your own critical moments: decide what you would play now, before "
                "you look at the answer."
            )
        case _:
            return localizer.gettext(
                "Keep going as you do: play slowly, and look at each game once more when it is "
                "over."
            )


def best_gain(summary: Summary) -> int:
    """The largest gain of a rating in the week; 0 if no rating has gained."""
    gains = (
        results.rating_end - results.rating_start
        for results in summary.results_by_speed
        if results.rating_start is not None and results.rating_end is not None
    )
    return max((0, *gains))


def advice(extras: WeekExtras, localizer: Localizer) -> str:
    """Compose what is recommended most of all; empty if nothing is."""
    subject = label_words(extras.advice_subject)
    sentences = {
        "TAKE_BREAK": localizer.gettext("You trained a lot: take a break."),
        "RESUME_LEARNING": localizer.gettext("Pick up your training again."),
        "FOCUS_ON_WEAKNESS": localizer.gettext(
            "Focus on your weakness: %(subject)s.", subject=subject
        ),
        "REVIEW_GAME": localizer.gettext("Review your least accurate games."),
        "FIX_OPENING": localizer.gettext("Repair your opening: %(subject)s.", subject=subject),
        "START_LEARNING": localizer.gettext("Start your training."),
        "MANAGE_TIME": localizer.gettext("Manage your time in %(subject)s games.", subject=subject),
        "PRACTICE_MORE": localizer.gettext("Practise with puzzles."),
        "REVIEW_CARDS": localizer.gettext("Review your mistake cards."),
        "CONTINUE_LEARNING": localizer.gettext("Continue where you left off."),
    }
    return sentences.get(extras.advice, "")


def sessions(extras: WeekExtras, localizer: Localizer) -> str:
    """Compose the training sessions of the next week; empty if there are none."""
    if not extras.sessions:
        return ""
    planned = [
        f"{localizer.weekday_and_time(session.starts)} {sanitize(session.title, 40)}".strip()
        for session in extras.sessions[:_MAX_SESSIONS]
    ]
    if (more := len(extras.sessions) - _MAX_SESSIONS) > 0:
        planned.append(localizer.ngettext("and %(count)s more", "and %(count)s more", more))
    return localizer.gettext("Your sessions: %(sessions)s.", sessions=", ".join(planned))


def _trend(summary: Summary, localizer: Localizer) -> str:
    this_week, before = summary.accuracy, summary.before
    if not this_week.games:
        return localizer.gettext("You have played, and none of your games has been analysed yet.")
    now, then = _blunders(summary, localizer)
    if this_week.blunders == 0:
        return localizer.gettext("Not one blunder in all the games that were analysed this week.")
    if not before.games:
        return localizer.gettext(
            "You blundered %(now)s times per game: that is the mark to beat.", now=now
        )
    if summary.trend == "improving":
        if _has_fewer_blunders(summary, localizer):
            return localizer.gettext(
                "Blunders dropped from %(then)s to %(now)s per game: you are getting better.",
                then=then,
                now=now,
            )
        return localizer.gettext("Your play is getting better, week by week.")
    if summary.trend == "declining":
        if (
            this_week.per_game(this_week.blunders) > before.per_game(before.blunders)
            and now != then
        ):
            return localizer.gettext(
                "Blunders rose from %(then)s to %(now)s per game: slow down where it gets sharp.",
                then=then,
                now=now,
            )
        return localizer.gettext("A harder week than the last. It happens to every player.")
    return localizer.gettext("Your play held steady, at %(now)s blunders per game.", now=now)


def _blunders(summary: Summary, localizer: Localizer) -> tuple[str, str]:
    this_week, before = summary.accuracy, summary.before
    return (
        localizer.decimal(this_week.per_game(this_week.blunders)),
        localizer.decimal(before.per_game(before.blunders)),
    )


def _has_fewer_blunders(summary: Summary, localizer: Localizer) -> bool:
    """Whether there are fewer blunders, also in the rounded numbers of the email."""
    this_week, before = summary.accuracy, summary.before
    if summary.trend != "improving" or not (this_week.games and before.games):
        return False
    now, then = _blunders(summary, localizer)
    return this_week.per_game(this_week.blunders) < before.per_game(before.blunders) and now != then


def _reflections(summary: Summary, localizer: Localizer) -> str | None:
    asked, right = summary.reflections, summary.reflections_right
    if not asked or not right:
        return None
    values = {"right": localizer.number(right)}
    if right / asked >= _GOOD_REFLECTION_RATE:
        return localizer.ngettext(
            "You found what went wrong in your own games, %(right)s right of %(count)s.",
            "You found what went wrong in your own games, %(right)s right of %(count)s.",
            asked,
            **values,
        )
    if right / asked >= _FAIR_REFLECTION_RATE:
        return localizer.ngettext(
            "You are learning to see your own slips: %(right)s right of %(count)s.",
            "You are learning to see your own slips: %(right)s right of %(count)s.",
            asked,
            **values,
        )
    return localizer.ngettext(
        "Your own slips are still hard to see: %(right)s right of %(count)s. Take more time.",
        "Your own slips are still hard to see: %(right)s right of %(count)s. Take more time.",
        asked,
        **values,
    )
