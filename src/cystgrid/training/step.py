"""One step of a training: scores, loss, gradients, new weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from cystgrid.models.network import Network
from cystgrid.training.device import Precision, arithmetic
from cystgrid.training.masters import Masters
from cystgrid.training.optimise import make_optimizer, rate_course
from cystgrid.training.rounded import working_network
from cystgrid.training.settings import TrainingSettings


class Step:
    """Moves a network's float32 weights down the gradients of the network that works for it.

    Args:
        network: whose weights are moved.
        settings: the recipe.
        precision: arithmetic of the passes; weights and the optimiser's state are float32.
        class_weights: ``(class,)`` in the loss; None counts all alike.
        steps_an_epoch: for the rate's course.

    Attributes:
        working: what gives the scores: ``network``, or its rounded copy, always up to date.
        taken: steps so far.
    """

    def __init__(
        self,
        network: Network,
        settings: TrainingSettings,
        precision: Precision,
        class_weights: Tensor | None,
        steps_an_epoch: int,
    ) -> None:
        self.working = working_network(network, precision)
        self.taken = 0
        self._masters = Masters(network, self.working)
        self._optimizer = make_optimizer(network, settings)
        self._highest = [group["lr"] for group in self._optimizer.param_groups]
        self._course = rate_course(settings, steps_an_epoch)
        self._trainable = {name: parameter for name, parameter, _ in network.trainable()}
        self._precision = precision
        self._class_weights = class_weights

    def __call__(self, grids: Tensor, targets: Tensor) -> Tensor:
        """Take one step; returns the loss before it.

        Args:
            grids: a batch in the form that the network takes.
            targets: ``(batch,)`` class numbers.
        """
        for group, highest in zip(self._optimizer.param_groups, self._highest, strict=True):
            group["lr"] = highest * self._course(self.taken)
        with arithmetic(self._precision, grids.device):
            scores = self.working(grids)
        loss = cross_entropy(scores.float(), targets, self._class_weights)
        loss.backward()
        self._masters.step(self._optimizer)
        self.taken += 1
        return loss.detach()

    def moments(self) -> dict[str, Tensor]:
        """The optimiser's state, by ``<its name>:<parameter>``."""
        state = self._optimizer.state
        return {
            f"{moment}:{name}": value
            for name, parameter in self._trainable.items()
            for moment, value in state.get(parameter, {}).items()
            if value is not None
        }

    def take_up(self, taken: int, moments: Mapping[str, Tensor]) -> None:
        """Go on after so many steps.

        Args:
            taken: steps.
            moments: as ``moments`` gave them then; the network has its weights of then already.
        """
        self.taken = taken
        for key, value in moments.items():
            moment, _, name = key.partition(":")
            parameter = self._trainable[name]
            # a moment lies in memory as its weight does
            like = parameter if value.shape == parameter.shape else value
            own = torch.empty_like(like, dtype=value.dtype, device=parameter.device)
            self._optimizer.state[parameter][moment] = own.copy_(value)
