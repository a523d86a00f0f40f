"""Time zones by name, checked: a name that there is not means the default zone."""

from zoneinfo import ZoneInfo, available_timezones

from chesscoach.training.sessions.routine import ZoneSource


class Zones:
    """The zones that there are, and the default one. Making it reads the disk."""

    def __init__(self, default: str) -> None:
        self._names = available_timezones()
        self.default = ZoneInfo(default)

    def known(self, name: object) -> ZoneInfo | None:
        """The zone of a name; None if there is none."""
        return ZoneInfo(str(name)) if isinstance(name, str) and str(name) in self._names else None

    def of_user(self, name: object) -> tuple[ZoneInfo, ZoneSource]:
        """The zone of a user's setting, and where it comes from."""
        zone = self.known(name)
        if zone is not None:
            return zone, "user"
        return self.default, "default" if name is None or name == "" else "invalid"
