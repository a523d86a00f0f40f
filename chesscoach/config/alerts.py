"""`[alerts]`: where alerts are sent."""

import base64
import binascii
import re
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from chesscoach.config.section import Section, UrlOrNone, host_of
from chesscoach.errors import ConfigError

_SECRET_PREFIX = "whsec_"  # noqa: S105  # what a secret of Standard Webhooks begins with
_MIN_SECRET_BYTES = 16
_URL_SEPARATOR = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")
"""What separates two URLs in one text; a comma within a URL belongs to it."""


class AlertSettings(Section, frozen=True, kw_only=True):
    """`[alerts]`; all but `max_per_hour` are secrets: code that prints settings must hide them.

    `webhook_secret` holds one secret, or two separated by a comma or a space while a key changes.
    `urls` are URLs of apprise, as a list or as one text, which a variable has.
    """

    webhook_url: UrlOrNone = ""
    webhook_secret: str = ""
    urls: str | list[str] = msgspec.field(default_factory=list)
    sentry_dsn: UrlOrNone = ""
    otlp_endpoint: UrlOrNone = ""
    max_per_hour: Annotated[int, Meta(ge=1, le=1000)] = 20

    def __post_init__(self) -> None:
        if self.webhook_url and not host_of(self.webhook_url):
            msg = "webhook_url: not a URL with a host"
            raise ValueError(msg)
        if self.otlp_endpoint and not host_of(self.otlp_endpoint):
            msg = "otlp_endpoint: not a URL with a host"
            raise ValueError(msg)
        if self.sentry_dsn and not _is_dsn(self.sentry_dsn):
            msg = "sentry_dsn: expected a DSN such as https://KEY@HOST/PROJECT"
            raise ValueError(msg)
        for text in self.secret_texts:
            if (key := _decode_secret(text)) is None or len(key) < _MIN_SECRET_BYTES:
                msg = (
                    f"webhook_secret: expected whsec_ and {_MIN_SECRET_BYTES} bytes or more in "
                    "base64"
                )
                raise ValueError(msg)
        for number, url in enumerate(self.apprise_urls, 1):
            if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s]", url):
                msg = f"urls: number {number} is not a URL"
                raise ValueError(msg)

    def check(self) -> None:
        """Holds the settings of all places against one another.

        Raises:
            ConfigError: the webhook has no secret.
        """
        if self.webhook_url and not self.secret_texts:
            msg = (
                "alerts.webhook_secret: a webhook is signed, so webhook_url needs it: set it to "
                "whsec_ and 32 random bytes in base64"
            )
            raise ConfigError(msg)

    @property
    def secret_texts(self) -> tuple[str, ...]:
        """The secrets of the webhook as they are written, the newest first."""
        return (
            tuple(re.split(r"[\s,]+", self.webhook_secret.strip())) if self.webhook_secret else ()
        )

    @property
    def webhook_keys(self) -> tuple[bytes, ...]:
        """The secrets of the webhook as HMAC keys, the newest first."""
        return tuple(_decode_secret(text) or b"" for text in self.secret_texts)

    @property
    def apprise_urls(self) -> tuple[str, ...]:
        """The URLs of apprise."""
        texts = [self.urls] if isinstance(self.urls, str) else self.urls
        return tuple(
            url for text in texts for url in _URL_SEPARATOR.split(text.strip(" ,\t\r\n")) if url
        )

    def secrets(self) -> tuple[str, ...]:
        """The texts that must not be logged."""
        urls = (self.webhook_url, *self.apprise_urls, self.sentry_dsn, self.otlp_endpoint)
        hidden = (*urls, *self.secret_texts)
        return tuple(text for text in hidden if text)


def _is_dsn(url: str) -> bool:
    """Whether a URL has what a DSN has: a key, a host and, at its end, the number of a project."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    project = parts.path.rpartition("/")[2]
    return bool(parts.username and parts.hostname and port != 0) and project.isdecimal()


def _decode_secret(text: str) -> bytes | None:
    """The key of a secret; None if it is not one. Padding may be missing."""
    encoded = text.removeprefix(_SECRET_PREFIX)
    if encoded == text:
        return None
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (ValueError, binascii.Error):
        return None
