"""One network and all that its fit rests on: trained on one inner fold, put away, taken up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cystgrid.cohort.splits import InnerFold
from cystgrid.errors import CohortError
from cystgrid.grids.batches import Crops, gather_crops
from cystgrid.grids.tiling import GridSettings
from cystgrid.models.network import Network, Shape
from cystgrid.models.registry import CHANNELS, build_model, build_network
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.standardise import fit_standard
from cystgrid.preparation.store import Store
from cystgrid.training.checkpoint import load_weights, save_weights
from cystgrid.training.device import Precision, reproducible, resolve_precision, training_device
from cystgrid.training.fit import Examples, Fit, fit
from cystgrid.training.predict import class_probabilities
from cystgrid.training.recipe import Recipe


@dataclass(frozen=True)
class Member:
    """A trained network and how its inputs are made.

    Attributes:
        network: on ``device``, holding the selected epoch's weights.
        standard: ``(modality, landmark)`` fitted on this member's training patients.
        channels: which modalities of a crop become channels.
        grid: slices in a grid, pixels in a cell.
        precision: arithmetic of the forward pass.
        device: where the network lies.
    """

    network: Network
    standard: NDArray[np.float64]
    channels: tuple[int, ...]
    grid: GridSettings
    precision: Precision
    device: torch.device

    def probabilities(self, prepared: Sequence[PreparedPatient]) -> NDArray[np.float64]:
        """Class probabilities ``(patient, class)`` of patients this member never saw."""
        crops = self.crops(prepared)
        return class_probabilities(self.network, crops, self.grid.cells, self.precision)

    def crops(self, prepared: Sequence[PreparedPatient]) -> Crops:
        """The patients' crops as this member's network takes them."""
        return gather_crops(prepared, self.channels, self.standard, self.device, self.grid.pixels)


def train_member(
    store: Store,
    fold: InnerFold,
    recipe: Recipe,
    model: str,
    inputs: str,
    *,
    seed: int,
    after_epoch: Callable[[], None] = lambda: None,
) -> tuple[Member, Fit]:
    """Fit one network: landmarks, weights and epoch from ``fold`` alone.

    Args:
        store: prepared patients; only those of ``fold`` are read.
        fold: training and validation patients.
        recipe: the study's.
        model: name in the study.
        inputs: which modalities.
        seed: of everything random in this training.
        after_epoch: called once an epoch, for progress.
    """
    settings = recipe.training_of(model)
    device = training_device()
    precision = resolve_precision(settings.precision, device)
    channels = channel_positions(store.modalities, inputs)
    with reproducible(settings.threads):
        train = [store.load(patient) for patient in fold.train]
        validation = [store.load(patient) for patient in fold.validation]
        percentiles = np.stack([patient.percentiles for patient in train], axis=1)
        standard = np.stack([fit_standard(scans) for scans in percentiles])
        torch.manual_seed(seed)  # heads and, from scratch, whole networks are drawn from it
        prepared = int(train[0].crop.shape[-1])
        shape = Shape.of(len(channels), len(recipe.classes), recipe.grid, prepared)
        network = build_network(recipe.models, model, inputs, shape).to(device)
        member = Member(network, standard, channels, recipe.grid, precision, device)
        fitted = fit(
            network,
            _examples(train, member, recipe.classes),
            _examples(validation, member, recipe.classes),
            recipe.grid,
            settings,
            precision,
            seed=seed,
            after_epoch=after_epoch,
        )
        network.load_state(fitted.state)
    return member, fitted


def image_size(recipe: Recipe, patient: PreparedPatient) -> int:
    """Height and width of a grid in pixels."""
    return recipe.grid.side * (recipe.grid.pixels or int(patient.crop.shape[-1]))


def channel_positions(modalities: Sequence[str], inputs: str) -> tuple[int, ...]:
    """Where the modalities that ``inputs`` asks for stand in a prepared crop.

    Raises:
        CohortError: one of them was not prepared.
    """
    missing = [name for name in CHANNELS[inputs] if name not in modalities]
    if missing:
        raise CohortError(
            f"inputs {inputs}",
            got=f"prepared data with {', '.join(modalities)}",
            expected=f"{missing[0]} as well",
            do="choose other inputs, or prepare with both modalities",
        )
    return tuple(modalities.index(name) for name in CHANNELS[inputs])


def _examples(
    prepared: Sequence[PreparedPatient], member: Member, classes: tuple[str, ...]
) -> Examples:
    numbers = [classes.index(str(patient.label)) for patient in prepared]
    return Examples(member.crops(prepared), torch.tensor(numbers, device=member.device))


def save_member(member: Member, fitted: Fit, path: Path) -> dict[str, Any]:
    """Write the member's weights to ``path``; returns the rest as JSON."""
    return {
        "weights": path.name,
        "sha256": save_weights(fitted.state, path),
        "standard": member.standard.tolist(),
        "precision": member.precision,
        "selected_epoch": fitted.selected,
        "selected": asdict(next(row for row in fitted.curve if row.epoch == fitted.selected)),
    }


def load_member(
    record: dict[str, Any],
    folder: Path,
    *,
    architecture: str,
    inputs: str,
    shape: Shape,
    channels: tuple[int, ...],
    grid: GridSettings,
) -> Member:
    """Take up a member that ``save_member`` wrote.

    Raises:
        StoreError: its weights are missing or altered.
    """
    device = training_device()
    network = build_model(architecture, inputs, shape, "none")
    load_weights(network, folder / record["weights"], record["sha256"])
    precision = resolve_precision(record["precision"], device)
    standard = np.array(record["standard"], dtype=np.float64)
    return Member(network.to(device), standard, channels, grid, precision, device)
