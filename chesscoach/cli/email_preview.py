"""`chesscoach emails preview`: a player's weekly email as files, neither stored nor sent."""

import asyncio
import webbrowser
from pathlib import Path

import click

from chesscoach.cli import invocation
from chesscoach.cli.invocation import Output
from chesscoach.context import Context
from chesscoach.emails.sending.preview import EmailPreview, build_preview
from chesscoach.emails.transports import folder
from chesscoach.errors import ConfigError
from chesscoach.jobs.week_extras import extras_reader

_DEFAULT_FOLDER = ".chesscoach/preview"


@click.command()
@click.argument("user_id", metavar="USER_ID")
@click.option("--week", metavar="WEEK", help="ISO week, such as 2026-W47 (default: the last one).")
@click.option("--open", "show", is_flag=True, help="Open the HTML in a browser.")
@click.option(
    "--out", metavar="DIR", default=_DEFAULT_FOLDER, show_default=True, help="Folder of the files."
)
@invocation.database_command
async def preview(ctx: Context, user_id: str, week: str | None, show: bool, out: str) -> Output:
    """Write a player's weekly email into files, as HTML and as text.

    The command stores and sends nothing, and the email's unsubscribe link does not work. If the
    user would get no email, the command writes one all the same and says why.
    """
    sample = await build_preview(ctx.emails, user_id, week, extras=extras_reader(ctx))
    html, text = await asyncio.to_thread(_write_files, Path(out), sample)
    opened = show and await asyncio.to_thread(_open_in_browser, html)
    fields = {
        "user_id": user_id,
        "week": sample.due.week.key,
        "timezone": sample.due.zone.key,
        "subject": sample.message.subject,
        "html": str(html),
        "text": str(text),
    }
    notes = list(sample.notes)
    if show and not opened:
        notes.append("no browser can be opened here: open the HTML yourself")
    return Output(
        data={**fields, "remarks": list(sample.notes), "opened": opened},
        text=[f"{name:<8}  {value}" for name, value in fields.items()]
        + [f"{'note':<8}  {note}" for note in notes],
    )


def _write_files(where: Path, sample: EmailPreview) -> tuple[Path, Path]:
    """Writes the two files over those of an earlier preview; returns their absolute paths.

    Raises:
        ConfigError: the folder or a file cannot be written.
    """
    due = sample.due
    stem = folder.file_name(f"{due.recipient.user_id}_{due.week.key}").removesuffix(".eml")
    html, text = (where.absolute() / f"{stem}.{suffix}" for suffix in ("html", "txt"))
    try:
        where.mkdir(parents=True, exist_ok=True)
        html.write_text(sample.message.html, "utf-8")
        text.write_text(sample.message.text, "utf-8")
    except OSError as error:
        msg = f"--out: {where} cannot be written: {error.strerror}"
        raise ConfigError(msg) from None
    return html, text


def _open_in_browser(html: Path) -> bool:
    try:
        return webbrowser.open(html.as_uri())
    except (webbrowser.Error, OSError):
        return False
