"""`chesscoach healthcheck`: asks a process of ours how it is, for a container's HEALTHCHECK.

It is started every few seconds, so it imports next to nothing, and asks by the standard library.
"""

import http.client
import json
import sys
import threading
from urllib.parse import urlsplit

import click
from msgspec import Struct

from chesscoach import config as settings
from chesscoach.config import ListenAddress
from chesscoach.errors import ConfigError

_TIMEOUT_S = 3.0
_MAX_TEXT_LENGTH = 300


class HealthResult(Struct, frozen=True, kw_only=True):
    """Whether it is well, and what is told of it in a line."""

    healthy: bool
    text: str


@click.command(epilog="Exit codes: 0 it is well; 1 it is not, or could not be asked.")
@click.option(
    "--url", metavar="URL", help="Ask this one; without a path its /healthz (or /readyz)."
)
@click.option("--ready", is_flag=True, help="Ask /readyz instead of /healthz.")
@click.option("--config", metavar="PATH", help="Another config.toml.")
def healthcheck(url: str | None, ready: bool, config: str | None) -> None:
    """Ask the process on [web] public, else on [web] admin, how it is; 3 seconds at most."""
    path = "/readyz" if ready else "/healthz"
    try:
        finding = _ask(url, path) if url else _ask(f"http://{_configured_address(config)}", path)
    except ConfigError as error:
        finding = HealthResult(healthy=False, text=str(error))
    click.echo(finding.text, err=not finding.healthy)
    sys.exit(0 if finding.healthy else 1)


def _configured_address(path: str | None) -> ListenAddress:
    """Where the configuration says that we listen.

    Raises:
        ConfigError: nowhere, or on a port that it does not tell.
    """
    web = settings.load(path).config.web
    address = web.address("public") or web.address("admin")
    if address is None:
        msg = "web: neither admin nor public is set: there is nothing to ask"
        raise ConfigError(msg)
    if address.port == 0:
        msg = f"web.{'public' if web.public else 'admin'}: the port is any free one: give --url"
        raise ConfigError(msg)
    return address.as_reached_locally


def _ask(url: str, path: str) -> HealthResult:
    """In a thread, for a name that is not resolved cannot be timed out."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or parts.scheme not in ("http", "https"):
        msg = "--url: expected http://host:port"
        raise ConfigError(msg)
    kind = http.client.HTTPConnection if parts.scheme == "http" else http.client.HTTPSConnection
    asked = parts.path if parts.path not in ("", "/") else path
    name = f"{parts.scheme}://{ListenAddress(host=host, port=port or kind.default_port)}{asked}"
    found = [HealthResult(healthy=False, text=f"{name}: no answer within {_TIMEOUT_S:g} s")]
    thread = threading.Thread(
        target=lambda: found.append(_answer(kind(host, port, timeout=_TIMEOUT_S), name, asked)),
        daemon=True,
    )
    thread.start()
    thread.join(_TIMEOUT_S)
    return found[-1]


def _answer(connection: http.client.HTTPConnection, name: str, path: str) -> HealthResult:
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        body = response.read(2**16)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return HealthResult(healthy=False, text=f"{name}: {type(error).__name__}")
    finally:
        connection.close()
    try:
        text = json.dumps(json.loads(body))[:_MAX_TEXT_LENGTH]
    except ValueError:
        text = "(no JSON)"
    return HealthResult(healthy=response.status == 200, text=f"{name}: {response.status} {text}")
