"""The tables of `docs/` that are made from the code: events, metrics, settings, commands, calls.

`python -m tools.reference` writes them; with `--check` it changes nothing and exits with 1 if a
page is stale. A page has them between `<!-- generated: NAME -->` and `<!-- end -->`. The last
columns of events and metrics are written in the page itself, and kept by the name in the first.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import click
from msgspec import Struct

from tools import api_calls, command_help, setting_tables
from tools.log_events import LEVELS, log_events
from tools.metric_names import metrics

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
_BLOCK = re.compile(r"(<!-- generated: ([a-z/]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

Cells: TypeAlias = Mapping[str, tuple[str, ...]]


class Table(Struct, frozen=True, kw_only=True):
    """The generated columns of a table: its rows by name, and the names that need advice."""

    header: tuple[str, ...]
    cells: Cells
    advised: frozenset[str] = frozenset()


class MissingMeaningError(Exception):
    """An event or a metric about which no page says what it means."""


def pages(docs: Path) -> dict[Path, str]:
    """Every page of a folder with a generated block, with the text that it should have.

    Raises:
        MissingMeaningError: an event or a metric has no meaning in any page.
    """
    tables, used, written = _tables(), dict[str, set[str]](), dict[Path, str]()
    makers = _makers()

    def fill(block: re.Match[str]) -> str:
        name, old = block[2], block[3]
        kind = name.partition("/")[0]
        if kind in makers:
            return f"{block[1]}{makers[kind]()}{block[4]}"
        kept = _kept(old, tables[kind])
        used.setdefault(kind, set()).update(kept)
        return f"{block[1]}{_table(tables[kind], kept)}{block[4]}"

    for path in sorted(docs.rglob("*.md")):
        text = path.read_text("utf-8")
        if _BLOCK.search(text):
            written[path] = _BLOCK.sub(fill, text)
    for kind, table in tables.items():
        if missing := sorted(set(table.cells) - used.get(kind, set())):
            names = ", ".join(missing)
            msg = f"docs: add a row with a meaning to a table of {kind} for: {names}"
            raise MissingMeaningError(msg)
    return written


def _makers() -> dict[str, Callable[[], str]]:
    """What generates a whole block, by the name of the block."""
    return {
        "settings": lambda: setting_tables.render(ROOT / "config.toml"),
        "calls": api_calls.calls,
        "commands": command_help.commands,
        "jobs": command_help.jobs,
    }


def _tables() -> dict[str, Table]:
    """The tables of which a page keeps the last columns, by the name of the block."""
    events = log_events()
    return {
        "events": Table(
            header=("event", "level", "fields", "meaning", "what to do"),
            cells={
                name: (
                    ", ".join(level for level in LEVELS if level in event.levels),
                    " ".join(f"`{field}`" for field in sorted(event.fields)),
                )
                for name, event in events.items()
            },
            advised=frozenset(n for n, event in events.items() if event.levels - {"info"}),
        ),
        "metrics": Table(
            header=("metric", "type", "labels", "meaning"),
            cells={
                name: (metric.type, " ".join(f"`{label}`" for label in metric.labels))
                for name, metric in metrics().items()
            },
        ),
    }


def _kept(block: str, table: Table) -> dict[str, list[str]]:
    """The columns of a block that are written in the page, by the name in the first column."""
    kept: dict[str, list[str]] = {}
    for line in block.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        name = cells[0].strip("`") if cells else ""
        if name not in table.cells:
            continue  # the header, or a row of what the code has no more
        own = cells[1 + len(table.cells[name]) :]
        if not own[0] or (name in table.advised and not own[-1]):
            msg = f"docs: {name} needs a meaning, and advice unless it is only information"
            raise MissingMeaningError(msg)
        kept[name] = own
    return kept


def _table(table: Table, kept: Mapping[str, list[str]]) -> str:
    rows = [(f"`{name}`", *table.cells[name], *own) for name, own in kept.items()]
    return "".join(_lines(table.header, rows))


def _lines(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |\n"
    yield f"|{'---|' * len(header)}\n"
    for row in rows:
        yield f"| {' | '.join(row)} |\n".replace("  ", " ")


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 if a page is stale.")
@click.option(
    "--docs", type=click.Path(path_type=Path), default=DOCS, help="Folder of pages (default: docs)."
)
def main(check: bool, docs: Path) -> None:
    """Write the generated tables of docs/."""
    try:
        stale = {
            path: text for path, text in pages(docs).items() if text != path.read_text("utf-8")
        }
    except MissingMeaningError as problem:
        click.echo(str(problem), err=True)
        sys.exit(1)
    for path, text in stale.items():
        name = path.relative_to(docs.parent)
        if not check:
            path.write_text(text, "utf-8")
        click.echo(f"{name} is stale: run `make reference`" if check else f"wrote {name}")
    sys.exit(1 if check and stale else 0)


if __name__ == "__main__":
    main(prog_name="python -m tools.reference")
