"""A network trained on one inner fold, its weights in safetensors."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cystgrid.grids.crops import Crops
from cystgrid.grids.gather import gather_crops
from cystgrid.grids.tiling import GridSettings
from cystgrid.interrupts import interrupt_noted
from cystgrid.models.network import Network, Shape
from cystgrid.models.registry import build_network
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.store import Store
from cystgrid.training.checkpoint import load_weights, save_weights
from cystgrid.training.course import Course, random_state
from cystgrid.training.device import Precision, reproducible, resolve_precision, training_device
from cystgrid.training.fit import Examples, begin, steps
from cystgrid.training.keeping import Keep, Keeper
from cystgrid.training.member import Task, Trained, channel_positions, standard_of
from cystgrid.training.predict import class_probabilities
from cystgrid.training.recipe import Recipe
from cystgrid.training.rounded import working_network
from cystgrid.training.search import search
from cystgrid.training.selection import better
from cystgrid.training.settings import TrainingSettings
from cystgrid.training.state_file import Saved
from cystgrid.training.underway import Underway


@dataclass(frozen=True)
class NetworkMember:
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
        return class_probabilities(self._working, crops, self.grid.cells, self.precision)

    @cached_property
    def _working(self) -> Network:
        """What answers; made of the network's weights when it is first asked."""
        return working_network(self.network, self.precision)

    def crops(self, prepared: Sequence[PreparedPatient]) -> Crops:
        """The patients' crops as this member's network takes them."""
        return gather_crops(prepared, self.channels, self.standard, self.device, self.grid.pixels)

    def save(self, folder: Path, stem: str, *, whole: bool = True) -> dict[str, Any]:
        """Write ``folder/stem.safetensors``, all of whose weights were trained: always whole."""
        path = folder / f"{stem}.safetensors"
        return {
            "weights": path.name,
            "sha256": save_weights(self.network.state(), path),
            "standard": self.standard.tolist(),
            "precision": self.precision,
        }


def train_network(
    store: Store, task: Task, after_epoch: Callable[[], None], keep: Keep | None
) -> Trained:
    """Train one network a candidate of the search, and keep the best (see ``train_member``)."""
    recipe = task.recipe
    settings = recipe.training_of(task.model)
    device = training_device()
    precision = resolve_precision(settings.precision, device)
    channels = channel_positions(store.modalities, task.inputs)
    with reproducible(settings.threads):
        train = [store.entries[patient] for patient in task.fold.train]
        torch.manual_seed(task.seed)  # heads and, from scratch, whole networks are drawn from it
        shape = Shape.of(len(channels), len(recipe.classes), recipe.grid, train[0].shape[-1])
        member = NetworkMember(
            build_network(recipe.models, task.model, task.inputs, shape).to(device),
            standard_of(train, channels), channels, recipe.grid, precision, device,
        )  # fmt: skip
        random = random_state()
        examples = _examples(store, task.fold.train, member, task)
        others = _examples(store, task.fold.validation, member, task)

        def run(
            candidate: TrainingSettings, saved: Saved | None
        ) -> tuple[Underway, Iterator[bool]]:
            network = copy.deepcopy(member.network)
            training = begin(network, examples, candidate, precision, seed=task.seed, saved=saved)
            return training, steps(training, examples, others, recipe.grid, candidate, precision)

        with interrupt_noted() as asked:
            keeper = Keeper(keep, asked)

            def start(candidate: TrainingSettings) -> Course:
                return keeper.course(partial(run, candidate), random, after_epoch)

            best, _, trials = search(
                settings, recipe.search, task.seed, start,
                lambda new, old: better(new.look, old.look, settings.select),
            )  # fmt: skip
        member.network.load_state(best.state)
    return Trained(member, best.look, best.validation, best.curve, trials)


def _examples(store: Store, patients: Sequence[str], member: NetworkMember, task: Task) -> Examples:
    labels = task.targets([store.entries[patient] for patient in patients])
    targets = torch.from_numpy(labels).to(member.device)
    return Examples(member.crops(store.several(patients)), targets, len(task.recipe.classes))


def load_network(
    card: dict[str, Any], record: dict[str, Any], folder: Path, recipe: Recipe
) -> NetworkMember:
    """Take up a member that ``NetworkMember.save`` wrote (see ``load_member``)."""
    device = training_device()
    channels = channel_positions(card["modalities"], card["inputs"])
    shape = Shape.of(len(channels), len(recipe.classes), recipe.grid, card["pixels"])
    network = build_network(recipe.models, card["model"], card["inputs"], shape)
    load_weights(network, folder / record["weights"], record["sha256"])
    return NetworkMember(
        network.to(device),
        np.array(record["standard"], dtype=np.float64),
        channels,
        recipe.grid,
        resolve_precision(record["precision"], device),
        device,
    )
