"""Where the program mongod is found, and what is reported if it cannot start."""

import os
import sys
from pathlib import Path

import pytest

from chesscoach.errors import StoreUnavailable
from chesscoach.mongo.embedded import EmbeddedServer
from chesscoach.mongo.mongod import find_mongod


def fake_mongod(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts a shell script called mongod on PATH."""
    fake = folder / "mongod"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return fake


def test_without_any_mongod_the_error_names_both_ways_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "path", [])

    with pytest.raises(StoreUnavailable, match=r"MONGO_URL.*chesscoach\[embedded\]"):
        EmbeddedServer(folder).start_or_join()


def test_on_windows_the_error_names_the_supported_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")

    with pytest.raises(StoreUnavailable, match="Linux and macOS"):
        find_mongod()


def test_the_mongod_on_path_takes_precedence_over_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_mongod() != fake_mongod(tmp_path, "exit 1", monkeypatch) == find_mongod()


def test_the_binary_in_the_wheel_is_found_without_an_import_and_made_executable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = tmp_path / "fiftyone" / "db" / "bin" / "mongod"
    binary.parent.mkdir(parents=True)
    binary.touch(mode=0o644)
    for package in (binary.parents[2], binary.parents[1]):
        (package / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])

    assert find_mongod() == binary
    assert os.access(binary, os.X_OK)


LIBRARY = "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            f"echo '{LIBRARY}' >&2; exit 127",
            r"libcurl\.so\.4.* install libcurl4.* MONGO_URL",
        ),
        ("echo 'GLIBC not found' >&2; exit 1", "GLIBC not found"),
        ("""for w; do [ "$p" = --logpath ] && echo '{"s":"F","x":"bad data"}' >>"$w"; p=$w; done
            exit 100""", "bad data"),
    ],
)  # fmt: skip
def test_a_mongod_that_cannot_start_is_an_error_with_its_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    fake_mongod(folder.parent, script, monkeypatch)

    with pytest.raises(StoreUnavailable, match=reason):
        EmbeddedServer(folder).start_or_join()


def test_a_folder_that_cannot_be_created_is_an_error_that_names_it(folder: Path) -> None:
    folder.touch()

    with pytest.raises(StoreUnavailable, match=str(folder)):
        EmbeddedServer(folder).start_or_join()
