"""An email taken apart: its skeleton, its links and its texts."""

from html.parser import HTMLParser

from chesscoach.emails.transports.transport import Message

_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})


class ParsedHtml(HTMLParser):
    """The DOM as far as the tests ask about it.

    `skeleton` has each tag with the names of its attributes, and comments; `values` each attribute
    with its value; `texts` what a reader sees; `open` what was never closed.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.skeleton: list[tuple[str, ...]] = []
        self.values: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        """All that is seen, in one line."""
        return " ".join(" ".join(self.texts).split())

    @property
    def links(self) -> list[str]:
        """Where its links lead."""
        return [value for tag, name, value in self.values if (tag, name) == ("a", "href")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag opens."""
        self.skeleton.append(("<", tag, *sorted(name for name, _ in attrs)))
        self.values += [(tag, name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """A tag closes: the one that was opened last."""
        self.skeleton.append((">", tag))
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        """A comment, such as Outlook's conditions."""
        self.skeleton.append(("!", data))

    def handle_data(self, data: str) -> None:
        """A text."""
        if "style" not in self.open:
            self.texts.append(data)


def parse_email(message: Message | str) -> ParsedHtml:
    """An email's HTML, or a page."""
    return ParsedHtml(message if isinstance(message, str) else message.html)
