"""The catalogs of languages: English, and a file `xx.po` for each other language."""

import re
from collections.abc import Iterable
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from babel.support import Translations

from chesscoach.config import EmailSettings
from chesscoach.emails.i18n.localizer import Localizer
from chesscoach.errors import ConfigError

BUILTIN_LOCALES = Path(__file__).parents[1] / "locales"
_NAME = re.compile(r"([a-z]{2,3})(?:[_-]([A-Za-z]{2,4}))?", re.ASCII)
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
_ENGLISH = {"en": "en_GB", "en_US": "en_US"}
"""British by default: most of the world writes a week as 9-15 November."""


class Catalogs:
    """All languages, read once."""

    def __init__(self, emails: EmailSettings) -> None:
        """Read the package's catalogs and those of `[emails] locales_dir`, which take precedence.

        Raises:
            ConfigError: a file is invalid, or the directory does not exist.
        """
        self._localizers = {
            name: Localizer(Locale.parse(locale), NullTranslations())
            for name, locale in _ENGLISH.items()
        }
        folders = [BUILTIN_LOCALES]
        if emails.locales_dir:
            folders.append(Path(emails.locales_dir))
            if not folders[-1].is_dir():
                msg = f"emails.locales_dir: there is no directory {folders[-1]}"
                raise ConfigError(msg)
        for folder in folders:
            for path in sorted(folder.glob("*.po")):
                name, localizer = _read(path)
                self._localizers[name] = localizer
        self._default = self._find(emails.language) or self._localizers["en"]

    def localizer_for(self, language: str | None) -> Localizer:
        """The requested language, otherwise the configured one, otherwise English.

        A region without its own catalog gets that of its language: de_AT gets de.
        """
        return self._find(language) or self._default

    def _find(self, language: str | None) -> Localizer | None:
        parts = _NAME.fullmatch(language) if isinstance(language, str) else None
        if parts is None:
            return None
        return self._localizers.get(_name(parts)) or self._localizers.get(parts[1])


def _name(parts: re.Match[str]) -> str:
    """The name of a locale in Babel's form: zh_Hant, de_AT."""
    language, rest = parts[1], parts[2]
    if not rest:
        return language
    return f"{language}_{rest.title() if len(rest) == 4 else rest.upper()}"


def _read(path: Path) -> tuple[str, Localizer]:
    parts = _NAME.fullmatch(path.stem)
    if parts is None:
        msg = f"{path}: a catalog is named after its language, such as de.po or pt_BR.po"
        raise ConfigError(msg)
    name = _name(parts)
    try:
        locale = Locale.parse(name)
        with path.open("rb") as file:
            catalog = read_po(file, locale=locale, abort_invalid=True)
        _check(catalog)
        compiled = BytesIO()
        write_mo(compiled, catalog)
        compiled.seek(0)
        words = Translations(compiled)
        return name, Localizer(locale, words)
    except (PoFileError, UnknownLocaleError, ValueError, LookupError, TypeError, OSError) as error:
        # A translator's mistake must be found at the start, not at the first email.
        msg = f"{path}: the catalog is invalid: {str(error) or type(error).__name__}"
        raise ConfigError(msg) from error


def _check(catalog: Catalog) -> None:
    """Check the placeholders of translations.

    Raises:
        ValueError: a translation has one that is not in the English text, or a stray per cent.
    """
    for message in catalog:
        ids, texts = _as_tuple(message.id), _as_tuple(message.string)
        values = dict.fromkeys(_PLACEHOLDER.findall(" ".join(ids)), "")
        for text in texts if values else ():
            try:
                text % values
            except (KeyError, ValueError, TypeError):
                msg = f"the translation of {ids[0]!r} has a placeholder or % that is not in it"
                raise ValueError(msg) from None


def _as_tuple(texts: str | Iterable[str] | None) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else tuple(texts or ())
