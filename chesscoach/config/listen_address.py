"""The address of a listener: `host:port`, an IPv6 address in brackets."""

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
        """Parses `host:port`.

        Raises:
            ValueError: the text is not an address; the message does not quote it.
        """
        match = _ADDRESS_PATTERN.fullmatch(text) if text.isascii() else None
        if match is None or int(match["port"]) > 65_535:
            msg = "expected host:port, such as 127.0.0.1:8080 or [::1]:8080"
            raise ValueError(msg)
        host = match["ip6"] or match["host"]
        if match["ip6"] or re.fullmatch(r"[0-9.]+", host):
            try:
                ipaddress.ip_address(host)
            except ValueError:
                msg = "the host is not an IP address"
                raise ValueError(msg) from None
        return cls(host=host, port=int(match["port"]))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it; of names, only localhost counts."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    @property
    def as_reached_locally(self) -> "ListenAddress":
        """The address for requests from this machine: `0.0.0.0` and `::` become loopback."""
        nearest = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # not bound here
        return ListenAddress(host=nearest.get(self.host, self.host), port=self.port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
