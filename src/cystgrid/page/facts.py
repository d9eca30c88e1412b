"""What the page must know of its model; the model itself lies in processes of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cystgrid.preparation.settings import PreparationSettings


@dataclass(frozen=True)
class MethodFacts:
    """A way to make a map: its name, and what it is in words."""

    name: str
    about: str


@dataclass(frozen=True)
class ModelFacts:
    """A model without its networks.

    Attributes:
        name, inputs, sha256: as in its model.json.
        classes: in order of risk.
        preparation: how a scan must be prepared for it.
        calibration: what was learned from validation patients, or None.
        methods: ways to make a map that serve it; none for a model that is no network.
        usual_methods: those that are made where none is chosen.
    """

    name: str
    inputs: str
    sha256: str
    classes: tuple[str, ...]
    preparation: PreparationSettings
    calibration: dict[str, Any] | None
    methods: tuple[MethodFacts, ...]
    usual_methods: tuple[str, ...]
