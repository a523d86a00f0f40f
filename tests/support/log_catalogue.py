"""What the package logs, read from its source: events, their levels and their fields."""

import ast
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

import chesscoach
from chesscoach.worker.runner import result

LEVELS = ("debug", "info", "warning", "error", "critical")
PACKAGE = Path(chesscoach.__file__).parent
RECORDS = {
    "job_finished": {*result._LEVELS.values(), "error"},
    "dry_run_finished": {"info"},
    "nothing_to_run": set[str](),
}
"""Records of runs: lines that are logged as a whole, or only printed by `--json`; their levels."""


class Logged(Struct, kw_only=True):
    """An event: the levels and the fields that it has somewhere.

    A field whose name is found only at run time (`**kinds`) is not among them.
    """

    levels: set[str]
    fields: set[str]


def events() -> dict[str, Logged]:
    """Every event that is logged, and every record of a run, by name.

    Raises:
        ValueError: a line whose event cannot be read from the source, or a logger that is used
            in another way than to log.
    """
    # Lines of libraries get their event from a processor.
    found = {"library_log": Logged(levels={"warning", "error", "critical"}, fields={"message"})}
    wholes = 0
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        for call in _calls(tree):
            fields = {"exception" if each.arg == "exc_info" else each.arg for each in call.keywords}
            if not call.args:  # `**record`: see RECORDS
                wholes += 1
                continue
            for event in _named(call.args[0], tree):
                entry = found.setdefault(event, Logged(levels=set(), fields=set()))
                entry.levels.add(ast.unparse(call.func).rpartition(".")[2])
                entry.fields |= {field for field in fields if field}
    told = dict(_records())
    if set(told) != set(RECORDS) or wholes != sum(map(bool, RECORDS.values())):
        msg = f"records of runs are {sorted(told)}, logged in {wholes} places: keep RECORDS so"
        raise ValueError(msg)
    return found | {
        event: Logged(levels=RECORDS[event], fields=fields) for event, fields in told.items()
    }


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    """The calls that log a line."""
    made = [node for node in ast.walk(tree) if _makes_logger(node)]
    kept = [
        node.targets[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _makes_logger(node.value)
    ]
    names = {ast.unparse(target) for target in kept}
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
    if len(made) != direct + len(kept):
        msg = f"a logger is neither called nor kept under a name: {ast.unparse(tree)[:200]}"
        raise ValueError(msg)


def _makes_logger(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in ("get_logger", "log.get_logger")


def _named(node: ast.expr, tree: ast.Module) -> list[str]:
    """The event of a line; of one that is looked up in a table, all of the table's."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.Subscript):
        tables = {
            ast.unparse(each.targets[0]): each.value
            for each in tree.body
            if isinstance(each, ast.Assign)
        }
        return [str(event) for event in ast.literal_eval(tables[ast.unparse(node.value)]).values()]
    msg = f"an event that cannot be read from the source: {ast.unparse(node)}"
    raise ValueError(msg)


def _records() -> Iterator[tuple[str, set[str]]]:
    """The dict literals of the runner that have an event: its name, and their other keys."""
    trees = [ast.parse(path.read_text()) for path in sorted((PACKAGE / "runner").glob("*.py"))]
    counts = next(
        statement.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "counted"
        for statement in node.body
        if isinstance(statement, ast.Return)
    )
    assert isinstance(counts, ast.Dict)
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict) and "event" in (keys := _keys(node)):
                if None in node.keys:  # `**counted(counts)`
                    keys |= _keys(counts)
                yield str(ast.literal_eval(keys.pop("event"))), set(keys)


def _keys(node: ast.Dict) -> dict[str, ast.expr]:
    return {
        str(key.value): value
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant)
    }
