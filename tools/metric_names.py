"""Metrics of the package, read from its source: type and labels of each metric."""

import ast
from collections.abc import Iterator
from functools import cache

from msgspec import Struct

from tools.log_events import PACKAGE

PREFIX = "chesscoach_"
_TYPES = {
    "Counter": "counter",
    "Histogram": "histogram",
    "Gauge": "gauge",
    "CounterMetricFamily": "counter",
    "GaugeMetricFamily": "gauge",
}


class Metric(Struct, frozen=True, kw_only=True):
    """A metric as Prometheus sees it."""

    type: str
    labels: tuple[str, ...]


@cache
def metrics() -> dict[str, Metric]:
    """Every metric of ours, by the name that a query uses.

    Raises:
        ValueError: a metric is made in a way that cannot be read from the source.
    """
    return dict(
        metric
        for path in sorted(PACKAGE.rglob("*.py"))
        if PREFIX in (source := path.read_text("utf-8"))
        for metric in _in_module(ast.parse(source))
    )


def _in_module(tree: ast.Module) -> Iterator[tuple[str, Metric]]:
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not call.args:
            continue
        name = call.args[0]
        if not isinstance(name, ast.Constant) or not str(name.value).startswith(PREFIX):
            continue
        maker = _maker(call, functions)
        if maker is None:
            msg = f"a metric that cannot be read from the source: {ast.unparse(call)[:200]}"
            raise ValueError(msg)
        kind = _TYPES[ast.unparse(maker.func)]
        suffix = "_total" if kind == "counter" else ""
        yield str(name.value) + suffix, Metric(type=kind, labels=_labels(maker))


def _maker(call: ast.Call, functions: dict[str, ast.FunctionDef]) -> ast.Call | None:
    """The call that makes the metric: this one, or the one in a function of the module."""
    called = ast.unparse(call.func)
    if called in _TYPES:
        return call
    inner = ast.walk(functions[called]) if called in functions else ()
    makers = (node for node in inner if isinstance(node, ast.Call))
    return next((node for node in makers if ast.unparse(node.func) in _TYPES), None)


def _labels(maker: ast.Call) -> tuple[str, ...]:
    given = [*maker.args, *(word.value for word in maker.keywords if word.arg == "labels")]
    lists = [node for node in given if isinstance(node, ast.List)]
    return tuple(str(ast.literal_eval(label)) for node in lists for label in node.elts)
