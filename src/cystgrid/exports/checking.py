"""Whether an exported model says what the model says: the round trip that ends every export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from cystgrid.errors import StoreError
from cystgrid.exports.cases import Case
from cystgrid.exports.source import Source

TOLERANCE = 1e-4
"""Of a probability: below what any table shows, above what another order of sums makes."""

Exported = Callable[[Tensor, Tensor, Tensor], ArrayLike]
"""Crop, percentiles and slices to probabilities ``(batch, class)``, by the exported file."""


@dataclass(frozen=True)
class Check:
    """What a round trip found.

    Attributes:
        cases: patients that were tried.
        largest: difference of a probability from the model's, both in float32.
        answers: largest difference of the model as it answers here from itself in float32: what
            bfloat16 rounds away, and no export has. 0 for a model that answers in float32.
    """

    cases: int
    largest: float
    answers: float

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "cases": self.cases,
            "tolerance": TOLERANCE,
            "largest_difference": self.largest,
            "largest_difference_of_bfloat16_answers": self.answers,
        }


def check_exported(source: Source, exported: Exported, what: str) -> Check:
    """Ask the exported file about every case, one by one and all at once.

    Args:
        source: the model.
        exported: the file, as other software runs it.
        what: it is, for the message.

    Raises:
        StoreError: it says something else than the model.
    """
    cases = source.cases
    alone = [_asked(source, exported, [case]) for case in cases]
    together = _asked(source, exported, cases)
    return checked(source, (np.concatenate(alone), together), source.expected, what)


def checked(
    source: Source,
    found: tuple[NDArray[np.float64], ...],
    expected: NDArray[np.float64],
    what: str,
) -> Check:
    """Compare what an export said of the cases with what it should have.

    Args:
        source: the model.
        found: ``(case, class)``, each way of asking.
        expected: ``(case, class)``.
        what: the export is, for the message.

    Raises:
        StoreError: they differ by more than ``TOLERANCE``.
    """
    largest = 0.0
    for one in found:
        for case, difference in zip(source.cases, np.abs(one - expected), strict=True):
            worst = float(difference.max())
            if not worst <= TOLERANCE:  # NaN, too
                raise StoreError(
                    what,
                    got=f"probabilities that differ by {worst:.2g} ({case.about})",
                    expected=f"those of the model within {TOLERANCE:g}",
                    do="nothing was written; report it with the versions in use",
                )
            largest = max(largest, worst)
    return Check(len(source.cases), largest, source.from_answers() if source.bfloat16 else 0.0)


def _asked(source: Source, exported: Exported, cases: list[Case]) -> NDArray[np.float64]:
    return np.asarray(exported(*source.tensors(cases)), dtype=np.float64)
