"""The report as one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path

from cystgrid.outputs.pages.document import render_document, write_document
from cystgrid.outputs.report.model import Report

MARK = "cystgrid report"
"""By which a report of ours is known."""


def render_report(report: Report) -> str:
    """The page as HTML; the same for the same content."""
    return render_document("cystgrid.outputs.report", "report", MARK, page=report)


def write_report(report: Report, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        StoreError: a file that is no such page lies there.
    """
    write_document(path, MARK, render_report(report))
