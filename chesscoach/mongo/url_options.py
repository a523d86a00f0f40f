"""Checks the options of `MONGO_URL`: those that would break our guarantees are refused by name."""

import re
from collections.abc import Mapping
from typing import Any

from pymongo.errors import PyMongoError
from pymongo.uri_parser import split_options

from chesscoach.errors import ConfigError

_DECODING = (
    "datetime_conversion",
    "document_class",
    "type_registry",
    "tz_aware",
    "tzinfo",
    "unicode_decode_error_handler",
    "uuidrepresentation",
)
_SAFE_WRITES = {
    "w": ("majority", "a failover can lose acknowledged writes"),
    "journal": (True, "a crash can lose acknowledged writes"),
    "retrywrites": (True, "a failover makes writes fail that would succeed when repeated"),
}
"""The only value of each that is accepted without `allow_weak_writes`, and the reason."""

_UNLIMITED_IF_ZERO = ("connecttimeoutms", "sockettimeoutms")
_READ_CONCERNS = ("local", "majority", "linearizable")
_NAME_PATTERN = re.compile(r"[A-Za-z_]{1,40}")


def parse_options(url: str, *, allow_weak_writes: bool) -> Mapping[str, Any]:
    """Returns the options of a URL by lower-case name, without the DNS.

    Raises:
        ConfigError: an option cannot be used. It may also change how documents are decoded,
            weaken writes or reads, or remove a time limit. The message has its name.
    """
    query = url.partition("?")[2]
    options: dict[str, Any] = {}
    for text in re.split("[&;]", query):
        name = text.partition("=")[0]
        if "@" in query or not _NAME_PATTERN.fullmatch(name):  # perhaps a part of a password
            continue
        _check_name(name)
        try:
            parsed = split_options(text, warn=False)
        except (PyMongoError, ValueError, TypeError, LookupError, OSError) as error:
            msg = f"MONGO_URL: {name} cannot be used ({type(error).__name__})"
            raise ConfigError(msg) from None
        for key, value in parsed.items():
            _check_value(name, key.lower(), value, allow_weak_writes=allow_weak_writes)
            if options.get(key.lower(), value) != value and not isinstance(value, list):
                msg = f"MONGO_URL: {name} is given twice, with different values"
                raise ConfigError(msg)
            options[key.lower()] = value
    return options


def _check_name(name: str) -> None:
    if name.lower() in _DECODING:
        msg = f"MONGO_URL: {name} changes how documents are decoded; remove it"
        raise ConfigError(msg)
    if name.lower() == "timeoutms":
        msg = f"MONGO_URL: {name} also limits repetitions; remove it, and set [database] timeout_s"
        raise ConfigError(msg)


def _check_value(name: str, key: str, value: object, *, allow_weak_writes: bool) -> None:
    safe, reason = _SAFE_WRITES.get(key, (value, ""))
    if value != safe and not allow_weak_writes:
        msg = (
            f"MONGO_URL: {name} is not {'true' if safe is True else safe}, so {reason}; "
            "remove it, or set [database] allow_weak_writes"
        )
        raise ConfigError(msg)
    if key in _UNLIMITED_IF_ZERO and not value:
        msg = f"MONGO_URL: {name} is 0, which means no limit: give a limit, or remove it"
        raise ConfigError(msg)
    if key == "readconcernlevel" and value not in _READ_CONCERNS:
        msg = f"MONGO_URL: {name} is not one of {', '.join(_READ_CONCERNS)}"
        raise ConfigError(msg)
