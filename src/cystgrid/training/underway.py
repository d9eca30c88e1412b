"""A training between two steps: all that decides the rest of it.

But for the state of torch's global generators, which all trainings of a process share (``course``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cystgrid.models.network import Network
from cystgrid.training.selection import Epoch
from cystgrid.training.step import Step

WEIGHT, MOMENT, BEST = "weight/", "moment/", "best/"
"""Before the names of a state's tensors: the network's, the optimiser's, the best epoch's."""

NOTHING = np.zeros((0, 0))
"""Probabilities of a fit that was let go of."""


@dataclass(frozen=True)
class Fit:
    """What a training ends with.

    Attributes:
        state: the network's tensors after the selected epoch; empty where it was let go of.
        selected: number of the selected epoch, from 1.
        curve: every epoch at which the validation fold was looked at.
        validation: ``(patient, class)`` probabilities of the validation fold after that epoch.
    """

    state: dict[str, Tensor]
    selected: int
    curve: tuple[Epoch, ...]
    validation: NDArray[np.float64]

    @property
    def look(self) -> Epoch:
        """The curve's row of the selected epoch."""
        return next(row for row in self.curve if row.epoch == self.selected)

    def as_of(self, epoch: int, selected: int) -> Fit:
        """Its curve until an earlier epoch, and what was selected then; without weights."""
        return Fit({}, selected, tuple(row for row in self.curve if row.epoch <= epoch), NOTHING)

    def told(self) -> dict[str, Any]:
        """Its curve and selection as JSON."""
        return {"selected": self.selected, "curve": [asdict(row) for row in self.curve]}

    def tensors(self) -> dict[str, Tensor]:
        """Weights and probabilities; none where it was let go of."""
        if not self.state:
            return {}
        weights = {BEST + name: tensor for name, tensor in self.state.items()}
        return {**weights, "validation": torch.from_numpy(self.validation)}

    @classmethod
    def of(cls, told: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Fit | None:
        """What ``told`` and ``tensors`` gave; None where nothing was selected yet."""
        if told["selected"] is None:
            return None
        found = tensors["validation"].numpy() if "validation" in tensors else NOTHING
        curve = tuple(Epoch(**row) for row in told["curve"])
        return cls(under(BEST, tensors), told["selected"], curve, found)


@dataclass
class Underway:
    """A training under way.

    Attributes:
        network: whose weights are trained.
        step: moves them.
        generator: of order, windows and augmentation.
        batches: in an epoch.
        epoch: under way, from 1.
        order: of the patients in it; None before it begins.
        losses: of its batches so far, each times its patients.
        best: so far; None before the first look at the validation fold.
        ended: whether the training is done.
    """

    network: Network
    step: Step
    generator: torch.Generator
    batches: int
    epoch: int = 1
    order: Tensor | None = None
    losses: list[Tensor] = field(default_factory=list)
    best: Fit | None = None
    ended: bool = False

    def batches_left(self, patients: int) -> Sequence[Tensor]:
        """Positions of the patients in each batch of the epoch that is yet to come."""
        if self.order is None:
            self.order = torch.randperm(patients, generator=self.generator)
        # equal parts: no batch of one for batch norm
        return self.order.tensor_split(self.batches)[len(self.losses) :]

    def end_epoch(self, *, ended: bool) -> None:
        """Count the epoch; ``ended`` where it was the training's last."""
        self.epoch, self.order, self.losses, self.ended = self.epoch + 1, None, [], ended

    def told(self) -> dict[str, Any]:
        """How far it has come, as JSON."""
        best = {"selected": None, "curve": []} if self.best is None else self.best.told()
        return {"epoch": self.epoch, "taken": self.step.taken, **best}

    def tensors(self) -> dict[str, Tensor]:
        """Everything else, by name."""
        weights = {WEIGHT + name: tensor for name, tensor in self.network.state().items()}
        moments = {MOMENT + name: tensor for name, tensor in self.step.moments().items()}
        epoch = {} if self.order is None else {"order": self.order}
        if self.losses:
            epoch["losses"] = torch.stack(self.losses)
        best = {} if self.best is None else self.best.tensors()
        return {**weights, **moments, **epoch, **best, "generator": self.generator.get_state()}

    def take_up(self, told: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Go on from what ``told`` and ``tensors`` gave; the network has its weights already."""
        self.epoch, self.best = told["epoch"], Fit.of(told, tensors)
        self.step.take_up(told["taken"], under(MOMENT, tensors))
        self.generator.set_state(tensors["generator"])
        self.order = tensors.get("order")
        if "losses" in tensors:
            self.losses = list(tensors["losses"].to(self.network.absent.device).unbind())


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
