"""The command line of a process, before a parser reads it."""

import sys


def refuse_unreadable_arguments() -> None:
    """Ends the process with exit code 2 if an argument is not UTF-8, and names it.

    Python keeps such bytes as half surrogate pairs, which neither MongoDB nor a terminal takes.
    """
    before = ""
    for place, argument in enumerate(sys.argv[1:], 1):
        try:
            argument.encode()
        except UnicodeEncodeError:
            flag = argument.partition("=")[0] if argument.startswith("--") else before
            name = flag if flag.startswith("--") and flag.isascii() else f"argument {place}"
            quoted = ascii(argument.encode(errors="surrogateescape"))[1:]
            sys.stderr.write(f"chesscoach: {name}: {quoted} is not UTF-8\n")
            sys.exit(2)
        before = argument
