"""The words that the project's prose avoids, and where they occur.

`python -m tools.vocabulary` prints each occurrence and exits with 1 if there is one. It reads the
package, the documentation, the settings and the files of the deployments.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).parent.parent
READ = (
    *("chesscoach", "docs", "README.md", "CONTRIBUTING.md", "config.toml", "Makefile"),
    *("compose.yaml", "crontab", "Dockerfile.cron", ".ci", ".github", "k8s", "systemd"),
)
SUFFIXES = (
    *(".py", ".md", ".toml", ".yaml", ".yml", ".html", ".txt", ".css", ".j2", ".pot"),
    *(".service", ".timer", ".conf", ".cron", ""),
)

INSTEAD = {
    "whoever": "name the actor: the process, the user, the scheduler",
    "nobody": "no process, no player; or say it positively",
    "somebody": "name the actor: another process, a person, the user",
    "he": "they, it, or the player",
    "his": "their, its, or the player's",
    "him": "them, or the player",
    "anew": "again",
    "told": "logged, reported, notified; a variable says what it holds",
    "so many": "the number, or: this many",
    "is to be": "must be, or the imperative",
}
"""Each word with what to write instead."""

QUOTED: tuple[tuple[str, str], ...] = (("chesscoach/sync/account.py", 'name="told"'),)
"""Lines that quote data: a path below the root, and a part of the line."""

_WORDS = re.compile(rf"\b({'|'.join(INSTEAD)})\b".replace(" ", r"[\s#]+"), re.IGNORECASE)
"""Two words may be on two lines, also of a comment."""


def occurrences(root: Path) -> Iterator[tuple[str, int, str]]:
    """Path below the root, line number and word of each avoided word."""
    for name in READ:
        start = root / name
        for path in sorted(start.rglob("*")) if start.is_dir() else [start]:
            if path.suffix not in SUFFIXES or not path.is_file():
                continue
            place, text = str(path.relative_to(root)), path.read_text("utf-8")
            lines = text.splitlines()
            for match in _WORDS.finditer(text):
                number = text.count("\n", 0, match.start()) + 1
                if not any(place == file and part in lines[number - 1] for file, part in QUOTED):
                    yield place, number, re.sub(r"[\s#]+", " ", match[0]).lower()


@click.command()
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    default=ROOT,
    help="Checkout to read (default: ours).",
)
def main(root: Path) -> None:
    """Print each occurrence of a word that the prose avoids."""
    lines = [f"{path}:{n}: {word}: {INSTEAD[word]}" for path, n, word in occurrences(root)]
    if lines:
        click.echo("\n".join(lines))
    sys.exit(1 if lines else 0)


if __name__ == "__main__":
    main(prog_name="python -m tools.vocabulary")
