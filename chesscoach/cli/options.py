"""Options that many commands have. This module imports click alone, for `healthcheck`."""

import click

config_option = click.option(
    "--config",
    metavar="PATH",
    help="Configuration file (default: CHESSCOACH_CONFIG, else config.toml here).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
limit_option = click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Maximum number of rows.",
)
