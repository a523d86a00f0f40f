"""The proxies that the environment names: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`."""

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # not in typeshed

from msgspec import Struct

from chesscoach.config.section import host_of
from chesscoach.errors import ConfigError

PROXY_VARIABLES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
"""The variables that are read, in both spellings."""


class Proxies(Struct, frozen=True, kw_only=True):
    """Proxies by the scheme of the URL that is asked for; `no` are the hosts without one.

    The text form hides the URLs, which may have a password.
    """

    http: str = ""
    https: str = ""
    no: str = ""

    def url_for(self, url: str, *, used: bool) -> str | None:
        """The proxy for a URL; None if it is asked for directly, as all are that are not `used`."""
        if not used:
            return None
        parts = urlsplit(url)
        proxy = self.http if parts.scheme == "http" else self.https
        host = parts.netloc.rpartition("@")[2]
        if not proxy or proxy_bypass_environment(host, {"no": self.no}):
            return None
        return proxy

    def secrets(self) -> list[str]:
        """The passwords of the proxies, encoded and decoded."""
        passwords = [urlsplit(url).password or "" for url in (self.http, self.https)]
        return [text for password in passwords for text in (password, unquote(password)) if text]

    def __repr__(self) -> str:
        return "Proxies()"


def read_proxies(environ: Mapping[str, str]) -> Proxies:
    """The proxies of an environment; a name in lower case comes first, as for other programs.

    Raises:
        ConfigError: a proxy is not an http or https URL; the message names the variable.
    """
    return Proxies(
        http=_proxy("HTTP_PROXY", environ),
        https=_proxy("HTTPS_PROXY", environ),
        no=(environ.get("no_proxy") or environ.get("NO_PROXY") or "").strip(),
    )


def _proxy(name: str, environ: Mapping[str, str]) -> str:
    text = (environ.get(name.lower()) or environ.get(name) or "").strip()
    if not text:
        return ""
    url = text if "://" in text else f"http://{text}"
    is_web = url.lower().startswith(("http://", "https://"))
    if not (is_web and url.isascii() and url.isprintable() and host_of(url)):
        msg = f"{name}: not an http or https URL of a proxy"
        raise ConfigError(msg)
    return url
