"""A study's settings, which show what was chosen."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from cystgrid import study
from cystgrid.face import html


class Study(study.Study):
    """The settings of one study: ``Study()`` has every default, ``Study.read`` takes a file.

    Sections may be given as mappings: ``Study(models={"names": ["vit"]}, training={"epochs": 9})``.
    """

    def _repr_html_(self) -> str:
        """What was chosen; the rest is at its default."""
        chosen = list(_leaves(self.model_dump(exclude_defaults=True, mode="json")))
        caption = "Study: what differs from the defaults" if chosen else "Study: every default"
        return html.table(("setting", "value"), chosen, caption, most=len(chosen))


def _leaves(values: dict[str, Any], above: str = "") -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, value in values.items():
        found += (
            _leaves(value, f"{above}{name}.")
            if isinstance(value, dict)
            else [(above + name, value)]
        )
    return found


def settings_or_default(given: study.Study | None) -> study.Study:
    """The study given, or every default."""
    return given if isinstance(given, BaseModel) else Study()
