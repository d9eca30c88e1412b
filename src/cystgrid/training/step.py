"""One step of a training: scores, loss, gradients, new weights."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy

from cystgrid.models.network import Network
from cystgrid.training.device import Precision, arithmetic
from cystgrid.training.masters import Masters
from cystgrid.training.optimise import make_optimizer, make_schedule
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
        self._masters = Masters(network, self.working)
        self._optimizer = make_optimizer(network, settings)
        self._schedule = make_schedule(self._optimizer, settings, steps_an_epoch)
        self._precision = precision
        self._class_weights = class_weights

    def __call__(self, grids: Tensor, targets: Tensor) -> Tensor:
        """Take one step; returns the loss before it.

        Args:
            grids: a batch in the form that the network takes.
            targets: ``(batch,)`` class numbers.
        """
        with arithmetic(self._precision, grids.device):
            scores = self.working(grids)
        loss = cross_entropy(scores.float(), targets, self._class_weights)
        loss.backward()
        self._masters.step(self._optimizer)
        self._schedule.step()
        return loss.detach()
