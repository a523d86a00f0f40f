"""`chesscoach deploy`: what Kubernetes, systemd and cron need to wake us."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import click

from chesscoach import process
from chesscoach.cli import invocation
from chesscoach.config import Settings
from chesscoach.deploy import host, kubernetes, rendering
from chesscoach.deploy.host import InstallPaths
from chesscoach.deploy.rendering import RenderedFiles
from chesscoach.errors import ConfigError
from chesscoach.jobs import catalog
from chesscoach.worker.runner import result

_DEFAULT_PATHS = InstallPaths()
_EXIT_CODES_HELP = (
    "Exit codes: 0 all schedules are there; 1 some are left out; 2 wrong usage or configuration."
)

_out_option = click.option(
    "--out", metavar="DIR", help="Write files there instead of printing them."
)
_prefix_option = click.option(
    "--prefix",
    default=_DEFAULT_PATHS.prefix,
    show_default=True,
    help="The virtual environment that has chesscoach.",
)
_etc_option = click.option(
    "--etc",
    default=_DEFAULT_PATHS.etc,
    show_default=True,
    help="Where config.toml and secrets/ are.",
)
_user_option = click.option(
    "--user", default=_DEFAULT_PATHS.user, show_default=True, help="Who runs it."
)


@click.group(cls=invocation.OneLineErrorGroup)
def group() -> None:
    """Put it where it is to run."""


@group.group(cls=invocation.OneLineErrorGroup)
def render() -> None:
    """Write the schedules of the configuration for somebody else who keeps time.

    What a home cannot express is left out and said; a daemon works it all the same.
    """


@render.command(epilog=_EXIT_CODES_HELP)
@_out_option
@invocation.config_option
def k8s(out: str | None, config: str | None) -> None:
    """Write a CronJob per schedule."""
    _render_files(out, config, lambda loaded, now: kubernetes.render(loaded.config, now))


@render.command(epilog=_EXIT_CODES_HELP)
@_out_option
@_prefix_option
@_etc_option
@_user_option
@invocation.config_option
def systemd(out: str | None, prefix: str, etc: str, user: str, config: str | None) -> None:
    """Write the daemon's service and a timer per schedule."""
    places = InstallPaths(
        prefix=_parse_path(prefix), etc=_parse_path(etc), user=_parse_user_name(user)
    )
    _render_files(out, config, lambda loaded, now: host.units(loaded.config, places, now))


@render.command(epilog=_EXIT_CODES_HELP)
@_out_option
@_prefix_option
@_etc_option
@_user_option
@click.option(
    "--state", default=_DEFAULT_PATHS.state, show_default=True, help="A directory of that user's."
)
@click.option(
    "--server-timezone",
    metavar="ZONE",
    help="The zone of the server's clock, by which cron goes; by default this machine's.",
)
@invocation.config_option
def crontab(
    out: str | None,
    prefix: str,
    etc: str,
    user: str,
    state: str,
    server_timezone: str | None,
    config: str | None,
) -> None:
    """Write a line per schedule."""
    places = InstallPaths(
        prefix=_parse_path(prefix),
        etc=_parse_path(etc),
        state=_parse_path(state),
        user=_parse_user_name(user),
        timezone=_parse_timezone(server_timezone)
        if server_timezone
        else _local_timezone(Path("/etc/localtime")),
    )
    _render_files(out, config, lambda loaded, now: host.crontab(loaded.config, places, now))


def _render_files(
    out: str | None, config: str | None, make: Callable[[Settings, datetime], RenderedFiles]
) -> None:
    clock: Callable[[], datetime] | None = click.get_current_context().obj
    try:
        loaded = process.load_settings(config, stream="stderr")
        catalog.check_schedules(loaded.config)
        made = make(loaded, clock() if clock else datetime.now(UTC))
        if out is None:
            _print_files(made)
        else:
            _write_files(made, Path(out))
    except ConfigError as error:
        invocation.print_error(str(error))
        sys.exit(result.EXIT_USAGE)
    for each in made.skipped:
        invocation.print_error(f"left out: {each.id}, for {each.reason}; the daemon works it")
    sys.exit(result.EXIT_FAILED if made.skipped else result.EXIT_DONE)


def _print_files(made: RenderedFiles) -> None:
    """One after another: YAML remains YAML, and units are shown as by `systemctl cat`."""
    for name, text in made.files.items():
        if len(made.files) > 1:
            click.echo("---" if name.endswith(".yaml") else f"# {name}")
        click.echo(text, nl=False)


def _write_files(made: RenderedFiles, folder: Path) -> None:
    """Writes the files, and removes those of ours that are none any more.

    Raises:
        ConfigError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in sorted([*folder.glob("*"), *folder.glob("*.d/*")]):
            name = str(old.relative_to(folder))
            if old.is_file() and name not in made.files and _is_generated(made, old):
                old.unlink()
                click.echo(f"removed {old}")
        for name, text in made.files.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
            click.echo(f"wrote {path}")
    except OSError as error:
        msg = f"--out: {folder}: {error.strerror}"
        raise ConfigError(msg) from None


def _is_generated(made: RenderedFiles, file: Path) -> bool:
    with file.open("rb") as lines:
        return rendering.generated_header(made.target).encode() in lines.readline(400)


def _local_timezone(link: Path) -> str:
    """The zone of this machine's clock; UTC where it does not say."""
    _, _, name = str(link.resolve()).partition("/zoneinfo/")
    return name if name in available_timezones() else "UTC"


def _parse_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        msg = "not in the IANA database"
        raise click.BadParameter(msg, param_hint="--server-timezone") from None
    return name


def _parse_path(text: str) -> str:
    """A path that neither a unit nor a shell reads as something else."""
    plain = text.replace("/", "").replace(".", "").replace("-", "").replace("_", "")
    if not text.startswith("/") or not (plain.isascii() and plain.isalnum()):
        msg = f"{text[:80]!r} is no absolute path of letters, digits, dots, dashes and underscores"
        raise click.BadParameter(msg)
    return text.rstrip("/")


def _parse_user_name(text: str) -> str:
    plain = text.replace("-", "").replace("_", "")
    if not (plain.isascii() and plain.isalnum()) or text.startswith("-"):
        msg = f"{text[:80]!r} is no user's name"
        raise click.BadParameter(msg)
    return text
