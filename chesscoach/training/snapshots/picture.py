"""A player's progress as a picture, drawn by matplotlib, the extra `plots`."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from chesscoach.errors import ConfigError
from chesscoach.training.snapshots.progress import Progress, Series

_SHOWN = ("Pace", "Quiz average", "Accuracy")
_MATPLOTLIB_EPOCH = date(1970, 1, 1)
_WIDTH_IN, _PANEL_HEIGHT_IN, _DPI = 9, 2.4, 120


def write_png(path: Path, progress: Progress, title: str) -> None:
    """Draws form, minutes and ratings below one another; blocks.

    Raises:
        ConfigError: matplotlib is not installed, or the file cannot be written.
    """
    try:
        # Only this picture needs it, and it takes half a second to import.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        msg = "--png: matplotlib is not installed: pip install 'chesscoach[plots]'"
        raise ConfigError(msg) from None
    form = [series for series in progress.series if series.name in _SHOWN]
    minutes = [series for series in progress.series if series.name == "Minutes"]
    panels = [("Form (0 to 100)", form), ("Minutes a day", minutes)]
    panels += [("Rating", list(progress.ratings))] if progress.ratings else []
    places = [(day - _MATPLOTLIB_EPOCH).days for day in progress.days]
    figure = Figure(figsize=(_WIDTH_IN, _PANEL_HEIGHT_IN * len(panels)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(_printable(title), parse_math=False)
    for row, (label, lines) in enumerate(panels, 1):
        axes = figure.add_subplot(len(panels), 1, row)
        axes.set_ylabel(label)
        axes.grid(visible=True, alpha=0.3)
        for line in lines:
            axes.plot(places, _numbers(line), marker=".", label=line.name)
        if len(lines) > 1:
            axes.legend(loc="best", fontsize="small")
        axes.xaxis_date()
        axes.tick_params(axis="x", labelrotation=30)
    try:
        figure.savefig(path, format="png", dpi=_DPI)
    except OSError as error:
        msg = f"--png: {path} cannot be written: {error.strerror}"
        raise ConfigError(msg) from None


def _numbers(series: Series) -> Sequence[float]:
    return [float("nan") if value is None else value for value in series.values]


def _printable(text: str) -> str:
    """A text in characters that every font has."""
    return "".join(character if " " <= character <= "~" else "?" for character in text)[:80]
