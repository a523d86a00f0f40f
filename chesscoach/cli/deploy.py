"""`chesscoach deploy`: the configured schedules as files for Kubernetes, systemd and cron."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import click

from chesscoach import process
from chesscoach.cli import invocation
from chesscoach.cli.options import config_option
from chesscoach.config import Settings
from chesscoach.deploy import crontab as crontab_file
from chesscoach.deploy import kubernetes, rendering
from chesscoach.deploy import systemd as systemd_units
from chesscoach.deploy.rendering import InstallPaths, RenderedFiles
from chesscoach.errors import ConfigError
from chesscoach.jobs import catalog
from chesscoach.worker.runner import result

_DEFAULT_PATHS = InstallPaths()
_EXIT_CODES_HELP = (
    "Exit codes: 0 all enabled schedules are rendered; 1 some are left to the daemon; 2 wrong "
    "usage or configuration."
)

_out_option = click.option(
    "--out", metavar="DIR", help="Folder for the files (default: print them)."
)
_prefix_option = click.option(
    "--prefix",
    default=_DEFAULT_PATHS.prefix,
    show_default=True,
    help="Virtual environment that has chesscoach.",
)
_etc_option = click.option(
    "--etc",
    default=_DEFAULT_PATHS.etc,
    show_default=True,
    help="Folder of config.toml and secrets/.",
)
_user_option = click.option(
    "--user", default=_DEFAULT_PATHS.user, show_default=True, help="User that runs the jobs."
)


@click.group(cls=invocation.OneLineErrorGroup)
def group() -> None:
    """Files for running chesscoach in production."""


@group.group(cls=invocation.OneLineErrorGroup)
def render() -> None:
    """Render the configured schedules for Kubernetes, systemd or cron.

    Only plain cron expressions of five fields, with their time zone, are rendered. Every other
    schedule is left to the daemon and named.
    """


@render.command(epilog=_EXIT_CODES_HELP)
@_out_option
@config_option
def k8s(out: str | None, config: str | None) -> None:
    """Render a CronJob per schedule."""
    _render_files(out, config, lambda loaded, now: kubernetes.render(loaded.config, now))


@render.command(epilog=_EXIT_CODES_HELP)
@_out_option
@_prefix_option
@_etc_option
@_user_option
@config_option
def systemd(out: str | None, prefix: str, etc: str, user: str, config: str | None) -> None:
    """Render the daemon's service and a timer per schedule."""
    paths = InstallPaths(
        prefix=_parse_path(prefix), etc=_parse_path(etc), user=_parse_user_name(user)
    )
    _render_files(out, config, lambda loaded, now: systemd_units.render(loaded.config, paths, now))


@render.command(epilog=_EXIT_CODES_HELP)
@_out_option
@_prefix_option
@_etc_option
@_user_option
@click.option(
    "--state",
    default=_DEFAULT_PATHS.state,
    show_default=True,
    help="Working directory, owned by that user.",
)
@click.option(
    "--server-timezone",
    metavar="ZONE",
    help="Time zone of the server's clock (default: this machine's).",
)
@config_option
def crontab(
    out: str | None,
    prefix: str,
    etc: str,
    user: str,
    state: str,
    server_timezone: str | None,
    config: str | None,
) -> None:
    """Render a crontab with a line per schedule."""
    paths = InstallPaths(
        prefix=_parse_path(prefix),
        etc=_parse_path(etc),
        state=_parse_path(state),
        user=_parse_user_name(user),
    )
    timezone = (
        _parse_timezone(server_timezone)
        if server_timezone
        else _local_timezone(Path("/etc/localtime"))
    )
    _render_files(
        out, config, lambda loaded, now: crontab_file.render(loaded.config, paths, timezone, now)
    )


def _render_files(
    out: str | None, config: str | None, make: Callable[[Settings, datetime], RenderedFiles]
) -> None:
    clock: Callable[[], datetime] | None = click.get_current_context().obj
    try:
        loaded = process.load_settings(config, stream="stderr")
        catalog.check_schedules(loaded.config)
        rendered = make(loaded, clock() if clock else datetime.now(UTC))
        if out is None:
            _print_files(rendered)
        else:
            _write_files(rendered, Path(out))
    except ConfigError as error:
        invocation.print_error(str(error))
        sys.exit(result.EXIT_USAGE)
    for schedule in rendered.skipped:
        invocation.print_error(f"left to the daemon: {schedule.id}, because {schedule.reason}")
    schedules = loaded.config.schedules
    is_any_left = any(schedules[schedule.id].enabled for schedule in rendered.skipped)
    sys.exit(result.EXIT_FAILED if is_any_left else result.EXIT_DONE)


def _print_files(rendered: RenderedFiles) -> None:
    """Prints files one after another: YAML stays YAML, and units look as by `systemctl cat`."""
    for name, text in rendered.files.items():
        if len(rendered.files) > 1:
            click.echo("---" if name.endswith(".yaml") else f"# {name}")
        click.echo(text, nl=False)


def _write_files(rendered: RenderedFiles, folder: Path) -> None:
    """Writes the files, and deletes earlier rendered files that have no schedule any more.

    Raises:
        ConfigError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in sorted([*folder.glob("*"), *folder.glob("*.d/*")]):
            name = str(old.relative_to(folder))
            if old.is_file() and name not in rendered.files and _is_generated(rendered, old):
                old.unlink()
                click.echo(f"removed {old}")
        for name, text in rendered.files.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
            click.echo(f"wrote {path}")
    except OSError as error:
        msg = f"--out: {folder}: {error.strerror}"
        raise ConfigError(msg) from None


def _is_generated(rendered: RenderedFiles, file: Path) -> bool:
    with file.open("rb") as lines:
        return rendering.generated_header(rendered.target).encode() in lines.readline(400)


def _local_timezone(link: Path) -> str:
    """Returns the time zone of this machine's clock; UTC if it is not known."""
    _, _, name = str(link.resolve()).partition("/zoneinfo/")
    return name if name in available_timezones() else "UTC"


def _parse_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        msg = f"{name[:80]!r} is not an IANA name, such as Europe/Berlin"
        raise click.BadParameter(msg, param_hint="--server-timezone") from None
    return name


def _parse_path(text: str) -> str:
    """Checks that neither a unit nor a shell reads a path as something else."""
    plain = text.replace("/", "").replace(".", "").replace("-", "").replace("_", "")
    if not text.startswith("/") or not (plain.isascii() and plain.isalnum()):
        msg = f"{text[:80]!r} is not an absolute path of letters, digits, '.', '-' and '_'"
        raise click.BadParameter(msg)
    return text.rstrip("/")


def _parse_user_name(text: str) -> str:
    plain = text.replace("-", "").replace("_", "")
    if not (plain.isascii() and plain.isalnum()) or text.startswith("-"):
        msg = f"{text[:80]!r} is not a user name"
        raise click.BadParameter(msg)
    return text
