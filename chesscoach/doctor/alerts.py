"""Checks of the receivers of alerts; none of them gets a message."""

import msgspec

from chesscoach.alerts.apprise_receiver import check_urls
from chesscoach.alerts.sentry import check_installed
from chesscoach.alerts.traces import check_otel_installed
from chesscoach.doctor.finding import CheckContext, Finding, ok, unusable
from chesscoach.errors import ConfigError


async def receivers(ctx: CheckContext) -> Finding:
    """Names the receivers of alerts and the jobs with pings; extras must be installed."""
    settings, jobs = ctx.settings.config.alerts, ctx.settings.config.jobs
    try:
        await check_urls(settings.apprise_urls)
        check_installed(settings.sentry_dsn)
        check_otel_installed(settings.otlp_endpoint)
    except ConfigError as error:
        return unusable(error)
    found = ["a webhook"] if settings.webhook_url else []
    if count := len(settings.apprise_urls):
        found.append(f"{count} URL{'s' if count > 1 else ''} of apprise")
    if not found:
        found = ["no receiver: alerts are lines of the log and metrics alone"]
    pinging = [
        field.name for field in msgspec.structs.fields(jobs) if jobs.limits_of(field.name).ping_url
    ]
    found += ["check-ins at Sentry"] if settings.sentry_dsn else []
    found += ["spans of runs by OTLP"] if settings.otlp_endpoint else []
    found += [f"pings of {', '.join(pinging)}"] if pinging else []
    return ok("; ".join(found))
