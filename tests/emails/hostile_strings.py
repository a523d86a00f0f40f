"""Strings that a person may put into a name, an opening, an address or a tag of a PGN."""

import random

_MARKUP = (
    "<script>alert(1)</script>",
    "</td></tr></table><h1>gone</h1>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    '" style="background:url(https://evil.example/x)',
    "<!-- ",
    "--> <b>",
    "<![endif]-->",
    "<!--[if mso]><p><![endif]-->",
    "]]><x>",
    "<style>*{display:none}</style>",
    "</style><script>alert(1)</script>",
    "</title><meta http-equiv=refresh content=0>",
    "<a href=javascript:alert(1)>win</a>",
    "<base href=//evil.example>",
    "<iframe srcdoc='<p>'>",
    "<form action=//evil.example><input>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;b&#62;",
    "&",
    "<",
    ">",
    '"',
    "'",
    "`",
    "<plaintext>",
    "<textarea>",
    "<table>",
)
_TEMPLATES = (
    "{{ 1337 * 1331 }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}x{% endfor %}",
    "{{ content.__init__.__globals__ }}",
    "{# nothing #}",
    "{%",
    "${1337*1331}",
    "#{1337*1331}",
    "%(count)s %(name)s",
    "%s%s%s%n",
    "100 %",
    "{0.__class__}",
)
_HEADERS = (
    "Mia\r\nBcc: all@example.org", "Mia\nSubject: mine", "Mia\r\n\r\n<html>",
    "Mia%0d%0aBcc: all@example.org", "\u2028Bcc: x\u2029", "\x85Bcc: x", "=?utf-8?q?=0d=0aBcc:?=",
    "\x00\x07\x1b[31m", "\ud800",
)  # fmt: skip
_INVISIBLE = (
    "\u202etxt.exe", "\u2066\u2067\u2068", "a\u200b\u200c\u200d\ufeffb", "\u3164\u115f", "   ",
    "", "Z\u0335\u0336\u0337\u0338" * 40, "\U000e0041\U000e0042",
)  # fmt: skip
_ADDRESSES = (
    "javascript:alert(1)", "JaVaScRiPt:alert(1)//", "data:text/html,<script>alert(1)</script>",
    "vbscript:x", "//evil.example/x", "https://lichess.org@evil.example/",
    "https://lichess.org/a?<b>", "https://lichess.org/../../x y", "http://user:pass@evil.example",
    "file:///etc/passwd", "../../../etc/passwd", "mia@evil.example", "www.evil.example",
)  # fmt: skip
_PGN = (
    '[White "x"]\n[Black "<b>"]',
    '"] [Event "',
    "1. e4 {<script>alert(1)</script>} e5",
    "Sicilian Defense: <Najdorf>",
    'Ruy López, Morphy\'s \\ "Exchange"',
    "$1 (1. d4; comment",
)
_HUGE = (
    "W" * 100_000, "<b>" * 30_000, "mia " * 30_000, "😀" * 5_000, "ﷺ" * 500, "א" * 300,
    "\n" * 5_000 + "x",
)  # fmt: skip
_SEEDS = (*_MARKUP, *_TEMPLATES, *_HEADERS, *_INVISIBLE, *_ADDRESSES, *_PGN, *_HUGE)


def hostile_strings(count: int) -> list[str]:
    """That many different strings: each seed, then seeds joined and hidden in ordinary names."""
    chance = random.Random(1851)
    strings = dict.fromkeys(_SEEDS)
    while len(strings) < count:
        first, second = chance.choice(_SEEDS), chance.choice(_SEEDS)
        form = chance.choice(("Mia {}", "{} Mia", "{}{}", "M{}ia {}", '"{}"', "<{}>", "{}\r\n{}"))
        strings[form.replace("{}", first, 1).replace("{}", second, 1)] = None
    return list(strings)
