"""The types that the tables of `config.toml` share."""

from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct

PositiveInt = Annotated[int, Meta(ge=1, le=10_000_000)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Url = Annotated[str, Meta(pattern=r"^https?://[^\s]+\Z", description="an http or https URL")]
UrlOrNone = Annotated[str, Meta(pattern=r"^(https?://[^\s]+)?\Z", description="a URL, or nothing")]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of `config.toml`; an unknown key in it is refused."""


class UpstreamSettings(Section, frozen=True, kw_only=True):
    """A table for a server that gets our requests."""

    base_url: Url

    def __post_init__(self) -> None:
        if not host_of(self.base_url):
            msg = "base_url is not a URL with a host"
            raise ValueError(msg)


def host_of(url: str) -> str | None:
    """The host of a URL; None if it has none."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
