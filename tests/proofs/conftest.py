"""Runs of the whole pipeline in seconds, and the figures that the proofs have seen.

`make proofs` runs more of them, on networks as well (``--long``).
"""

import numpy as np
import pandas as pd
import pytest

from cohorts_in_memory import CLASSES, unsynced
from cystgrid.cohort.splits import SplitSettings
from cystgrid.grids.tiling import GridSettings
from cystgrid.models.registry import ModelSettings
from cystgrid.training.nested import cross_validate
from cystgrid.training.recipe import Recipe
from cystgrid.training.search import SearchSettings
from cystgrid.training.settings import TrainingSettings

CHANCE = 1 / len(CLASSES)
STANDARD_ERRORS = 3
FOLDS = SplitSettings(folds=3, turns=1)
FAST = "resnet18"
"""On images of 16 pixels it learns what there is to learn in seconds, a person's mark included."""

SMALL = "timm:test_vit"
"""A transformer of 0.3 million weights, three times as fast; it learns a person's mark as well."""


@pytest.fixture
def figure(record_property):
    """Keeps a line for the summary."""

    def keep(text):
        record_property("figure", text)

    return keep


@pytest.fixture
def long(request):
    return request.config.getoption("--long")


def recipe(names=(FAST,), *, cells=4, models=None, search=None, **training):
    quick = {"epochs": 6, "warmup": 1, "batch": 8, "layer_decay": 1.0, "learning_rate": 1e-3}
    plain = {"names": names, "weights": "none", "extractor": "resnet18"}
    return Recipe(
        grid=GridSettings(cells=cells, flip=False, rotate=False),
        models=ModelSettings(**{**plain, **(models or {})}),
        training=TrainingSettings(**{**quick, "precision": "float32", **training}),
        search=SearchSettings(**(search or {})),
    )


def run(prepared, folder, how=None, splits=FOLDS, **options):
    """A whole nested cross-validation; its predictions."""
    with unsynced():
        path = cross_validate(
            prepared, folder, how or recipe(), splits,
            **{"workers": 0, "quiet": True, **options},
        )  # fmt: skip
    return pd.read_csv(path)


def balanced_accuracy(table):
    right = table["predicted"] == table["label"]
    return float(right.groupby(table["label"]).mean().mean())


def band(values):
    """Mean and the width of three standard errors."""
    return float(np.mean(values)), STANDARD_ERRORS * float(np.std(values, ddof=1)) / len(
        values
    ) ** 0.5
