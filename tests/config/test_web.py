"""`[web]`: tokens, hosts and the base path."""

from pathlib import Path

import pytest

from chesscoach import config
from chesscoach.errors import ConfigError

TOKEN = "t" * 32


@pytest.mark.parametrize(
    ("env", "key"),
    [
        ({"ADMIN": "0.0.0.0:8080"}, "web.admin_token"),
        ({"ADMIN": "coach.example:8080", "ADMIN_TOKEN": "t" * 31}, "web.admin_token"),
        ({"ADMIN_TOKEN": "short"}, "web.admin_token"),
        ({"ADMIN_TOKEN": f"{TOKEN} x"}, "web.admin_token"),
        ({"READ_TOKEN": TOKEN}, "web.read_token"),
        ({"READ_TOKEN": TOKEN, "ADMIN_TOKEN": TOKEN}, "web.read_token"),
        ({"BASE_PATH": "/"}, "web.base_path"),
        ({"BASE_PATH": "coach"}, "web.base_path"),
        ({"BASE_PATH": "/co'ach"}, "web.base_path"),
        ({"HOSTS": "coach example/"}, "web.hosts"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_key(env: dict[str, str], key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        config.load(None, {f"CHESSCOACH_WEB__{name}": value for name, value in env.items()})
    assert key in str(refused.value)
    assert TOKEN not in str(refused.value)


def test_a_token_comes_from_the_environment_or_a_file_and_is_a_secret(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    loaded = config.load(
        None,
        {
            "CHESSCOACH_WEB__ADMIN": "0.0.0.0:8080",
            "CHESSCOACH_WEB__ADMIN_TOKEN_FILE": str(tmp_path / "token"),
            "CHESSCOACH_WEB__READ_TOKEN": "r" * 40,
        },
    )
    assert loaded.config.web.admin_token == TOKEN
    assert set(loaded.process.secrets()) >= {TOKEN, "r" * 40}
    assert str(tmp_path / "token") in loaded.origin.secret_files


def test_hosts_are_a_list_or_a_text_with_commas(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[web]\nhosts = ['Coach.example.org', '[::2]:8443']")
    assert config.load(str(file), {}).config.web.host_names == ("coach.example.org", "[::2]:8443")
    env = {"CHESSCOACH_WEB__HOSTS": "a.example, b.example:81,"}
    assert config.load(None, env).config.web.host_names == ("a.example", "b.example:81")
