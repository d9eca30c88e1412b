"""Templates of the page; every value is escaped, and one that is missing is an error."""

from __future__ import annotations

import time
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cystgrid import __version__
from cystgrid.evaluation.predictions import INPUT_NAMES
from cystgrid.explanations.shares import height_text
from cystgrid.provenance import NOTICE, sha256_bytes

VIEWER = "viewer/viewer.js"
"""Built by npm from ``frontend/``; without it, the page's own pictures serve."""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("cystgrid.page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["when"] = _when
    environment.filters["height"] = height_text
    environment.filters["inputs"] = lambda name: INPUT_NAMES.get(name, name)
    environment.filters["flag"] = _flag
    environment.globals.update(notice=NOTICE, version=__version__, asset=_asset)
    return environment


def render(template: str, **values: Any) -> str:
    """A template as HTML."""
    return _environment().get_template(template).render(**values)


def has_viewer() -> bool:
    """Whether the built viewer came with this package."""
    return (files("cystgrid.page") / "static" / VIEWER).is_file()


def _asset(name: str) -> str:
    """Address of a static file, another one for other content."""
    content = (files("cystgrid.page") / "static" / name).read_bytes()
    return f"/static/{name}?v={sha256_bytes(content)[:8]}"


def _flag(text: str) -> str:
    """What preparation flagged, for a reader who calls a region no ``roi``."""
    return text.replace("roi: ", "Region: ", 1)


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
