"""One candidate's training, which stops after any epoch and goes on from there, to the same bytes.

What it depends on is its own: the network, the optimiser and the generators of the loop it is
suspended in, and the state of torch's global generators, from which dropout draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from cystgrid.errors import SettingsError
from cystgrid.training.fit import Fit
from cystgrid.training.selection import Epoch

RandomState = tuple[Tensor, list[Tensor]]
"""Of torch's global generators: the processor's, and every GPU's."""


class Course:
    """A training under way.

    Args:
        epochs: of the whole training: one result an epoch, the best so far (None before the first
            look at the validation fold).
        random: of the global generators when it begins.
        after_epoch: called once an epoch, for progress; also for epochs that it did not need.

    Attributes:
        trained: epochs so far.
        look: the curve's row of the best so far; None before the first look.
    """

    def __init__(
        self,
        epochs: Iterator[Fit | None],
        random: RandomState,
        after_epoch: Callable[[], None] = lambda: None,
    ) -> None:
        self._epochs, self._random, self._after_epoch = epochs, random, after_epoch
        self._ticks, self.trained = 0, 0
        self._fit: Fit | None = None
        self.look: Epoch | None = None

    def until(self, epoch: int) -> Fit:
        """Go on until so many epochs are done, or it has ended by itself.

        Raises:
            SettingsError: there was no look at the validation fold until then.
        """
        _set_random_state(self._random)
        while self.trained < epoch:
            try:
                self._fit = next(self._epochs)
            except StopIteration:
                break
            self.trained += 1
            self._tick(self.trained)
        self._random = random_state()
        self._tick(epoch)
        if self._fit is None:
            raise SettingsError(
                "training.evaluate_every",
                got=f"no look at the validation fold in {epoch} epochs",
                expected="one at least before candidates are compared",
                do="look more often, or train longer",
            )
        self.look = self._fit.look
        return self._fit

    def stop(self) -> None:
        """Let go of network, optimiser and weights; ``look`` and ``trained`` stay."""
        self._epochs, self._fit = iter(()), None

    def _tick(self, epochs: int) -> None:
        while self._ticks < epochs:
            self._ticks += 1
            self._after_epoch()


def random_state() -> RandomState:
    """Of the global generators, now."""
    on_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return torch.get_rng_state(), on_gpus


def _set_random_state(state: RandomState) -> None:
    torch.set_rng_state(state[0])
    if state[1]:
        torch.cuda.set_rng_state_all(state[1])
