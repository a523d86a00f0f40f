"""`chesscoach doctor`: checks an installation; the checks are in `chesscoach.doctor`."""

import sys

import click

from chesscoach import process
from chesscoach.cli.options import config_option, json_option
from chesscoach.config import Settings
from chesscoach.doctor import checks, report
from chesscoach.doctor.finding import Finding
from chesscoach.errors import ConfigError
from chesscoach.worker.shutdown import Interrupted, ShutdownRequest


@click.command(
    epilog="Exit codes: 0 no check fails; 1 a check fails; 2 the configuration cannot be used."
)
@config_option
@json_option
def doctor(config: str | None, as_json: bool) -> None:
    """Check configuration, database, sources and secrets; say what is wrong and what to do.

    Each source gets one request, unless it is paused, its breaker is open, or a run uses it. Each
    line begins with ok, warn or FAIL. No line shows a secret.
    """

    def print_finding(finding: Finding) -> None:
        if not as_json:
            click.echo(report.finding_line(finding))

    def load() -> Settings:
        try:
            return process.load_settings(config, stream="stderr")
        except ConfigError as error:
            finding = checks.configuration_finding(error)
            click.echo(report.to_json([finding]) if as_json else report.finding_line(finding))
            raise

    async def body(settings: Settings, stop: ShutdownRequest) -> int:
        try:
            findings = await stop.run_interruptible(checks.run_checks(settings, print_finding))
        except Interrupted:
            return 128 + (stop.signal or 0)
        if as_json:
            click.echo(report.to_json(findings))
        if unusable := [finding.what for finding in findings if finding.unusable]:
            raise ConfigError(unusable[0])
        return checks.exit_code(findings)

    sys.exit(process.execute_alone(load, body))
