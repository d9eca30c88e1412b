"""Scans that differ from the rest of their centre, or of the cohort: often the wrong scan.

Robust z-scores of logarithms: the distance from the median over 1.4826 times the median absolute
deviation; 3.5 marks an outlier (Iglewicz & Hoaglin, How to Detect and Handle Outliers, 1993).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cystgrid.preparation.facts import RoiFacts, ScanFacts

LIMIT = 3.5
"""Robust z-score beyond which a value is an outlier."""

LIMIT_WITHIN_A_CENTRE = 2.0
"""An outlier of the cohort that its own centre lies nearer to than this is the centre's way."""

MAD_TO_DEVIATION = 1.4826
"""Makes the median absolute deviation of a normal distribution its standard deviation."""

FEWEST = 8
"""Values of which a median and a deviation say something."""

Quantity = Literal[
    "in-plane spacing", "slice spacing", "slices", "field of view", "extent along slices",
    "brightness", "region volume",
]  # fmt: skip
UNITS: dict[Quantity, str] = {
    "in-plane spacing": " mm",
    "slice spacing": " mm",
    "slices": "",
    "field of view": " mm",
    "extent along slices": " mm",
    "brightness": "",
    "region volume": " ml",
}

LEAST_SPREAD = float(np.log(1.1))
"""Smallest deviation that counts: where all scans agree, one must differ by 40 % to be marked."""

LEAST_SPREAD_OF: dict[Quantity, float] = {
    "brightness": float(np.log(1.5)),
    "region volume": float(np.log(1.5)),
}
"""MR intensities have no unit and organs differ: only the fourfold or a quarter is marked."""


@dataclass(frozen=True)
class Measured:
    """One value of one row."""

    line: int
    center: str
    column: str
    quantity: Quantity
    value: float


@dataclass(frozen=True)
class Outlier:
    """One value that stands out.

    Attributes:
        line: of the manifest.
        column: ``t1``, ``t2`` or ``roi``.
        quantity: what was measured.
        value: in the quantity's unit.
        z: robust z-score of its logarithm.
        median: of those it was compared with.
        center: whose scans it was compared with; None for the whole cohort's.
    """

    line: int
    column: str
    quantity: Quantity
    value: float
    z: float
    median: float
    center: str | None

    @property
    def reason(self) -> str:
        """One sentence."""
        unit = UNITS[self.quantity]
        whom = f"centre {self.center}" if self.center else "the cohort"
        side = "above" if self.z > 0 else "below"
        return (
            f"{self.quantity} {self.value:.4g}{unit}: far {side} the median of {whom}, "
            f"{self.median:.4g}{unit} (robust z {self.z:+.1f})."
        )


def measured_scan(line: int, center: str, facts: ScanFacts) -> tuple[Measured, ...]:
    """What is compared of a scan."""
    axis = facts.slice_axis
    in_plane = [n for n in range(3) if n != axis]
    values: dict[Quantity, float] = {
        "in-plane spacing": float(np.sqrt(np.prod([facts.spacing[n] for n in in_plane]))),
        "slice spacing": facts.spacing[axis],
        "slices": float(facts.shape[axis]),
        "field of view": max(facts.extent_mm[n] for n in in_plane),
        "extent along slices": facts.extent_mm[axis],
        "brightness": facts.percentiles[2],
    }
    return tuple(Measured(line, center, facts.modality, name, v) for name, v in values.items())


def measured_roi(line: int, center: str, facts: RoiFacts) -> tuple[Measured, ...]:
    """What is compared of a region; nothing of one that stands for the whole scan."""
    if facts.kind == "whole":
        return ()
    return (Measured(line, center, "roi", "region volume", facts.volume_ml),)


def find_outliers(measured: Iterable[Measured]) -> tuple[Outlier, ...]:
    """Every value that stands out from its centre's, or from the cohort's and is not its centre's.

    A centre is judged by its own median where it has ``FEWEST`` values or more. Values that are not
    positive have no logarithm and are left out.

    Returns:
        Sorted by line, column and quantity.
    """
    kinds: dict[tuple[str, Quantity], list[Measured]] = {}
    for each in measured:
        if each.value > 0:
            kinds.setdefault((each.column, each.quantity), []).append(each)
    found = [outlier for values in kinds.values() for outlier in _of_one_kind(values)]
    return tuple(sorted(found, key=lambda o: (o.line, o.column, o.quantity)))


def _of_one_kind(values: Sequence[Measured]) -> Iterable[Outlier]:
    overall = _scores(values)
    by_center: dict[str, list[int]] = {}
    for place, each in enumerate(values):
        by_center.setdefault(each.center, []).append(place)
    for center, places in by_center.items():
        within = _scores([values[place] for place in places])
        for n, place in enumerate(places):
            each = values[place]
            if within is not None and abs(within[0][n]) > LIMIT:
                yield _outlier(each, within[0][n], within[1], center or None)
                continue
            alone = within is None or abs(within[0][n]) > LIMIT_WITHIN_A_CENTRE
            if alone and overall is not None and abs(overall[0][place]) > LIMIT:
                yield _outlier(each, overall[0][place], overall[1], None)


def _outlier(each: Measured, z: float, median: float, center: str | None) -> Outlier:
    return Outlier(each.line, each.column, each.quantity, each.value, float(z), median, center)


def _scores(values: Sequence[Measured]) -> tuple[NDArray[np.float64], float] | None:
    """Robust z-scores of the logarithms, and the median; None of too few."""
    if len(values) < FEWEST:
        return None
    logs = np.log([each.value for each in values])
    middle = float(np.median(logs))
    spread = MAD_TO_DEVIATION * float(np.median(np.abs(logs - middle)))
    least = LEAST_SPREAD_OF.get(values[0].quantity, LEAST_SPREAD)
    return (logs - middle) / max(spread, least), float(np.exp(middle))
