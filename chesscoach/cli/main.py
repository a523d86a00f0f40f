"""The `chesscoach` command: the root group and the list of what is in it."""

import click

from chesscoach import __version__
from chesscoach.cli import accounts, alerts, db, deploy, emails, runs
from chesscoach.cli.doctor import doctor
from chesscoach.cli.healthcheck import healthcheck
from chesscoach.cli.invocation import OneLineErrorGroup
from chesscoach.cli.momentum import group as momentum
from chesscoach.cli.schedules import group as schedules
from chesscoach.cli.training import recommendations, routines, sessions
from chesscoach.cli.training.progress import progress
from chesscoach.cli.web import web


@click.group(
    cls=OneLineErrorGroup,
    epilog="Exit codes: 0 done; 1 failed, or the database cannot be reached; 2 wrong usage or "
    "configuration, or what the command names does not exist. A command that differs says so.",
)
@click.version_option(__version__)
def main() -> None:
    """Operate the background worker of a chess-coaching application.

    `python -m chesscoach.jobs.NAME` runs a job, `python -m chesscoach` the daemon.
    """


main.add_command(accounts.group, "accounts")
main.add_command(schedules.group, "schedules")
main.add_command(runs.group, "runs")
main.add_command(emails.group, "emails")
main.add_command(momentum.group, "momentum")
main.add_command(progress)
main.add_command(recommendations.group, "recommendations")
main.add_command(routines.group, "routines")
main.add_command(sessions.group, "sessions")
main.add_command(alerts.group, "alerts")
main.add_command(db.group, "db")
main.add_command(deploy.group, "deploy")
main.add_command(doctor)
main.add_command(web)
main.add_command(healthcheck)
