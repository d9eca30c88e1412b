"""Packages that only some work needs: the package's extras, asked for before that work begins."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from cystgrid.errors import SettingsError

Extra = Literal[
    "attribution", "cluster", "export", "pacs", "page", "search", "sheets", "systems"
]  # fmt: skip
"""As in pyproject.toml; ``all`` is all of them."""


def require(extra: Extra, where: str, *packages: str, or_else: str = "") -> None:
    """Refuse work whose packages are not there.

    Args:
        extra: that brings them.
        where: the option, setting or file that asks for the work.
        packages: by the names under which they are imported.
        or_else: what can be done without them.

    Raises:
        SettingsError: one of them is not installed.
    """
    for package in packages:
        if find_spec(package) is None:
            do = f"pip install 'cystgrid[{extra}]'"
            raise SettingsError(
                where,
                got=f"no package {package}",
                expected=f"the packages of the extra `{extra}`",
                do=f"{do}, or {or_else}" if or_else else do,
            )
