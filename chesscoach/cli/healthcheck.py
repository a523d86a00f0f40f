"""`chesscoach healthcheck`: asks a running process for its health, for a container's HEALTHCHECK.

A container runs it every few seconds, so it imports next to nothing and uses the standard library.
"""

import http.client
import json
import sys
import threading
from urllib.parse import urlsplit

import click
from msgspec import Struct

from chesscoach import config as settings
from chesscoach.cli.options import config_option
from chesscoach.config import ListenAddress
from chesscoach.errors import ConfigError

_TIMEOUT_S = 3.0
_MAX_TEXT_LENGTH = 300


class HealthResult(Struct, frozen=True, kw_only=True):
    """Whether the process is healthy, and a line about it."""

    healthy: bool
    text: str


@click.command(epilog="Exit codes: 0 healthy; 1 not healthy, or no response.")
@click.option(
    "--url",
    metavar="URL",
    help="Address to ask (default: the configured one); without a path, /healthz or /readyz.",
)
@click.option("--ready", is_flag=True, help="Ask /readyz instead of /healthz.")
@config_option
def healthcheck(url: str | None, ready: bool, config: str | None) -> None:
    """Ask the process on [web] public, else on [web] admin, for its health (timeout: 3 s)."""
    path = "/readyz" if ready else "/healthz"
    try:
        health = _ask(url, path) if url else _ask(f"http://{_configured_address(config)}", path)
    except ConfigError as error:
        health = HealthResult(healthy=False, text=str(error))
    click.echo(health.text, err=not health.healthy)
    sys.exit(0 if health.healthy else 1)


def _configured_address(path: str | None) -> ListenAddress:
    """The address on which the configuration lets the process listen.

    Raises:
        ConfigError: it names no listener, or any free port.
    """
    web = settings.load(path).config.web
    address = web.address("public") or web.address("admin")
    if address is None:
        msg = "web: neither admin nor public is set: give --url"
        raise ConfigError(msg)
    if address.port == 0:
        msg = f"web.{'public' if web.public else 'admin'}: port 0 is any free port: give --url"
        raise ConfigError(msg)
    return address.as_reached_locally


def _ask(url: str, path: str) -> HealthResult:
    """Asks in a thread, because resolving a name has no timeout."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or parts.scheme not in ("http", "https"):
        msg = "--url: expected http://host:port"
        raise ConfigError(msg)
    kind = http.client.HTTPConnection if parts.scheme == "http" else http.client.HTTPSConnection
    asked_path = parts.path if parts.path not in ("", "/") else path
    name = (
        f"{parts.scheme}://{ListenAddress(host=host, port=port or kind.default_port)}{asked_path}"
    )
    results = [HealthResult(healthy=False, text=f"{name}: no response within {_TIMEOUT_S:g} s")]
    thread = threading.Thread(
        target=lambda: results.append(
            _request(kind(host, port, timeout=_TIMEOUT_S), name, asked_path)
        ),
        daemon=True,
    )
    thread.start()
    thread.join(_TIMEOUT_S)
    return results[-1]


def _request(connection: http.client.HTTPConnection, name: str, path: str) -> HealthResult:
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
