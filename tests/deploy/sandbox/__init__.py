"""A machine that is thrown away, on which the lines of docs/deployment are run as they stand.

What cannot exist there is stood in for by a program of its name, which knows the calls that those
lines make and refuses all others: `docker` (compose.py), `kubectl`, `sudo`, `crontab`, an editor.
What each leaves out is said in its file.
"""
