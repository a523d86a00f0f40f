import pytest

from chesscoach.config.proxies import Proxies, read_proxies
from chesscoach.errors import ConfigError
from tests.config.conftest import Loader

URL = "https://api.chess.com/pub"
PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": PROXY}, PROXY),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, PROXY),
        ({"HTTP_PROXY": PROXY}, None),
        ({"HTTPS_PROXY": "proxy.example:3128"}, PROXY),
        ({"HTTPS_PROXY": f" {PROXY}\n"}, PROXY),
        ({"HTTPS_PROXY": ""}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "localhost, chess.com"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": ".chess.com"}, None),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "*"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "api.chess.com"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "notchess.com,lichess.org"}, PROXY),
    ],
)
def test_the_proxy_of_a_url_is_the_one_of_its_scheme_unless_no_proxy_has_its_host(
    environ: dict[str, str], proxy: str | None
) -> None:
    assert read_proxies(environ).url_for(URL, used=True) == proxy
    assert read_proxies(environ).url_for(URL, used=False) is None


@pytest.mark.parametrize(
    "value", ["socks5://p:1", "http://", "http://[", "ftp://p", "://x", "http://p\n:1", "pé"]
)
def test_an_invalid_proxy_url_is_refused_by_the_name_of_its_variable(
    load: Loader, value: str
) -> None:
    environ = {"HTTPS_PROXY": value, "CHESSCOACH_SOURCES__USE_ENVIRONMENT_PROXY": "true"}
    with pytest.raises(ConfigError, match=r"^HTTPS_PROXY: not an http or https URL of a proxy$"):
        load(None, environ)


def test_a_proxy_that_no_setting_uses_is_not_read(load: Loader) -> None:
    settings = load(None, {"HTTPS_PROXY": "socks5://user:hunter2@p:1"})

    assert settings.process.proxies == Proxies()


def test_the_password_of_a_proxy_is_a_secret(load: Loader) -> None:
    environ = {
        "https_proxy": "http://user:hunter%402@proxy:3128",
        "CHESSCOACH_EMAILS__SENDGRID__USE_ENVIRONMENT_PROXY": "1",
    }
    process = load(None, environ).process

    assert {"hunter%402", "hunter@2"} <= set(process.secrets())
    assert "hunter" not in repr(process) + repr(process.proxies)
