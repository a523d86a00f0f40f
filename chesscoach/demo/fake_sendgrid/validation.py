"""What SendGrid documents about the body of `POST /v3/mail/send`, as checks of a payload. Pure.

The limits are those of its reference and of its page of limitations; the words of the complaints
are our own.
"""

from collections.abc import Iterator, Mapping
from typing import Any

FieldError = tuple[str, str | None]
"""What is wrong, and with which field (None: with the whole)."""

MAX_BYTES = 30_000_000
MAX_RECIPIENTS = 1000
MAX_CUSTOM_BYTES = 10_000
_TOP = frozenset(
    {
        *("personalizations", "from", "reply_to", "reply_to_list", "subject", "content"),
        *("attachments", "template_id", "headers", "categories", "custom_args", "send_at"),
        *("batch_id", "asm", "ip_pool_name", "mail_settings", "tracking_settings", "sections"),
    }
)
_PERSONAL = frozenset(
    {
        *("to", "cc", "bcc", "from", "subject", "headers", "dynamic_template_data"),
        *("substitutions", "custom_args", "send_at"),
    }
)
_RESERVED = frozenset(
    {
        *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type"),
        *("content-transfer-encoding", "to", "from", "subject", "reply-to", "cc", "bcc"),
    }
)
_ORDER = ("text/plain", "text/x-amp-html", "text/html")


def field_errors(mail: Any) -> list[FieldError]:
    """Everything that is wrong with a decoded payload; nothing if it would be taken."""
    if not isinstance(mail, dict):
        return [("the body must be a JSON object", None)]
    return [
        *((f"unknown: {name}", name) for name in mail if name not in _TOP),
        *_sender(mail.get("from")),
        *_personalizations(mail),
        *_subject(mail),
        *_content(mail),
        *_headers(mail.get("headers", {}), "headers"),
        *_categories(mail.get("categories", [])),
        *_settings(mail.get("mail_settings", {}), "mail_settings"),
        *_settings(mail.get("tracking_settings", {}), "tracking_settings"),
    ]


def recipients(mail: Mapping[str, Any]) -> list[str]:
    """All addresses that a payload names as recipients, in its order."""
    people = [
        who
        for one in _list(mail.get("personalizations"))
        if isinstance(one, dict)
        for kind in ("to", "cc", "bcc")
        for who in _list(one.get(kind))
    ]
    return [str(who.get("email", "")) for who in people if isinstance(who, dict)]


def is_sandboxed(mail: Mapping[str, Any]) -> bool:
    """Whether a valid payload asks for sandbox mode."""
    return bool(mail.get("mail_settings", {}).get("sandbox_mode", {}).get("enable"))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _person(who: Any, field: str) -> Iterator[FieldError]:
    if not isinstance(who, dict):
        yield "an object with an address is required", field
        return
    address, name = who.get("email"), who.get("name", "")
    local, _, domain = str(address).rpartition("@")
    plain = not any(c.isspace() or c in ',;<>"' for c in str(address))
    if not isinstance(address, str) or not local or not domain or not plain:
        yield "no valid address", f"{field}.email"
    if not isinstance(name, str) or ";" in name or "," in name:
        yield "a name is a string without semicolon and comma", f"{field}.name"


def _sender(sender: Any) -> Iterator[FieldError]:
    yield from _person(sender, "from")
    if isinstance(sender, dict) and not str(sender.get("email")).isascii():
        yield "the sender's address must be ASCII", "from.email"


def _personalizations(mail: Mapping[str, Any]) -> Iterator[FieldError]:
    listed = mail.get("personalizations")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_RECIPIENTS:
        yield f"1 to {MAX_RECIPIENTS} are required", "personalizations"
        return
    for index, one in enumerate(listed):
        field = f"personalizations.{index}"
        if not isinstance(one, dict) or not _list(one.get("to")):
            yield "a recipient is required", f"{field}.to"
            continue
        yield from (
            (f"unknown: {name}", f"{field}.{name}") for name in one if name not in _PERSONAL
        )
        for kind in ("to", "cc", "bcc"):
            for position, who in enumerate(one.get(kind, [])):
                yield from _person(who, f"{field}.{kind}.{position}")
        yield from _headers(one.get("headers", {}), f"{field}.headers")
        yield from _custom_args(mail.get("custom_args", {}), one.get("custom_args", {}), field)
    addresses = [address.casefold() for address in recipients(mail)]
    if len(addresses) > MAX_RECIPIENTS:
        yield f"at most {MAX_RECIPIENTS} recipients", "personalizations"
    if len(set(addresses)) < len(addresses):
        yield "each address may be there once", "personalizations"


def _subject(mail: Mapping[str, Any]) -> Iterator[FieldError]:
    own = [
        one.get("subject") for one in _list(mail.get("personalizations")) if isinstance(one, dict)
    ]
    given = mail.get("subject")
    if "subject" in mail and (not isinstance(given, str) or not given):
        yield "a string of one character at least", "subject"
    elif not given and "template_id" not in mail and not (own and all(own)):
        yield "required", "subject"


def _content(mail: Mapping[str, Any]) -> Iterator[FieldError]:
    parts = _list(mail.get("content"))
    if not parts and "template_id" not in mail:
        yield "required, unless there is a template", "content"
    for index, part in enumerate(parts):
        for name in ("type", "value"):
            value = part.get(name) if isinstance(part, dict) else None
            if not isinstance(value, str) or not value:
                yield "a string of one character at least", f"content.{index}.{name}"
    types = [part.get("type") for part in parts if isinstance(part, dict)]
    ranks = [_ORDER.index(kind) for kind in types if kind in _ORDER]
    if ranks != sorted(ranks):
        yield f"the order is {', '.join(_ORDER)}", "content"


def _headers(headers: Any, field: str) -> Iterator[FieldError]:
    if not isinstance(headers, dict):
        yield "an object is required", field
        return
    for name, value in headers.items():
        if name.casefold() in _RESERVED:
            yield "this header may not be given", f"{field}.{name}"
        if not name.isascii() or not isinstance(value, str):
            yield "a header has an ASCII name and a string", f"{field}.{name}"


def _custom_args(common: Any, own: Any, field: str) -> Iterator[FieldError]:
    if not isinstance(common, dict) or not isinstance(own, dict):
        yield "an object is required", f"{field}.custom_args"
        return
    both = common | own
    if not all(isinstance(value, str) for value in both.values()):
        yield "values are strings", f"{field}.custom_args"
    elif sum(len(f"{name}{value}".encode()) for name, value in both.items()) >= MAX_CUSTOM_BYTES:
        yield f"less than {MAX_CUSTOM_BYTES} bytes in all", f"{field}.custom_args"


def _categories(listed: Any) -> Iterator[FieldError]:
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        yield "a list of strings", "categories"
    elif len(listed) > 10 or len(set(listed)) < len(listed) or any(len(o) > 255 for o in listed):
        yield "at most 10, each once, of 255 characters at most", "categories"


def _settings(settings: Any, field: str) -> Iterator[FieldError]:
    if not isinstance(settings, dict):
        yield "an object is required", field
        return
    for name, one in settings.items():
        if not isinstance(one, dict) or not isinstance(one.get("enable", False), bool):
            yield "enable must be true or false", f"{field}.{name}.enable"
