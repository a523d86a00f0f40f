"""The lines of docs/deployment, home by home."""

import re
from pathlib import Path

from tests.deploy.sandbox.namespace import DATABASE

_EDITS = {
    "/etc/chesscoach/config.toml": 'sed -i \'s/^contact = ""/contact = "you@example.org"/\' {}',
    "/etc/chesscoach/secrets/mongo-url": f"echo '{DATABASE}' > {{}}",
}
_PAGES = Path(__file__).parents[3] / "docs" / "deployment"


def readme_commands(home: str) -> str:
    """The first block of code in the page of a home: from a checkout to the first sync.

    A command stands in for the user who edits a file.
    """
    text = (_PAGES / f"{home}.md").read_text()
    block = re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[0]
    return re.sub(r"^sudo \$EDITOR (\S+).*$", _edit, block, flags=re.MULTILINE)


def _edit(line: re.Match[str]) -> str:
    return _EDITS[line[1]].format(line[1])
