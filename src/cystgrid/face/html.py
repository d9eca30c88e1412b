"""Small pieces of HTML for a notebook; every text in them is escaped."""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cystgrid.provenance import NOTICE

ROWS = 10
"""Of a long table that are shown."""

WIDTH = 800
"""Pixels of a picture, at most."""


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[object]],
    caption: str = "",
    most: int = ROWS,
) -> str:
    """A table, cut after ``most`` rows, with how many more there are."""
    every = list(rows)
    head = "".join(f"<th>{_text(each)}</th>" for each in headings)
    body = "".join(
        "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>"
        for row in every[:most]
    )
    more = len(every) - most
    foot = f"<tr><td colspan={len(headings)}>... and {more} more</td></tr>" if more > 0 else ""
    title = f"<caption>{_text(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}{foot}</tbody></table>"


def paragraph(text: object) -> str:
    """One paragraph."""
    return f"<p>{_text(text)}</p>"


def notice() -> str:
    """What stands with every prediction."""
    return f"<p><strong>{_text(NOTICE)}</strong></p>"


def refusals(refused: Iterable[tuple[str, str]]) -> str:
    """Who was left out, and why; nothing where nobody was."""
    rows = list(refused)
    return table(("refused", "why"), rows) if rows else ""


def figure(draw: Callable[[Path], object], about: str) -> str:
    """What a function draws into a file, as a picture.

    Args:
        draw: takes the path of a PNG.
        about: for those who cannot see it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figure.png"
        draw(path)
        with Image.open(path) as drawn:
            return picture(np.asarray(drawn.convert("RGB")), about)


def picture(pixels: NDArray[np.uint8], about: str) -> str:
    """Grey ``(row, column)`` or coloured ``(row, column, 3)`` pixels, at most ``WIDTH`` wide."""
    image = Image.fromarray(pixels)
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)))
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    data = base64.b64encode(content.getvalue()).decode()
    return f'<img alt="{escape(about)}" src="data:image/png;base64,{data}">'


def _text(value: object) -> str:
    return escape(str(value))
