"""Logs one JSON object per line, without secrets and addresses.

The event is a fixed snake_case word, everything else is a field. A line has at most 8 kB. On a
terminal the same lines are rendered for people. Lines of libraries, warnings and uncaught
exceptions are logged in the same way.

Three things keep secrets out. Fields with the name of a secret are masked. Credentials in URLs,
SendGrid keys, bearer tokens, email addresses and the secrets of this process are masked in texts.
Tracebacks have no local variables. They have the text of an exception only if the error is ours,
since libraries quote responses and documents in theirs.
"""

import logging
import math
import re
import sys
import threading
from collections.abc import Collection
from typing import Any, Literal, cast

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from chesscoach import __version__, line_limit
from chesscoach.config import LogSettings
from chesscoach.errors import ChesscoachError

MASK = "***"
MIN_SECRET_LENGTH = 4
"""The minimum number of characters of a secret."""

_SECRET_FIELD = re.compile(
    # `emails_...` are counts of emails, such as the notes of a run.
    r"(?i)password|passwd|secret|token|authorization|cookie|api_?key|email(?!s_)"
)
_REDACTIONS = (
    (re.compile(r"(\b[a-z][a-z0-9+.-]{0,30}://)[^/\s@]*@", re.IGNORECASE), rf"\1{MASK}@"),
    (re.compile(r"SG\.[\w.-]{8,}"), MASK),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"), rf"\1 {MASK}"),
    (
        re.compile(
            r"(?i)([?&][^=&\s]{0,100}(?:key|token|secret|password|auth)[^=&\s]{0,100}=)[^&\s]+"
        ),
        rf"\1{MASK}",
    ),
    (
        # An address begins where its characters do; other beginnings would only take time.
        re.compile(r"(?<![^\s@<>(),:;\"\[\]/*])[^\s@<>(),:;\"\[\]/*]+@[\w-]+(\.[\w-]+)+"),
        MASK,
    ),
)
_SILENCED = ("apprise", "requests", "urllib3")
"""Libraries whose lines may quote a URL with a token, in a form that no list of secrets has."""

_LIBRARIES = ("aiohttp", "asyncio", "motor", "pymongo", "py.warnings")


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """A logger; `job` and `run_id` come from the context in which it is used."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger())


def configure(
    config: LogSettings,
    *,
    secrets: Collection[str] = (),
    stream: Literal["stdout", "stderr"] = "stdout",
) -> None:
    """Sets up logging for this process; a later call replaces the earlier one.

    Args:
        config: the level and the form.
        secrets: texts that must not appear in any line, whatever they look like.
        stream: where lines go; stderr when stdout carries a result.
    """
    console = config.format == "console" or (
        config.format == "auto" and getattr(sys, stream).isatty()
    )
    prepare: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    finish: list[Processor] = [
        _console_traceback if console else _json_traceback,
        Redactor(secrets),
        line_limit.limit_line,
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(),
    ]
    level = logging.getLevelNamesMapping()[config.level.upper()]
    target = _Stream(stream)
    structlog.configure(
        processors=[*prepare, _service, *finish],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=target),  # type: ignore[arg-type]  # only write and flush are needed
        cache_logger_on_first_use=False,
    )
    _route_libraries([*prepare, _library, _service], finish, target)
    sys.excepthook = _excepthook
    threading.excepthook = lambda thrown: _excepthook(
        thrown.exc_type, thrown.exc_value, thrown.exc_traceback
    )


class Redactor:
    """The processor that masks secrets and addresses; `secrets` are masked everywhere.

    Texts shorter than `MIN_SECRET_LENGTH` are not masked: that would garble every line.
    """

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self._secrets = sorted(
            (s for s in secrets if len(s) >= MIN_SECRET_LENGTH), key=len, reverse=True
        )

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """The event with its secrets masked; the keys stay."""
        return {self.scrub(key): self._clean(value, key) for key, value in event.items()}

    def _clean(self, value: object, key: str = "") -> object:
        if key and _SECRET_FIELD.search(key):
            return MASK
        if isinstance(value, str):
            return self.scrub(value)
        if isinstance(value, dict):
            return {self.scrub(str(k)): self._clean(v, str(k)) for k, v in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(item) for item in value]
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)  # JSON has no NaN
        return self.scrub(str(value))

    def scrub(self, text: str) -> str:
        """The text without credentials and addresses."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        for pattern, replacement in _REDACTIONS:
            text = pattern.sub(replacement, text)
        return text


def is_masked(secret: str) -> bool:
    """Whether the current configuration would mask a text."""
    return secret not in redact(f"<{secret}>")


def redact(text: str) -> str:
    """The text as the current configuration would log it: without credentials and addresses."""
    for processor in structlog.get_config()["processors"]:
        if isinstance(processor, Redactor):
            text = processor.scrub(text)
    return text


class _Stream:
    """Looks the standard stream up at each write, since a progress bar may replace it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def write(self, text: str) -> None:
        getattr(sys, self._name).write(text)

    def flush(self) -> None:
        getattr(sys, self._name).flush()


def _service(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event.setdefault("service", "chesscoach")
    event.setdefault("version", __version__)
    return event


def _library(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A library's line: the first line of its text is a field, since others may quote objects."""
    text = str(event.get("event", "")).splitlines()
    event["message"] = text[0] if text else ""
    event["event"] = "library_log"
    return event


def _frames_only(exc_info: ExcInfo) -> list[dict[str, object]]:
    transform = ExceptionDictTransformer(show_locals=False, max_frames=20)
    stacks = cast("list[dict[str, object]]", transform(exc_info))
    error: BaseException | None = exc_info[1]
    for stack in stacks:
        if not isinstance(error, ChesscoachError):
            stack["exc_value"] = ""
            stack["exc_notes"] = []
            stack["exceptions"] = []
        if error is not None:
            error = error.__cause__ or error.__context__
    return stacks


def _as_text(exc_info: ExcInfo) -> str:
    """The frames as text for people, innermost cause last."""
    lines: list[str] = []
    for stack in cast("list[dict[str, Any]]", _frames_only(exc_info)):
        lines.append(f"{stack['exc_type']}: {stack['exc_value']}".rstrip(": "))
        lines += [f"  {f['filename']}:{f['lineno']} in {f['name']}" for f in stack["frames"]]
    return "\n".join(lines)


_json_traceback = structlog.processors.ExceptionRenderer(_frames_only)
_console_traceback = structlog.processors.ExceptionRenderer(_as_text)


def _route_libraries(prepare: list[Processor], finish: list[Processor], target: _Stream) -> None:
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=prepare,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in _LIBRARIES:
        # pymongo prints whole commands at DEBUG, sendgrid its key: never below WARNING.
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _SILENCED:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    logging.captureWarnings(capture=True)


def _excepthook(kind: type[BaseException], error: BaseException | None, trace: object) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    get_logger().error("unhandled_exception", error=kind.__name__, exc_info=error)
