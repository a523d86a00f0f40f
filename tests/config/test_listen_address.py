import pytest

from chesscoach.config import ListenAddress, WebSettings
from tests.config.conftest import Loader


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080, True),
        ("127.9.9.9:0", "127.9.9.9", 0, True),
        ("localhost:80", "localhost", 80, True),
        ("[::1]:8080", "::1", 8080, True),
        ("0.0.0.0:8081", "0.0.0.0", 8081, False),  # noqa: S104  # a value, not bound
        ("[::]:8081", "::", 8081, False),
        ("10.0.0.7:65535", "10.0.0.7", 65_535, False),
        ("coach.example:443", "coach.example", 443, False),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host: str, port: int, loopback: bool) -> None:
    address = ListenAddress.parse(text)

    assert (address.host, address.port, address.is_loopback) == (host, port, loopback)
    assert str(address) == text
    assert str(WebSettings(public=text).address("public")) == text


def test_an_address_of_all_interfaces_is_reached_on_this_machine() -> None:
    for text, near in (("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("a:1", "a:1")):
        assert str(ListenAddress.parse(text).as_reached_locally) == near


def test_operators_may_open_the_admin_listener_to_other_machines(load: Loader) -> None:
    text = "[web]\nadmin = '0.0.0.0:8080'\nallow_remote_admin = true"

    assert str(load(text).config.web.address("admin")) == "0.0.0.0:8080"


def test_an_empty_address_turns_the_listener_off(load: Loader) -> None:
    web = load("[web]\nadmin = ''").config.web

    assert (web.address("admin"), web.address("public")) == (None, None)
