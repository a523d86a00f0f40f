"""Everything that can go wrong, as one tree.

::

    ChesscoachError
    ├── ConfigError            what an operator wrote cannot be used; exit code 2
    │   └── SetupError         the database is not prepared; exit code 2
    ├── StoreUnavailable       MongoDB does not answer; exit code 1
    ├── StoreFailed            MongoDB refused an operation
    ├── CannotListen           an address to listen on cannot be had; exit code 1
    ├── LeaseHeld              another run of the job is at work; exit code 75
    ├── LeaseLost              somebody else may hold our lease by now: stop at once
    ├── JobExited              a job tried to end the process that it runs in
    ├── MailStopped            no mail can be sent for now, whoever it is for
    ├── LinkRefused            a link was not signed by us, was altered, or is too old
    ├── SignatureRefused       what came as SendGrid's events is not shown to be SendGrid's
    └── SourceError            a site's reply for one account cannot be used
        ├── PlayerMissing      the site knows no such player
        ├── PlayerClosed       the player's account is closed
        ├── PlayerRenamed      the player has another name now
        ├── BadReply           the reply is not what the site's documentation says
        ├── StreamCut          the reply ended before its end; what came is whole lines
        └── SiteClosed         the site as a whole is not to be asked for now

Errors are caught in two places: per account in a job, per run in the runner. `permanent` says
that the same request will fail in the same way again. Messages never quote a reply, a URL with
credentials or a secret, since they are logged.
"""


class ChesscoachError(Exception):
    """The root of the errors that this package raises on purpose."""

    permanent = False


class ConfigError(ChesscoachError):
    """A setting, a flag or an argument cannot be used; the message names it and says why."""

    permanent = True


class SetupError(ConfigError):
    """The database lacks something that `chesscoach db init` makes."""


class StoreUnavailable(ChesscoachError):
    """MongoDB cannot be reached, or cannot be started, within the configured time."""


class StoreFailed(ChesscoachError):
    """MongoDB answered an operation with an error; the message holds its kind and code alone."""


class ListenError(ChesscoachError):
    """An address of `[web]` is in use, or not ours to listen on; the message names the setting."""


class LeaseHeld(ChesscoachError):
    """Another run of the job holds its lease and lives; the message says who."""


class LeaseLost(ChesscoachError):
    """A lease ran out or was taken over, so its former holder must not act any more."""


class JobCalledExit(ChesscoachError):
    """A job raised SystemExit or KeyboardInterrupt: its run has failed, and others go on."""


class EmailSuspended(ChesscoachError):
    """No further mail is sent in this run: the key, the sender or the provider is the trouble."""


class InvalidLink(ChesscoachError):
    """A link cannot be acted on; the message is one of REASONS and quotes nothing of the link.

    `malformed`: it never was a link of ours; `tampered`: it may have been one; `aged`: it was.
    """

    permanent = True
    REASONS = ("malformed", "tampered", "aged")

    @property
    def reason(self) -> str:
        """One of REASONS."""
        return str(self.args[0])


class InvalidSignature(ChesscoachError):
    """Headers or signature of a batch of events are missing, wrong, or too old."""

    permanent = True


class SourceError(ChesscoachError):
    """A site's reply for one account cannot be used.

    `site_wide` says that it was no reply to what was asked: the site itself may be to blame.
    """

    source_wide = False


class AccountNotFound(SourceError):
    """The site says that it knows no such player."""

    permanent = True


class AccountClosed(SourceError):
    """The site says that the player's account is closed."""

    permanent = True


class AccountRenamed(SourceError):
    """The site sends us to another name for the same player; it is unchecked, and never told."""

    permanent = True

    @property
    def name(self) -> str:
        """The new name."""
        return str(self.args[0])

    def __str__(self) -> str:
        return "the player has another name now"


class BadResponse(SourceError):
    """The reply has a status or a form that the site's documentation does not describe."""


class StreamTruncated(SourceError):
    """The connection ended within a reply; complete lines that came before it stand."""


class SourceUnavailable(SourceError):
    """The site refuses or fails as a whole; no account is to blame and none is asked further."""
