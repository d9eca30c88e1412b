"""Decision fusion: one answer from the answers of two models.

``p = w p_a + (1 - w) p_b``, with one weight an outer fold, learned on its inner validation
predictions alone: each of them is by models that never trained on that patient, and no patient of
the outer fold is among them. (Yao et al. 2023 fuse radiomics and a network so.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from cystgrid.errors import SettingsError
from cystgrid.training.selection import SMALLEST_PROBABILITY

PLACE = ["outer_fold", "inner_fold", "patient"]
Pair = tuple[str, str]
"""Model and inputs."""
Fusion = tuple[Pair, Pair]
"""The two whose answers are fused, the first of them with the weight that is learned."""


def pair_of(name: str) -> Pair:
    """The pair that a run's files call ``model-inputs``."""
    model, inputs = name.rsplit("-", 1)
    return model, inputs


@dataclass(frozen=True)
class FusionWeight:
    """What one outer fold's weight was learned on.

    Attributes:
        outer: number of the outer fold.
        weight: of the first model, 0-1.
        patients: whose inner validation predictions decided.
    """

    outer: int
    weight: float
    patients: tuple[str, ...]


def fused_name(first: Pair, second: Pair) -> Pair:
    """Model and inputs of the fused answers: ``vit+features-forest`` on ``early``."""
    seen = [inputs for _, inputs in (first, second) if inputs != "none"]
    return f"{first[0]}+{second[0]}", "+".join(dict.fromkeys(seen)) or "none"


def fuse(
    first: Pair,
    second: Pair,
    predictions: pd.DataFrame,
    validations: pd.DataFrame,
    classes: Sequence[str],
) -> tuple[pd.DataFrame, pd.DataFrame, list[FusionWeight]]:
    """Fuse two models' answers, fold by fold.

    Args:
        first: model and inputs of the one.
        second: of the other.
        predictions: as ``outcome.outer_predictions`` gives them.
        validations: as ``outcome.inner_validations`` gives them.
        classes: class names; validations must have a column ``label``.

    Returns:
        The fused rows of predictions and of validations, and the weights; only patients whom both
        models answered are among them.

    Raises:
        SettingsError: one of the two is not in the run.
    """
    columns = [f"p_{name}" for name in classes]
    tests = _common(predictions, (first, second), ["outer_fold", "patient"])
    inner = _common(validations, (first, second), PLACE)
    model, inputs = fused_name(first, second)
    fused: list[pd.DataFrame] = []
    learned: list[pd.DataFrame] = []
    weights = []
    for outer in sorted(set(tests[0]["outer_fold"])):
        sides = [side[side["outer_fold"] == outer].reset_index(drop=True) for side in inner]
        a, b = (side[columns].to_numpy() for side in sides)
        truth = np.array([list(classes).index(label) for label in sides[0]["label"]])
        weight = best_weight(a, b, truth)
        weights.append(FusionWeight(int(outer), weight, tuple(sides[0]["patient"])))
        learned.append(_mixed(sides, columns, weight))
        chosen = [side[side["outer_fold"] == outer].reset_index(drop=True) for side in tests]
        fused.append(_mixed(chosen, columns, weight))
    named = {"model": model, "inputs": inputs}
    return (
        pd.concat(fused, ignore_index=True).assign(**named),
        pd.concat(learned, ignore_index=True).assign(**named),
        weights,
    )


def best_weight(
    first: NDArray[np.float64], second: NDArray[np.float64], truth: NDArray[np.int64]
) -> float:
    """The weight of ``first`` with the least mean cross-entropy; the loss is convex in it.

    Args:
        first: ``(patient, class)`` probabilities of the one.
        second: of the other.
        truth: ``(patient,)`` class numbers.
    """
    rows = np.arange(len(truth))
    a, b = first[rows, truth], second[rows, truth]

    def loss(weight: float) -> float:
        mixed = weight * a + (1 - weight) * b
        return float(-np.log(np.maximum(mixed, SMALLEST_PROBABILITY)).mean())

    inside = minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-6})
    return float(min((1.0, 0.0, float(inside.x)), key=loss))


def _common(frame: pd.DataFrame, pairs: Sequence[Pair], place: list[str]) -> list[pd.DataFrame]:
    """The rows of each model for what both of them answered, in one order."""
    sides = []
    for model, inputs in pairs:
        chosen = frame[(frame["model"] == model) & (frame["inputs"] == inputs)]
        if chosen.empty:
            raise SettingsError(
                "models.fusions",
                got=f"{model} on {inputs}, which this run does not have",
                expected="two models of models.names, each as model or model:inputs",
                do="correct the study",
            )
        sides.append(chosen.set_index(place))
    both = sides[0].index.intersection(sides[1].index).sort_values()
    return [side.loc[both].reset_index() for side in sides]


def _mixed(sides: Sequence[pd.DataFrame], columns: list[str], weight: float) -> pd.DataFrame:
    mixed = weight * sides[0][columns].to_numpy() + (1 - weight) * sides[1][columns].to_numpy()
    table = sides[0].copy()
    table[columns] = mixed
    return table
