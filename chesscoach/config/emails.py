"""`[emails]`: how emails are composed and sent."""

from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta

from chesscoach.config.section import Section, UpstreamSettings, Url, UrlOrNone, host_of
from chesscoach.schedules.schedule import Seconds


class SendGridSettings(UpstreamSettings, frozen=True, kw_only=True):
    """`[emails.sendgrid]`; the key itself is a secret and comes from `SENDGRID_API_KEY` alone."""

    base_url: Url = "https://api.sendgrid.com"
    in_flight: Annotated[int, Meta(ge=1, le=200)] = 20
    timeout_s: Annotated[float, Meta(ge=0.1, le=600)] = 9.0
    sandbox: bool = False
    events_key: Annotated[str, Meta(max_length=1000)] = ""
    resend_after_s: Seconds = 21_600.0
    use_environment_proxy: bool = False


class EmailSettings(Section, frozen=True, kw_only=True):
    """`[emails]`.

    `signing_key` is a secret: code that prints settings must hide it. It holds keys separated by
    commas: the newest first, then older ones that are still accepted.
    """

    public_url: UrlOrNone = ""
    app_url: UrlOrNone = ""
    game_path: Annotated[str, Meta(pattern=r"^/[^\s]*\{game_id\}[^\s]*\Z")] = "/game/{game_id}"
    signing_key: str = ""
    link_valid_days: Annotated[int, Meta(ge=1, le=36_600)] = 366
    sender_name: Annotated[str, Meta(max_length=100, pattern=r'^[^\x00-\x1f\x7f;,"<>]*\Z')] = (
        "Chess Coach"
    )
    outbox_dir: str = ".chesscoach/outbox"
    language: Annotated[str, Meta(pattern=r"^[a-z]{2,3}([_-][A-Za-z]{2,4})?\Z")] = "en"
    locales_dir: str = ""
    no_games_note: bool = False
    default_opt_in: bool = False
    deliver_at: Annotated[str, Meta(pattern=r"^(local ([01]\d|2[0-3]):[0-5]\d)?\Z")] = ""
    timezone: str = "UTC"
    max_late_s: Seconds = 129_600.0
    sendgrid: SendGridSettings = SendGridSettings()

    def __post_init__(self) -> None:
        for name in ("public_url", "app_url"):
            if (url := getattr(self, name)) and not host_of(url):
                msg = f"{name}: not a URL with a host"
                raise ValueError(msg)
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            msg = "timezone: not an IANA name of a time zone"
            raise ValueError(msg) from None

    @property
    def signing_keys(self) -> tuple[str, ...]:
        """The signing keys, newest first."""
        return tuple(key for part in self.signing_key.split(",") if (key := part.strip()))

    def missing_for_sendgrid(self, sender: str | None) -> list[str]:
        """The settings that SendGrid needs and that are not set; `sender` is SENDER_EMAIL."""
        needed = {
            "SENDER_EMAIL": sender,
            "[emails] public_url": self.public_url,
            "[emails] signing_key": self.signing_keys,
        }
        return [name for name, value in needed.items() if not value]

    @property
    def application_url(self) -> str:
        """The base URL of the application's own pages."""
        return (self.app_url or self.public_url).rstrip("/")
