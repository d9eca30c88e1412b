"""One page to print: the answer, what the model saw, and what it rests on. No name of a person."""

from __future__ import annotations

import io
import textwrap
from pathlib import Path

import matplotlib.image
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure

from cystgrid import __version__
from cystgrid.outputs.style import BLUE, SMALLEST_TEXT, figure_style
from cystgrid.page.results import Result
from cystgrid.provenance import NOTICE, write_bytes

REPORT = "report.pdf"
A4_INCHES = (8.27, 11.69)
LETTERS_A_LINE = 112
FLAGS_SHOWN = 6
LINES_OF_NOTES = 13


def write_report(result: Result, folder: Path) -> Path:
    """Write the page; the same result gives the same bytes.

    Args:
        result: of the study.
        folder: where its pictures lie, and the page will.
    """
    with figure_style():
        figure = Figure(figsize=A4_INCHES)
        figure.text(
            0.08, 0.955, f"The model's answer: {result.predicted}", fontsize=17, weight="bold"
        )
        figure.text(0.08, 0.935, _subtitle(result), fontsize=9, color="0.3", va="top")
        figure.text(0.08, 0.9, NOTICE, fontsize=11, color="#a63a00", weight="bold")
        _bars(figure.add_axes((0.2, 0.79, 0.66, 0.09)), result)
        _picture(figure, folder / result.grid, (0.08, 0.46, 0.84, 0.3))
        if result.pictures:
            _picture(figure, folder / result.pictures[0], (0.08, 0.2, 0.84, 0.25))
        figure.text(0.08, 0.185, _notes(result), fontsize=SMALLEST_TEXT, va="top", linespacing=1.4)
        figure.text(0.08, 0.025, NOTICE, fontsize=9, color="#a63a00")
        content = io.BytesIO()
        FigureCanvasPdf(figure)
        figure.savefig(content, format="pdf", dpi=150, metadata={"CreationDate": None})
    path = folder / REPORT
    write_bytes(path, content.getvalue())
    return path


def _subtitle(result: Result) -> str:
    return (
        f"{result.patient}    model {result.model} on {result.inputs}, "
        f"{result.model_sha256[:12]}    cystgrid {__version__}"
    )


def _bars(axes: Axes, result: Result) -> None:
    places = range(len(result.classes))
    axes.barh(places, result.probabilities, color=BLUE, height=0.62)
    axes.set_yticks(places, result.classes)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("probability by the model", fontsize=SMALLEST_TEXT)
    for place, value in zip(places, result.probabilities, strict=True):
        axes.text(value + 0.01, place, f"{value:.1%}", va="center", fontsize=9)


def _picture(figure: Figure, path: Path, box: tuple[float, float, float, float]) -> None:
    axes = figure.add_axes(box)
    axes.set_axis_off()
    axes.imshow(matplotlib.image.imread(path))


def _notes(result: Result) -> str:
    """Calibration, the maps' shares and the flags, as many lines as fit."""
    shares = dict.fromkeys(
        " for ".join(filter(None, (made.method, made.explained))) + f": {made.sentence}."
        for made in result.maps
    )
    flags = [f"Note: {flag}" for flag in result.flags[:FLAGS_SHOWN]]
    more = len(result.flags) - FLAGS_SHOWN
    flags += [f"{more} more notes stand in result.json."] if more > 0 else []
    lines = [line for text in (*_calibration(result), *list(shares)[:4], *flags)
             for line in textwrap.wrap(text, LETTERS_A_LINE)]  # fmt: skip
    return "\n".join(lines[:LINES_OF_NOTES])


def _calibration(result: Result) -> tuple[str, ...]:
    if result.calibrated is None:
        return ("Never calibrated: the probabilities may be too sure or too shy.",)
    told = result.calibrated
    inside = ", ".join(told.inside) or "no class"
    return (f"Not ruled out at {told.coverage:.0%}: {inside}. The model was {told.note}.",)
