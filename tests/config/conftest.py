from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from chesscoach import config
from chesscoach.config import Settings
from chesscoach.errors import ConfigError

SECRET = "mongodb://coach:hunter2@db.example/"
Loader: TypeAlias = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    """Loads a file with that text, if one is given, with that environment and nothing else."""

    def _load(text: str | None = None, env: Mapping[str, str] | None = None) -> Settings:
        path: Path | None = None
        if text is not None:
            path = tmp_path / "given.toml"
            path.write_text(text)
        return config.load(str(path) if path else None, env or {})

    return _load


def config_error(
    load: Loader, text: str | None = None, env: Mapping[str, str] | None = None
) -> str:
    """The message of the error that loading raises."""
    with pytest.raises(ConfigError) as caught:
        load(text, env)
    return str(caught.value)
