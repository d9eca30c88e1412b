"""A model that is fitted in one go, without epochs; its state in a file that runs no code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cystgrid.grids.batches import gather_crops
from cystgrid.grids.tiling import GridSettings
from cystgrid.models.classical import Cases, Estimator, load_estimator
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
        recipe: grid and, for models on a table of features, the table.
        threads: of the processor.
    """

    estimator: Estimator
    standard: NDArray[np.float64]
    channels: tuple[int, ...]
    recipe: Recipe
    threads: int

    def probabilities(self, prepared: Sequence[PreparedPatient]) -> NDArray[np.float64]:
        """Class probabilities ``(patient, class)`` of patients this member never saw."""
        with reproducible(self.threads):
            return self.estimator.probabilities(self.cases(prepared))

    def cases(self, prepared: Sequence[PreparedPatient]) -> Cases:
        """What the estimator may know of patients."""
        return cases_of(prepared, self.channels, self.standard, self.recipe)

    def save(self, folder: Path, stem: str) -> dict[str, Any]:
        """Write ``folder/stem.estimator``; returns the rest as JSON."""
        path = folder / f"{stem}.{STATE}"
        content = self.estimator.dump()
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
    threads = recipe.training_of(task.model).threads
    channels = channel_positions(store.modalities, task.inputs)
    with reproducible(threads):
        train = [store.load(patient) for patient in task.fold.train]
        validation = [store.load(patient) for patient in task.fold.validation]
        standard = standard_of(train, channels)
        cases = [cases_of(side, channels, standard, recipe) for side in (train, validation)]
        torch.manual_seed(task.seed)
        estimator = build_estimator(recipe.models, task.model, task.inputs, recipe.grid.cells)
        estimator.fit(
            cases[0],
            task.targets(train),
            cases[1],
            task.targets(validation),
            len(recipe.classes),
            task.seed,
        )
        found = estimator.probabilities(cases[1])
    after_epoch()
    row = look(task.targets(validation), found, 1, float("nan"))
    trial = Trial({}, 1, row.validation_loss, row.validation_balanced_accuracy)
    member = EstimatorMember(estimator, standard, channels, recipe, threads)
    return Trained(member, row, found, (), (trial,))


def cases_of(
    prepared: Sequence[PreparedPatient],
    channels: tuple[int, ...],
    standard: NDArray[np.float64],
    recipe: Recipe,
) -> Cases:
    """Central grids of the channels that are asked for, and the listed features."""
    patients = tuple(patient.patient for patient in prepared)
    grids = None
    if channels:
        crops = gather_crops(prepared, channels, standard, torch.device("cpu"), recipe.grid.pixels)
        grids = crops.central(recipe.grid.cells)
    return Cases(
        patients,
        tuple(patient.center for patient in prepared),
        grids,
        recipe.models.features_of(patients),
    )


def load_estimator_member(
    card: dict[str, Any], record: dict[str, Any], folder: Path, recipe: Recipe
) -> EstimatorMember:
    """Take up a member that ``EstimatorMember.save`` wrote (see ``load_member``)."""
    content = read_checked(folder / record["weights"], record["sha256"])
    return EstimatorMember(
        load_estimator(recipe.models, card["model"], content),
        np.array(record["standard"], dtype=np.float64),
        channel_positions(card["modalities"], card["inputs"]),
        recipe,
        recipe.training_of(card["model"]).threads,
    )
