"""The errors of this package, as one tree.

::

    ChesscoachError
    ├── ConfigError              a setting, flag or argument cannot be used; exit code 2
    │   ├── SetupError           the database is not prepared; exit code 2
    │   ├── NotFound             what an argument names does not exist; exit code 2
    │   └── RevisionConflict     a document has changed since it was read; exit code 2
    ├── StoreUnavailable         MongoDB does not answer; exit code 1
    ├── StoreFailed              MongoDB refused an operation
    │   └── DuplicateDocument    a unique index has the document's key already
    ├── BackupFailed             a backup cannot be written or restored; exit code 1
    ├── UserNotFound             an operator names a user who does not exist; exit code 1
    ├── ListenError              an address of `[web]` cannot be used; exit code 1
    ├── LeaseHeld                another run of the job holds its lease; exit code 75
    ├── LeaseLost                another process may hold our lease: stop at once
    ├── JobCalledExit            a job tried to end its process
    ├── AlertRefused             a receiver did not accept an alert or a ping
    ├── EmailSuspended           no email can be sent for now, whatever its recipient
    ├── InvalidLink              a link is not ours, was altered, or is too old
    ├── InvalidSignature         a batch of events is not proven to come from SendGrid
    └── SourceError              a source's response for one account cannot be used
        ├── AccountNotFound      the source has no such account
        ├── AccountClosed        the account is closed
        ├── AccountRenamed       the account has another name now
        ├── BadResponse          the response differs from the source's documentation
        ├── StreamTruncated      the response ended early; its complete lines count
        └── SourceUnavailable    no account can be fetched from the source for now

Errors are caught in two places: per account in a job, per run in the runner. `permanent` means
that the same request will fail in the same way again. Messages are logged, so they never quote
a response, a URL with credentials or a secret.
"""


class ChesscoachError(Exception):
    """The root of the errors that this package raises on purpose."""

    permanent = False


class ConfigError(ChesscoachError):
    """A setting, a flag or an argument cannot be used; the message names it and says why."""

    permanent = True


class SetupError(ConfigError):
    """The database lacks something that `chesscoach db init` makes."""


class NotFound(ConfigError):
    """What a flag or an argument names does not exist; the message names it."""


class RevisionConflict(ConfigError):
    """A document has changed since it was read: the change is not made."""


class StoreUnavailable(ChesscoachError):
    """MongoDB cannot be reached, or cannot be started, within the configured time."""


class StoreFailed(ChesscoachError):
    """MongoDB refused an operation; the message has the error's kind and code only."""


class DuplicateDocument(StoreFailed):
    """A document would have the key of another one in a unique index."""


class BackupFailed(ChesscoachError):
    """A backup cannot be written or restored; the message names the file and says why."""


class UserNotFound(ChesscoachError):
    """The application has no user of the id that an operator gave."""


class ListenError(ChesscoachError):
    """An address of `[web]` is in use or not allowed; the message names the setting."""


class LeaseHeld(ChesscoachError):
    """Another living run of the job holds its lease; the message names the holder."""


class LeaseLost(ChesscoachError):
    """A lease expired or was taken over, so its former holder must stop."""


class JobCalledExit(ChesscoachError):
    """A job raised SystemExit or KeyboardInterrupt: its run failed, other runs continue."""


class AlertRefused(ChesscoachError):
    """A receiver did not accept an alert or a ping; the message quotes no URL and no response."""


class EmailSuspended(ChesscoachError):
    """No further email is sent in this run: the key, the sender or the provider is at fault."""


class InvalidLink(ChesscoachError):
    """A link cannot be used; the message is one of REASONS and quotes nothing of the link.

    `malformed`: it was never our link. `tampered`: its signature is wrong. `aged`: it has expired.
    """

    permanent = True
    REASONS = ("malformed", "tampered", "aged")

    @property
    def reason(self) -> str:
        """One of REASONS."""
        return str(self.args[0])


class InvalidSignature(ChesscoachError):
    """The headers or the signature of a batch of events are missing, wrong or too old."""

    permanent = True


class SourceError(ChesscoachError):
    """A source's response for one account cannot be used.

    `source_wide` means that the source itself, not the account, may be at fault.
    """

    source_wide = False


class AccountNotFound(SourceError):
    """The source reports that it has no such account."""

    permanent = True


class AccountClosed(SourceError):
    """The source reports that the account is closed."""

    permanent = True


class AccountRenamed(SourceError):
    """The source redirects to another name of the account; it is unchecked and never logged."""

    permanent = True

    @property
    def name(self) -> str:
        """The new name."""
        return str(self.args[0])

    def __str__(self) -> str:
        return "the player has another name now"


class BadResponse(SourceError):
    """The source's documentation does not describe the response's status or form."""


class StreamTruncated(SourceError):
    """The connection ended within a response; the complete lines before that are valid."""


class SourceUnavailable(SourceError):
    """The source refuses or fails as a whole; no account is at fault and none is fetched."""
