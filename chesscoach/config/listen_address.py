"""Where a listener listens: `host:port`, an IPv6 address in brackets."""

import ipaddress
import re

from msgspec import Struct

_ADDRESS_PATTERN = re.compile(
    r"(?:\[(?P<ip6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9.-]{1,253})):(?P<port>\d{1,5})"
)


class ListenAddress(Struct, frozen=True, kw_only=True):
    """A host (a name or an IP address, without brackets) and a port; 0 is any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "ListenAddress":
        """Reads it.

        Raises:
            ValueError: it is none; the text is not quoted.
        """
        found = _ADDRESS_PATTERN.fullmatch(text) if text.isascii() else None
        if found is None or int(found["port"]) > 65_535:
            msg = "expected host:port, such as 127.0.0.1:8080 or [::1]:8080"
            raise ValueError(msg)
        host = found["ip6"] or found["host"]
        if found["ip6"] or re.fullmatch(r"[0-9.]+", host):
            try:
                ipaddress.ip_address(host)
            except ValueError:
                msg = "its host is no IP address"
                raise ValueError(msg) from None
        return cls(host=host, port=int(found["port"]))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it; a name other than localhost may be any."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    @property
    def as_reached_locally(self) -> "ListenAddress":
        """The same as seen from this machine: `0.0.0.0` and `::` are listened on, not asked."""
        nearest = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # not bound here
        return ListenAddress(host=nearest.get(self.host, self.host), port=self.port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
