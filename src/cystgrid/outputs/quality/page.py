"""One self-contained HTML file: no network, no script but its own."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cystgrid import __version__
from cystgrid.outputs.quality.model import QualityPage
from cystgrid.provenance import NOTICE, refuse_others_file, write_text

MARK = "cystgrid quality page"
"""By which a page of ours is known."""

CARDS_A_PAGE = 48
"""Divides by 2, 3, 4 and 6: full rows at every width of a window."""


def render_page(page: QualityPage) -> str:
    """The page as HTML; the same for the same content."""
    folder = files("cystgrid.outputs.quality") / "page"
    style = (folder / "quality.css").read_text("utf-8")
    script = (folder / "quality.js").read_text("utf-8")
    environment = Environment(
        loader=PackageLoader("cystgrid.outputs.quality", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("quality.html.j2").render(
        page=page,
        style=Markup(style),
        script=Markup(script),
        mark=MARK,
        policy=_policy(style, script),
        cards_a_page=CARDS_A_PAGE,
        labels=sorted({card.label for card in page.cards if card.label}),
        centers=sorted({card.center for card in page.cards if card.center}),
        notice=NOTICE,
        version=__version__,
    )


def write_page(page: QualityPage, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        StoreError: a file that is no such page lies there.
    """
    refuse_others_file(path, MARK, "choose another name")
    write_text(path, render_page(page))


def _policy(style: str, script: str) -> str:
    """Content security policy: this style and this script by their hashes, pictures inline."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
