"""The decision curves as figures: net benefit of every method at every threshold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.metrics.decisions import (
    THRESHOLDS,
    at_least,
    net_benefit,
    net_benefit_of_all,
)
from cystgrid.evaluation.predictions import Method

ONE_CLASS, AT_LEAST = "class", "at_least"


def decision_curves(evaluation: Evaluation) -> pd.DataFrame:
    """Of all out-of-fold predictions together, mean over repeats.

    Returns:
        One row a method, kind, class and threshold: ``method,kind,class,threshold,net_benefit,
        everybody``. Kind ``class``: act on patients of the class; ``at_least``: act on those of
        it or a higher one. ``everybody``: net benefit of acting on everybody; on nobody it is 0.
    """
    return pd.concat(
        [part for method in evaluation.methods for part in _curves(evaluation, method)],
        ignore_index=True,
    )


def _curves(evaluation: Evaluation, method: Method) -> Iterator[pd.DataFrame]:
    repeats = [evaluation.arrays(rows) for _, rows in method.rows.groupby("repeat", sort=True)]
    for code, name in enumerate(evaluation.classes):
        yield _curve(method.name, ONE_CLASS, name, [(t == code, p[:, code]) for t, _, p in repeats])
    for code, name in enumerate(evaluation.classes[1:], start=1):
        pairs = [(t >= code, at_least(p, code)) for t, _, p in repeats]
        yield _curve(method.name, AT_LEAST, name, pairs)


def _curve(
    method: str,
    kind: str,
    name: str,
    repeats: list[tuple[NDArray[np.bool_], NDArray[np.float64]]],
) -> pd.DataFrame:
    benefit = np.mean([net_benefit(*pair, THRESHOLDS) for pair in repeats], axis=0)
    everybody = np.mean([net_benefit_of_all(pair[0], THRESHOLDS) for pair in repeats], axis=0)
    return pd.DataFrame(
        {
            "method": method,
            "kind": kind,
            "class": name,
            "threshold": THRESHOLDS,
            "net_benefit": benefit,
            "everybody": everybody,
        }
    )
