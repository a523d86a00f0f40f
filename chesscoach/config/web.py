"""`[web]`: the listeners, and who may use the one for operators."""

from typing import Annotated, Literal

from msgspec import Meta

from chesscoach.config.listen_address import ListenAddress
from chesscoach.config.section import Section

Listener = Literal["admin", "public"]
LISTENERS: tuple[Listener, ...] = ("admin", "public")
MIN_TOKEN_LENGTH = 32

_Token = Annotated[
    str,
    Meta(
        pattern=r"^[\x21-\x7e]{0,512}\Z",
        description="printable ASCII without spaces, at most 512 characters",
    ),
]
_Host = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?\Z",
        description="a host, with a port unless it is 80 or 443",
    ),
]
_Hosts = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9.\-\[\]:, ]*\Z",
        description="hosts, separated by commas",
    ),
]


class WebSettings(Section, frozen=True, kw_only=True):
    """`[web]`: an empty address is off.

    The tokens are secrets: code that prints settings must hide them. `hosts` is a list, or a text
    with commas, since a variable of the environment is a text.
    """

    admin: str = "127.0.0.1:8080"
    public: str = ""
    allow_remote_admin: bool = False
    admin_token: _Token = ""
    read_token: _Token = ""
    base_path: Annotated[str, Meta(pattern=r"^(/[A-Za-z0-9._~-]+)*\Z", max_length=200)] = ""
    hosts: tuple[_Host, ...] | _Hosts = ()

    def __post_init__(self) -> None:
        for listener in LISTENERS:
            try:
                self.address(listener)
            except ValueError as error:
                msg = f"{listener}: {error}"
                raise ValueError(msg) from None
        for name in ("admin_token", "read_token"):
            if 0 < len(getattr(self, name)) < MIN_TOKEN_LENGTH:
                msg = f"{name}: shorter than {MIN_TOKEN_LENGTH} characters"
                raise ValueError(msg)
        if self.read_token and not self.admin_token:
            msg = "read_token: of no use without admin_token: set that too"
            raise ValueError(msg)
        if self.read_token and self.read_token == self.admin_token:
            msg = "read_token: the same as admin_token: use another"
            raise ValueError(msg)
        admin = self.address("admin")
        if admin is None or admin.is_loopback or self.admin_token or self.allow_remote_admin:
            return
        msg = (
            "admin: other machines can reach the address, and it has no login; use 127.0.0.1, "
            f"or set web.admin_token to at least {MIN_TOKEN_LENGTH} characters"
        )
        raise ValueError(msg)

    def address(self, listener: Listener) -> ListenAddress | None:
        """The address of a listener; None if it is off."""
        text = self.admin if listener == "admin" else self.public
        return ListenAddress.parse(text) if text else None

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens that are set."""
        return tuple(filter(None, (self.admin_token, self.read_token)))

    @property
    def host_names(self) -> tuple[str, ...]:
        """The configured hosts, in lower case."""
        hosts = self.hosts.split(",") if isinstance(self.hosts, str) else self.hosts
        return tuple(host.strip().lower() for host in hosts if host.strip())
