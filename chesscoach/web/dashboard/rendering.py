"""Renders pages by templates, which escape all values by themselves."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from msgspec import Struct

from chesscoach import __version__
from chesscoach.web.dashboard import text
from chesscoach.web.dashboard.assets import Assets
from chesscoach.web.dashboard.drawing.marks import KINDS

TEMPLATES = Path(__file__).parent / "templates"


class Viewer(Struct, frozen=True, kw_only=True):
    """Who looks: where the pages are mounted, whether the viewer may act, or can log out."""

    base: str
    may_act: bool
    in_session: bool


@cache
def _compiled_templates() -> Environment:
    """The templates, compiled once for all pages of the process; blocks."""
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.filters |= {
        "clean": text.clean,
        "segment": text.path_segment,
        "utc": text.utc,
        "machine": text.machine_time,
        "local": text.local,
        "span": text.span,
        "words": text.words,
        "number": text.number,
        "kind": KINDS.__getitem__,
    }
    templates.globals["version"] = __version__
    for name in templates.list_templates():
        templates.get_template(name)
    return templates


class Pages:
    """Renders the pages of a process; blocks when it is made."""

    def __init__(self) -> None:
        self._templates = _compiled_templates()
        self.assets = Assets()

    def render(self, template: str, viewer: Viewer, here: str, values: Mapping[str, Any]) -> str:
        """A page for a viewer; `here` is its own path with its query, below the base."""
        return self._templates.get_template(f"{template}.html").render(
            values,
            viewer=viewer,
            base=viewer.base,
            may_act=viewer.may_act,
            here=here,
            asset=self.assets.path,
        )
