"""The quality page as one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path

from cystgrid.outputs.pages.document import render_document, write_document
from cystgrid.outputs.quality.model import QualityPage

MARK = "cystgrid quality page"
"""By which a page of ours is known."""

CARDS_A_PAGE = 48
"""Divides by 2, 3, 4 and 6: full rows at every width of a window."""


def render_page(page: QualityPage) -> str:
    """The page as HTML; the same for the same content."""
    return render_document(
        "cystgrid.outputs.quality",
        "quality",
        MARK,
        page=page,
        cards_a_page=CARDS_A_PAGE,
        labels=sorted({card.label for card in page.cards if card.label}),
        centers=sorted({card.center for card in page.cards if card.center}),
    )


def write_page(page: QualityPage, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        StoreError: a file that is no such page lies there.
    """
    write_document(path, MARK, render_page(page))
