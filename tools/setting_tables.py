"""The settings with default, unit, bounds and reason, as Markdown.

Names, defaults and reasons come from `config.toml`, which has every setting with its default; a
reason is the comment right above a key or a section. Bounds come from the structs of
`chesscoach.config`. The fields of a schedule are comments like `# lock (default: …): …`.
"""

import re
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.inspect import FloatType, IntType, StructType, Type

from chesscoach.config import Config

_UNITS = {"s": "seconds", "10min": "accounts"}
_PLAIN_UNITS = ("hours", "days", "months", "games", "moves")


class Section(Struct, kw_only=True):
    """A section of config.toml: its comment, and default and reason of each key."""

    reason: str
    settings: dict[str, tuple[str, str]]


def render(config_toml: Path) -> str:
    """A table for each section, then the fields of a schedule and the default schedules.

    Raises:
        ValueError: a setting has no reason.
    """
    text = config_toml.read_text("utf-8")
    sections = _sections(text)
    plain = {name: part for name, part in sections.items() if not name.startswith("schedules.")}
    shown = [_section(name, part, plain) for name, part in plain.items()]
    schedules = [
        f"| `{name.partition('.')[2]}` | {_values(part)} | {part.reason} |\n"
        for name, part in sections.items()
        if name.startswith("schedules.")
    ]
    fields = [
        f"| `{name}` | {default} | {reason} |\n"
        for name, default, reason in re.findall(
            r"^# ([a-z_]+)(?: \(default: (.+?)\))?: (.+)$", text, re.MULTILINE
        )
    ]
    shown.append("### [schedules.ID]\n\n| setting | default | meaning |\n|---|---|---|\n")
    shown[-1] += "".join(fields)
    shown.append("| default schedule | values | reason |\n|---|---|---|\n" + "".join(schedules))
    return "\n" + "\n".join(shown) + "\n"


def _sections(text: str) -> dict[str, Section]:
    sections: dict[str, Section] = {}
    settings: dict[str, tuple[str, str]] = {}
    comment: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            comment.append(line.removeprefix("#").strip())
            continue
        if header := re.fullmatch(r"\[([a-z_.]+)\]", line):
            settings = {}
            sections[header[1]] = Section(reason=" ".join(comment), settings=settings)
        elif setting := re.fullmatch(r"([a-z_0-9]+) = (.+)", line):
            settings[setting[1]] = (setting[2], " ".join(comment))
        comment = []
    return sections


def _section(name: str, section: Section, all_sections: dict[str, Section]) -> str:
    rows = []
    for key, (default, comment) in section.settings.items():
        reason = comment or _reason_of_sibling(name, key, all_sections)
        unit = ", ".join(filter(None, (_unit(key), _bounds(name, key))))
        rows.append(f"| `{key}` | `{default}` | {unit} | {reason} |\n")
    intro = f"{section.reason}\n\n" if section.reason else ""
    head = "| setting | default | unit and bounds | meaning |\n|---|---|---|---|\n"
    return f"### [{name}]\n\n{intro}{head}{''.join(rows)}"


def _reason_of_sibling(name: str, key: str, sections: dict[str, Section]) -> str:
    """The reason that the same key has in a section beside this one."""
    room = name.rpartition(".")[0]
    for other, section in sections.items():
        if room and other.startswith(f"{room}.") and section.settings.get(key, ("", ""))[1]:
            return section.settings[key][1]
    msg = f"config.toml: [{name}] {key} has no comment right above it"
    raise ValueError(msg)


def _values(section: Section) -> str:
    return "<br>".join(f"`{key} = {value}`" for key, (value, _) in section.settings.items())


def _unit(key: str) -> str:
    last = key.rpartition("_")[2]
    return _UNITS.get(last, last if last in _PLAIN_UNITS else "")


@cache
def _config_type() -> Type:
    return msgspec.inspect.type_info(Config)


def _bounds(section: str, key: str) -> str:
    current = _config_type()
    for name in [*section.split("."), key]:
        fields = current.fields if isinstance(current, StructType) else ()
        current = next(field.type for field in fields if field.name == name)
        if isinstance(current, msgspec.inspect.Metadata):
            current = current.type
    if not isinstance(current, IntType | FloatType):
        return ""
    low = f"{current.ge:,}" if current.ge is not None else f"more than {current.gt:,}"
    return f"{low} to {current.le:,}"
