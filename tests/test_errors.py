import inspect
import re

import pytest

from chesscoach import errors


def drawn_tree() -> dict[str, str]:
    """The tree in the module's docstring: each error and what it is drawn under."""
    path: list[str] = []
    parents: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    ([ │├└─]*)([A-Z]\w+)", line):
            depth = len(match[1]) // 4
            path = [*path[:depth], match[2]]
            parents[match[2]] = path[-2] if depth else "Exception"
    return parents


def test_the_tree_in_the_docstring_equals_the_classes() -> None:
    classes = {
        name: kind.__bases__[0].__name__
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, Exception)
    }
    assert drawn_tree() == classes
    assert len(classes) > 10


@pytest.mark.parametrize("name", sorted(drawn_tree()))
def test_only_what_would_fail_again_in_the_same_way_is_permanent(name: str) -> None:
    kind = getattr(errors, name)
    assert kind.permanent == (
        name
        in {"ConfigError", "SetupError", "AccountNotFound", "AccountClosed", "AccountRenamed"}
        | {"InvalidLink", "InvalidSignature", "NotFound", "RevisionConflict"}
    )
    assert kind("why").args == ("why",)
