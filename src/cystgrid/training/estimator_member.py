"""A model that is fitted in one go, without epochs; its state in a file that runs no code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cystgrid.grids.crops import CentralGrids
from cystgrid.grids.gather import gather_crops
from cystgrid.grids.tiling import GridSettings
from cystgrid.models.classical import Cases, Estimator, load_estimator
from cystgrid.models.feature_table import FeatureSettings, read_features
from cystgrid.models.registry import build_estimator
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.store import Store
from cystgrid.provenance import sha256_bytes, write_bytes
from cystgrid.training.checkpoint import read_checked
from cystgrid.training.device import reproducible
from cystgrid.training.member import Task, Trained, channel_positions, standard_of
from cystgrid.training.recipe import Recipe
from cystgrid.training.search import Trial
from cystgrid.training.selection import look

STATE = "estimator"


@dataclass(frozen=True)
class EstimatorMember:
    """A fitted estimator and how its inputs are made.

    Attributes:
        estimator: fitted.
        standard: ``(modality, landmark)`` of its training patients; 0 where it sees no scan.
        channels: which modalities of a crop it sees.
        grid: slices in a grid, pixels in a cell.
        table: of features, for a model that reads one.
        threads: of the processor.
    """

    estimator: Estimator
    standard: NDArray[np.float64]
    channels: tuple[int, ...]
    grid: GridSettings
    table: FeatureSettings | None
    threads: int

    def probabilities(self, prepared: Sequence[PreparedPatient]) -> NDArray[np.float64]:
        """Class probabilities ``(patient, class)`` of patients this member never saw."""
        with reproducible(self.threads):
            return self.estimator.probabilities(self.cases(prepared))

    def cases(self, prepared: Sequence[PreparedPatient]) -> Cases:
        """What the estimator may know of patients."""
        named = [(patient.patient, patient.center) for patient in prepared]
        patients = tuple(patient for patient, _ in named)
        return Cases(
            patients,
            tuple(center for _, center in named),
            self._grids(prepared) if self.channels else None,
            None if self.table is None else read_features(self.table, patients),
        )

    def _grids(self, prepared: Sequence[PreparedPatient]) -> CentralGrids:
        crops = gather_crops(
            prepared, self.channels, self.standard, torch.device("cpu"), self.grid.pixels
        )
        return CentralGrids(crops, self.grid.cells)

    def save(self, folder: Path, stem: str, *, whole: bool = True) -> dict[str, Any]:
        """Write ``folder/stem.estimator`` (see ``Member.save``)."""
        path = folder / f"{stem}.{STATE}"
        content = self.estimator.dump(network=whole)
        write_bytes(path, content)
        return {
            "weights": path.name,
            "sha256": sha256_bytes(content),
            "standard": self.standard.tolist(),
            "precision": "float32",
        }


def train_estimator(store: Store, task: Task, after_epoch: Callable[[], None]) -> Trained:
    """Fit once on the training patients (see ``train_member``); no epoch, one tick."""
    recipe = task.recipe
    channels = channel_positions(store.modalities, task.inputs)
    train = [store.entries[patient] for patient in task.fold.train]
    targets = task.targets([store.entries[patient] for patient in task.fold.validation])
    validation = store.several(task.fold.validation)
    with reproducible(recipe.training_of(task.model).threads):
        torch.manual_seed(task.seed)
        estimator = build_estimator(recipe.models, task.model, task.inputs, recipe.grid.cells)
        member = _member(estimator, standard_of(train, channels), channels, recipe, task.model)
        estimator.fit(
            member.cases(store.several(task.fold.train)),
            task.targets(train),
            member.cases(validation),
            targets,
            len(recipe.classes),
            task.seed,
        )
        found = member.probabilities(validation)
    after_epoch()
    row = look(targets, found, 1, float("nan"))
    trial = Trial({}, 1, row.validation_loss, row.validation_balanced_accuracy, 1)
    return Trained(member, row, found, (), (trial,))


def _member(
    estimator: Estimator,
    standard: NDArray[np.float64],
    channels: tuple[int, ...],
    recipe: Recipe,
    model: str,
) -> EstimatorMember:
    models = recipe.models
    table = models.features if models.entry(model).sees == "features" else None
    threads = recipe.training_of(model).threads
    return EstimatorMember(estimator, standard, channels, recipe.grid, table, threads)


def load_estimator_member(
    card: dict[str, Any], record: dict[str, Any], folder: Path, recipe: Recipe
) -> EstimatorMember:
    """Take up a member that ``EstimatorMember.save`` wrote (see ``load_member``)."""
    content = read_checked(folder / record["weights"], record["sha256"])
    estimator = load_estimator(recipe.models.architecture(card["model"]), content)
    channels = channel_positions(card["modalities"], card["inputs"])
    standard = np.array(record["standard"], dtype=np.float64)
    return _member(estimator, standard, channels, recipe, card["model"])
