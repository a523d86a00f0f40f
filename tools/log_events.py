"""Log events of the package, read from its source: levels and fields of each event."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from msgspec import Struct

PACKAGE = Path(__file__).parent.parent / "chesscoach"
LEVELS = ("debug", "info", "warning", "error", "critical")
RECORDS: dict[str, set[str]] = {
    "job_finished": {"info", "warning", "error"},
    "dry_run_finished": {"info"},
    "nothing_to_run": set(),
}
"""Run records, which are logged as a whole or only printed by `--json`, with their levels."""


class LogEvent(Struct, kw_only=True):
    """The levels and fields that an event has anywhere in the source.

    Fields whose names are computed at run time (`**counts`) are not included.
    """

    levels: set[str]
    fields: set[str]


@cache
def log_events() -> dict[str, LogEvent]:
    """Every event that is logged, and every run record, by name.

    Raises:
        ValueError: an event cannot be read from the source, or a logger is used in another way
            than to log.
    """
    # A processor names the event of the lines of libraries.
    events = {"library_log": LogEvent(levels={"warning", "error", "critical"}, fields={"message"})}
    whole_records = 0
    for path in sorted(PACKAGE.rglob("*.py")):
        if "get_logger" not in (source := path.read_text("utf-8")):
            continue
        tree = ast.parse(source)
        for call in _log_calls(tree):
            fields = {"exception" if word.arg == "exc_info" else word.arg for word in call.keywords}
            if not call.args:  # `**record`: see RECORDS
                whole_records += 1
                continue
            for name in _event_names(call.args[0], tree):
                event = events.setdefault(name, LogEvent(levels=set(), fields=set()))
                event.levels.add(ast.unparse(call.func).rpartition(".")[2])
                event.fields |= {field for field in fields if field}
    records = dict(_run_records())
    if set(records) != set(RECORDS) or whole_records != sum(map(bool, RECORDS.values())):
        msg = f"run records are {sorted(records)}, logged in {whole_records} places: edit RECORDS"
        raise ValueError(msg)
    return events | {
        name: LogEvent(levels=RECORDS[name], fields=fields) for name, fields in records.items()
    }


def _log_calls(tree: ast.Module) -> Iterator[ast.Call]:
    """The calls that log a line."""
    makers = [node for node in ast.walk(tree) if _makes_logger(node)]
    assigned = [
        node.targets[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _makes_logger(node.value)
    ]
    names = {ast.unparse(target) for target in assigned}
    direct = 0
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        func = node.func
        if isinstance(func, ast.Call) and ast.unparse(func).startswith("getattr(logger,"):
            yield node
        elif isinstance(func, ast.Attribute) and func.attr in LEVELS:
            direct += _makes_logger(func.value)
            if _makes_logger(func.value) or ast.unparse(func.value) in names:
                yield node
    if len(makers) != direct + len(assigned):
        msg = f"a logger is neither called nor assigned to a name: {ast.unparse(tree)[:200]}"
        raise ValueError(msg)


def _makes_logger(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in ("get_logger", "log.get_logger")


def _event_names(node: ast.expr, tree: ast.Module) -> list[str]:
    """The event of a line; if a table holds it, all events of the table."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.Subscript):
        tables = {
            ast.unparse(statement.targets[0]): statement.value
            for statement in tree.body
            if isinstance(statement, ast.Assign)
        }
        return [str(event) for event in ast.literal_eval(tables[ast.unparse(node.value)]).values()]
    msg = f"an event that cannot be read from the source: {ast.unparse(node)}"
    raise ValueError(msg)


def _run_records() -> Iterator[tuple[str, set[str]]]:
    """The dict literals of the runner that have an event: its name, and their other keys."""
    trees = [ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("runner/*.py"))]
    returned = {
        function.name: set(_keys(statement.value))
        for tree in trees
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for statement in function.body
        if isinstance(statement, ast.Return) and isinstance(statement.value, ast.Dict)
    }
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict) and "event" in (values := _keys(node)):
                name, keys = str(ast.literal_eval(values["event"])), set(values) - {"event"}
                for key, value in zip(node.keys, node.values, strict=True):
                    if key is None and isinstance(value, ast.Call):  # `**counted(counts)`
                        keys |= returned[ast.unparse(value.func).rpartition(".")[2]]
                yield name, keys


def _keys(node: ast.Dict) -> dict[str, ast.expr]:
    return {
        str(key.value): value
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant)
    }
