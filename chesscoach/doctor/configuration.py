"""The settings: which count and where they stand, and whether they mean something."""

from chesscoach.doctor.finding import CheckContext, Finding, ok, unusable, warn
from chesscoach.errors import ConfigError
from chesscoach.jobs import catalog


async def origin(patient: CheckContext) -> Finding:
    """Which file was read, and which variables count over it; no values."""
    if patient.config_error is not None:
        return unusable(patient.config_error)
    found = patient.settings.origin
    said = [found.file or "no config.toml, so the defaults"]
    for place in ("environment", ".env"):
        names = [name for name, where in found.variables.items() if where == place]
        source = found.dotenv or place if place == ".env" else f"the {place}"
        said += [f"from {source}: {', '.join(names)}"] if names else []
    return ok("; ".join(said))


async def contact(patient: CheckContext) -> Finding:
    """Whether the sites' operators can reach somebody; what follows is told of the site."""
    if patient.settings.config.sources.contact.strip():
        return ok("[sources] contact is set")
    return warn(
        "[sources] contact is empty, so that Chess.com is not asked",
        "set it, or CHESSCOACH_SOURCES__CONTACT, to an address or a page of yours",
    )


async def schedules(patient: CheckContext) -> Finding:
    """Whether each schedule is of a job that there is, and would do something."""
    config = patient.settings.config
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
        return warn("nothing is scheduled: the daemon has nothing to do", "enable a schedule")
    return ok(", ".join(enabled))
