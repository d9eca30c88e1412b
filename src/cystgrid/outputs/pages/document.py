"""One self-contained HTML file: no network, no script but its own."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup

from cystgrid import __version__
from cystgrid.provenance import NOTICE, refuse_others_file, write_text

SHARED = "cystgrid.outputs.pages"
"""Package of the style and the pieces that every page has."""


def render_document(package: str, name: str, mark: str, **values: Any) -> str:
    """A template as HTML; the same for the same content.

    Args:
        package: whose folder ``page`` holds ``<name>.html.j2``, ``<name>.css`` and ``<name>.js``.
        name: of these.
        mark: by which a page of this kind is known.
        values: for the template; each is escaped, and one that is missing is an error.
    """
    own = files(package) / "page"
    shared = files(SHARED) / "shared"
    style = "".join((place / part).read_text("utf-8")
                    for place, part in ((shared, "base.css"), (own, f"{name}.css")))  # fmt: skip
    script = (own / f"{name}.js").read_text("utf-8")
    environment = Environment(
        loader=PrefixLoader(
            {"shared": PackageLoader(SHARED, "shared"), "own": PackageLoader(package, "page")}
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"own/{name}.html.j2").render(
        style=Markup(style),
        script=Markup(script),
        mark=mark,
        policy=_policy(style, script),
        notice=NOTICE,
        version=__version__,
        **values,
    )


def write_document(path: Path, mark: str, html: str) -> None:
    """Write a page, whole or not at all.

    Raises:
        StoreError: a file that is no such page lies there.
    """
    refuse_others_file(path, mark, "choose another name")
    write_text(path, html)


def _policy(style: str, script: str) -> str:
    """Content security policy: this style and this script by their hashes, pictures inline."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
