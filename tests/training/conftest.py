"""A prepared cohort to train on in seconds: 16-pixel cells, a square whose size is the class."""

from types import SimpleNamespace

import numpy as np
import pytest

from cystgrid.cohort.classes import CohortSettings
from cystgrid.grids.tiling import GridSettings
from cystgrid.models.registry import ModelSettings
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.preparation.store import write_index, write_patient
from cystgrid.training.recipe import Recipe
from cystgrid.training.search import SearchSettings
from cystgrid.training.settings import TrainingSettings

CLASSES = ("normal", "low", "high")
SIZE = 16


def make_patient(number, *, label=None, signal=2.0, voxels=None):
    """A patient whose class is the size of a bright square; ``voxels`` overwrites the crop."""
    rng = np.random.default_rng(number)
    kind = CLASSES[number % 3]
    crop = rng.random((2, 5 + number % 4, SIZE, SIZE), dtype=np.float32)
    half = (1, 4, 7)[number % 3]
    crop[:, :, SIZE // 2 - half : SIZE // 2 + half, SIZE // 2 - half : SIZE // 2 + half] += signal
    if voxels is not None:
        crop[:] = voxels
    name = f"p{number:02}"
    return PreparedPatient(
        patient=name, label=label or kind, center=f"c{number % 2}", group=name,
        crop=crop, percentiles=np.stack([np.linspace(0.05, 2.5, 11)] * 2) * (1 + number % 5),
        affine=np.eye(4), flags=(), alignment={},
    )  # fmt: skip


def write_store(folder, patients):
    cards = {p.patient: write_patient(folder, p, key="k") for p in patients}
    write_index(folder, PreparationSettings(cell=SIZE), cards)
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("prepared"), [make_patient(n) for n in range(18)])


def made_up(fits):
    """A training of these fits, one an epoch, and its steps, as ``fit.begin`` and ``fit.steps``."""
    training = SimpleNamespace(best=None, ended=False)

    def steps():
        for training.best in fits:
            yield False
            yield True

    return training, steps()


def make_recipe(names=("resnet18",), *, models=None, search=None, cohort=None, **training):
    quick = {"epochs": 3, "warmup": 1, "batch": 6, "layer_decay": 1.0, "learning_rate": 1e-3}
    return Recipe(
        grid=GridSettings(cells=4),
        cohort=CohortSettings(**(cohort or {})),
        models=ModelSettings(
            **{"names": names, "vit": "tiny", "weights": "none", **(models or {})}
        ),
        training=TrainingSettings(**{**quick, "precision": "float32", **training}),
        search=SearchSettings(**(search or {})),
    )
