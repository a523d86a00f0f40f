"""Rendering of emails and pages by templates, as HTML and as plain text.

The first `Renderer` of a process compiles the templates; each reads stylesheet and catalogs when it
is created. The templates escape all text in HTML, also translations; links come from `game_links`.
"""

from functools import cache
from pathlib import Path

import css_inline
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from chesscoach.config import EmailSettings
from chesscoach.emails.i18n.catalogs import Catalogs
from chesscoach.emails.i18n.localizer import Localizer
from chesscoach.emails.recipient import Recipient
from chesscoach.emails.sanitize import sanitize, to_single_line
from chesscoach.emails.transports.transport import Message
from chesscoach.emails.weekly import game_links
from chesscoach.emails.weekly.content import WeeklyContent, compose, greeting
from chesscoach.emails.weekly.values import Summary
from chesscoach.schedules.iso_week import Week

TEMPLATES = Path(__file__).parent / "templates"
_MAX_SUBJECT_LENGTH = 150


@cache
def _compiled_templates() -> Environment:
    """The templates, compiled once for all renderers of the process; blocks."""
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(disabled_extensions=("txt",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    for name in templates.list_templates():
        templates.get_template(name)
    return templates


class Renderer:
    """Renders emails, and the pages that their links open."""

    def __init__(self, emails: EmailSettings) -> None:
        """Read all files; blocks.

        Raises:
            ConfigError: a catalog cannot be used.
        """
        self._emails = emails
        self._catalogs = Catalogs(emails)
        self._templates = _compiled_templates()
        self._inliners = {
            direction: self._inliner(*sides)
            for direction, sides in (("ltr", ("left", "right")), ("rtl", ("right", "left")))
        }

    def _inliner(self, start: str, end: str) -> css_inline.CSSInliner:
        # By default css-inline loads the stylesheets that a document names, even from the disk.
        return css_inline.CSSInliner(
            load_remote_stylesheets=False,
            keep_at_rules=True,
            minify_css=True,
            extra_css=self._templates.get_template("email.css").render(start=start, end=end),
        )

    def render_summary(
        self, summary: Summary, recipient: Recipient, *, outbox_id: str, unsubscribe_url: str
    ) -> Message:
        """Render the weekly summary in the recipient's language.

        Without an `unsubscribe_url` (emails that are only written) it has no such link.
        """
        localizer = self._catalogs.localizer_for(recipient.language)
        content = compose(summary, recipient, localizer, self._emails)
        return self._render(
            "weekly_summary", content, recipient, localizer, outbox_id, unsubscribe_url
        )

    def render_no_games_note(
        self, week: Week, recipient: Recipient, *, outbox_id: str, unsubscribe_url: str
    ) -> Message:
        """Render the short note to a player without a game or an analysis in the week."""
        localizer = self._catalogs.localizer_for(recipient.language)
        content = WeeklyContent(
            subject=localizer.gettext("Your week in chess: no games this time"),
            preheader=localizer.gettext("No game of yours in this week."),
            greeting=greeting(recipient.name, localizer),
            assessment=(),
            days=localizer.days(week),
            focus=localizer.gettext(
                "One game is enough to begin again: play it, have it analysed, and next Monday "
                "there is something to tell."
            ),
        )
        return self._render("note", content, recipient, localizer, outbox_id, unsubscribe_url)

    def render_page(self, page: str, /, language: str | None = None, **values: str) -> str:
        """Render a web page: `unsubscribe`, `unsubscribed`, `link_refused` or `user_gone`.

        `name` in the values (for `unsubscribe`) is the name in the greeting.
        """
        localizer = self._catalogs.localizer_for(language)
        return self._templates.get_template(f"{page}.html").render(
            values,
            _=localizer.gettext,
            localizer=localizer,
            sender=self._emails.sender_name,
            greeting=greeting(values.get("name", ""), localizer),
        )

    def _render(
        self,
        template: str,
        content: WeeklyContent,
        recipient: Recipient,
        localizer: Localizer,
        outbox_id: str,
        unsubscribe_url: str,
    ) -> Message:
        unsubscribe_url = game_links.escape_url(unsubscribe_url)
        values = {
            "_": localizer.gettext,
            "localizer": localizer,
            "content": content,
            "sender": self._emails.sender_name,
            "unsubscribe_url": unsubscribe_url,
        }
        html = self._templates.get_template(f"{template}.html").render(values)
        return Message(
            outbox_id=outbox_id,
            to=to_single_line(recipient.email),
            subject=sanitize(content.subject, _MAX_SUBJECT_LENGTH),
            text=self._templates.get_template(f"{template}.txt").render(values),
            html=self._inliners[localizer.direction].inline(html),
            headers=_headers(unsubscribe_url),
        )


def _headers(unsubscribe_url: str) -> dict[str, str]:
    """One-click unsubscription (RFC 8058), and no vacation notes in reply (RFC 3834)."""
    headers = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
    if unsubscribe_url:
        headers["List-Unsubscribe"] = f"<{unsubscribe_url}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers
