"""One candidate's training, which stops after any epoch and goes on from there, to the same bytes.

What it depends on is its own: the network, the optimiser and the generator of ``Underway``, and the
state of torch's global generators, from which dropout draws. All of it can be put away between any
two steps, and taken up by another process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from cystgrid.errors import SettingsError
from cystgrid.training.selection import Epoch
from cystgrid.training.state_file import Saved
from cystgrid.training.underway import Fit, Underway

RandomState = tuple[Tensor, Tensor | None]
"""Of torch's global generators: the processor's, and that of the GPU in use."""

Begin = Callable[[Saved | None], tuple[Underway, Iterator[bool]]]
"""Makes a training, or one that goes on, and its steps (``fit.begin``, ``fit.steps``)."""

RANDOM, RANDOM_GPU = "random", "random_gpu"


class Course:
    """A training under way.

    Args:
        begin: called before the first step.
        random: of the global generators when it begins.
        after_epoch: called once an epoch, for progress; also for epochs that it did not need.
        after_step: called after every step and every epoch; may put the course away.
        saved: what a course that was put away left; it goes on from there.

    Attributes:
        trained: epochs so far.
        look: the curve's row of the best so far; None before the first look.
    """

    def __init__(
        self,
        begin: Begin,
        random: RandomState,
        after_epoch: Callable[[], None] = lambda: None,
        after_step: Callable[[], None] = lambda: None,
        saved: Saved | None = None,
    ) -> None:
        self._begin, self._random, self._saved = begin, random, saved
        self._after_epoch, self._after_step = after_epoch, after_step
        self._ticks, self.trained, self._ended, self._runs = 0, 0, False, False
        self._pauses: dict[int, int] = {}  # epochs asked for: the epoch selected until then
        self._under: tuple[Underway, Iterator[bool]] | None = None
        self._fit: Fit | None = None
        self.look: Epoch | None = None
        if saved is not None:
            self._take_up(saved)

    def until(self, epoch: int) -> Fit:
        """Go on until so many epochs are done, or it has ended by itself.

        A course that was taken up answers for the epochs before that from its curve, without
        weights.

        Raises:
            SettingsError: there was no look at the validation fold until then.
        """
        if epoch in self._pauses:
            fit = self._as_of(epoch)
        else:
            fit = self._go_on(epoch)
            self._pauses[epoch] = fit.selected
        self._tick(epoch)
        self.look = fit.look
        return fit

    def stop(self) -> None:
        """Let go of network, optimiser and weights; what was said of it stays."""
        if self._fit is not None:
            self._fit = Fit.of(self._fit.told(), {})
        self._under, self._saved, self._ended = None, None, True

    def state(self) -> Saved | None:
        """All that another process needs to go on; None where it has not begun."""
        if self._saved is not None:  # nothing was done since it was taken up
            return self._saved
        if self._under is None and not self._ended:
            return None
        told: dict[str, Any] = {
            "trained": self.trained, "ended": self._ended, "pauses": list(self._pauses.items())
        }  # fmt: skip
        if self._ended:
            assert self._fit is not None  # until() has refused an end without a look
            return Saved({**told, **self._fit.told()}, self._fit.tensors())
        assert self._under is not None
        training = self._under[0]
        random, on_gpu = random_state() if self._runs else self._random
        tensors = {**training.tensors(), RANDOM: random}
        if on_gpu is not None:
            tensors[RANDOM_GPU] = on_gpu
        return Saved({**told, **training.told()}, tensors)

    def _take_up(self, saved: Saved) -> None:
        self.trained, self._ended = saved.told["trained"], saved.told["ended"]
        self._pauses = dict(saved.told["pauses"])
        self._fit = Fit.of(saved.told, saved.tensors)
        if self._ended:
            self._saved = None
        else:
            self._random = saved.tensors[RANDOM], saved.tensors.get(RANDOM_GPU)

    def _as_of(self, epoch: int) -> Fit:
        """What it said when it was at this epoch, if it has come further since."""
        assert self._fit is not None  # there was a look before it paused
        if self._ended and epoch == max(self._pauses):
            return self._fit
        return self._fit.as_of(epoch, self._pauses[epoch])

    def _go_on(self, epoch: int) -> Fit:
        _set_random_state(self._random)
        self._runs = True
        while self.trained < epoch and not self._ended:
            training, steps = self._under = self._under or self._begin(self._saved)
            self._saved = None
            if next(steps):
                self.trained += 1
                self._fit, self._ended = training.best, training.ended
                self._tick(self.trained)
                if self._ended:
                    self._under = None
            self._after_step()
        self._random, self._runs = random_state(), False
        if self._fit is None:
            raise SettingsError(
                "training.evaluate_every",
                got=f"no look at the validation fold in {epoch} epochs",
                expected="one at least before candidates are compared",
                do="look more often, or train longer",
            )
        return self._fit

    def _tick(self, epochs: int) -> None:
        while self._ticks < epochs:
            self._ticks += 1
            self._after_epoch()


def random_state() -> RandomState:
    """Of the global generators, now."""
    on_gpu = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return torch.get_rng_state(), on_gpu


def _set_random_state(state: RandomState) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1])
