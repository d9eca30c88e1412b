"""What acting on the probabilities gains: net benefit (Vickers & Elkin 2006).

Acting at a threshold t says that one patient missed is as bad as (1 - t) / t acted on in vain.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cystgrid.evaluation.metrics.ranking import Flags, Probabilities

THRESHOLDS = np.arange(1, 100) / 100
"""Of the decision curve: 0.01 to 0.99."""

TOLD_THRESHOLDS = (0.1, 0.25, 0.5)
"""Of the figures in the table of all metrics."""


def net_benefit(
    positive: Flags, values: Probabilities, thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """True positives less weighed false ones, per patient; acting on nobody has 0.

    Args:
        positive: who needs the action, ``(patients,)``.
        values: their probability of needing it, ``(patients,)``; acted on if at least the
            threshold.
        thresholds: between 0 and 1, both excluded, ``(thresholds,)``.

    Returns:
        ``(thresholds,)``.
    """
    acted = values[:, None] >= thresholds
    right = (acted & positive[:, None]).sum(axis=0)
    vain = (acted & ~positive[:, None]).sum(axis=0)
    return np.asarray((right - vain * thresholds / (1.0 - thresholds)) / values.size)


def net_benefit_of_all(positive: Flags, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same when everybody is acted on, ``(thresholds,)``."""
    return net_benefit(positive, np.ones(positive.size), thresholds)


def at_least(probabilities: Probabilities, code: int) -> Probabilities:
    """The probability of class ``code`` or a higher one, ``(patients,)``, in the classes' order."""
    return np.asarray(probabilities[:, code:].sum(axis=1).clip(0.0, 1.0))
