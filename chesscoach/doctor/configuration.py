"""Checks of the settings: where they come from, and whether they can be used."""

from chesscoach.doctor.finding import CheckContext, Finding, ok, unusable, warn
from chesscoach.errors import ConfigError
from chesscoach.jobs import catalog


async def settings_origin(ctx: CheckContext) -> Finding:
    """Names the file that was read and the variables that override it, without their values."""
    if ctx.config_error is not None:
        return unusable(ctx.config_error)
    origin = ctx.settings.origin
    texts = [origin.file or "no config.toml: the defaults apply"]
    for place in ("environment", ".env"):
        names = [name for name, where in origin.variables.items() if where == place]
        source = origin.dotenv or place if place == ".env" else f"the {place}"
        texts += [f"from {source}: {', '.join(names)}"] if names else []
    return ok("; ".join(texts))


async def contact(ctx: CheckContext) -> Finding:
    """Checks that the operators of the sources can reach a person."""
    if ctx.settings.config.sources.contact.strip():
        return ok("[sources] contact is set")
    return warn(
        "[sources] contact is empty, so Chess.com is not synced",
        "set it, or CHESSCOACH_SOURCES__CONTACT, to your email address or web page",
    )


async def schedules(ctx: CheckContext) -> Finding:
    """Checks that each schedule names a job and is enabled."""
    config = ctx.settings.config
    try:
        catalog.check_schedules(config)
    except ConfigError as error:
        return unusable(error)
    enabled = [
        f"{key} ({schedule.cron} {schedule.timezone})"
        for key, schedule in config.schedules.items()
        if schedule.enabled
    ]
    if not enabled:
        return warn("no schedule is enabled: the daemon runs no job", "enable a schedule")
    return ok(", ".join(enabled))
