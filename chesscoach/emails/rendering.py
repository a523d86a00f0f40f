"""How a mail is made: a letter is set by templates, as HTML and as plain text.

Templates, stylesheet and catalogs are read when a `Renderer` is made, and never again. All text is
escaped where it is put into HTML, translations too; links come from `gamelinks`.
"""

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


class Renderer:
    """Makes mails and the pages that their links lead to."""

    def __init__(self, emails: EmailSettings) -> None:
        """Reads everything there is to read; blocks.

        Raises:
            ConfigError: a catalog cannot be used.
        """
        self._emails = emails
        self._catalogs = Catalogs(emails)
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=select_autoescape(disabled_extensions=("txt",), default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        for name in self._templates.list_templates():
            self._templates.get_template(name)
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
            extra_css=self._templates.get_template("mail.css").render(start=start, end=end),
        )

    def render_summary(
        self, render_summary: Summary, recipient: Recipient, *, outbox_id: str, unsubscribe_url: str
    ) -> Message:
        """The weekly summary, in the recipient's language.

        Without an `unsubscribe_url` (nothing is sent, mails are only written) it has no such link.
        """
        tongue = self._catalogs.localizer_for(recipient.language)
        letter = compose(render_summary, recipient, tongue, self._emails)
        return self._render("weekly_summary", letter, recipient, tongue, outbox_id, unsubscribe_url)

    def render_no_games_note(
        self, week: Week, recipient: Recipient, *, outbox_id: str, unsubscribe_url: str
    ) -> Message:
        """A short note to somebody who neither played nor had a game analysed."""
        tongue = self._catalogs.localizer_for(recipient.language)
        letter = WeeklyContent(
            subject=tongue.gettext("Your week in chess: no games this time"),
            preheader=tongue.gettext("No game of yours in this week."),
            greeting=greeting(recipient.name, tongue),
            assessment=(),
            days=tongue.days(week),
            focus=tongue.gettext(
                "One game is enough to begin again: play it, have it analysed, and next Monday "
                "there is something to tell."
            ),
        )
        return self._render("note", letter, recipient, tongue, outbox_id, unsubscribe_url)

    def render_page(self, render_page: str, /, language: str | None = None, **values: str) -> str:
        """A web page: `unsubscribe`, `unsubscribed`, `link_refused` or `user_gone`.

        `name` in the values (for `unsubscribe`) is whom to greet.
        """
        tongue = self._catalogs.localizer_for(language)
        return self._templates.get_template(f"{render_page}.html").render(
            values,
            _=tongue.gettext,
            tongue=tongue,
            sender=self._emails.sender_name,
            greeting=greeting(values.get("name", ""), tongue),
        )

    def _render(
        self,
        template: str,
        letter: WeeklyContent,
        recipient: Recipient,
        tongue: Localizer,
        outbox_id: str,
        unsubscribe_url: str,
    ) -> Message:
        unsubscribe_url = game_links.escape_url(unsubscribe_url)
        values = {
            "_": tongue.gettext,
            "tongue": tongue,
            "letter": letter,
            "sender": self._emails.sender_name,
            "unsubscribe_url": unsubscribe_url,
        }
        html = self._templates.get_template(f"{template}.html").render(values)
        return Message(
            outbox_id=outbox_id,
            to=to_single_line(recipient.email),
            subject=sanitize(letter.subject, _MAX_SUBJECT_LENGTH),
            text=self._templates.get_template(f"{template}.txt").render(values),
            html=self._inliners[tongue.direction].inline(html),
            headers=_headers(unsubscribe_url),
        )


def _headers(unsubscribe_url: str) -> dict[str, str]:
    """One-click unsubscription (RFC 8058), and no vacation notes in reply (RFC 3834)."""
    headers = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
    if unsubscribe_url:
        headers["List-Unsubscribe"] = f"<{unsubscribe_url}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers
