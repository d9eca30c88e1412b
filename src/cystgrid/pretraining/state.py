"""Where a stopped pretraining goes on from: one file, with all that decides the rest.

The stream has no state: its batch ``step`` is the same whenever it is drawn.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from cystgrid.errors import StoreError
from cystgrid.training.state_file import read_state, write_state

Row = dict[str, float]
"""One look at the validation grids."""

WEIGHT, MOMENTS = "weight:", ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Progress:
    """How far a pretraining has come.

    Attributes:
        step: batches learned from.
        train_loss: running mean of the loss.
        curve: looks so far.
    """

    step: int = 0
    train_loss: float = 0.0
    curve: tuple[Row, ...] = ()


def save_state(
    path: Path, reader: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress, key: str
) -> None:
    """Write weights, the optimiser's moments, and how far it has come."""
    tensors = {WEIGHT + name: value for name, value in reader.state_dict().items()}
    for name, parameter in reader.named_parameters():
        for moment in MOMENTS:
            if parameter in optimizer.state:
                tensors[f"{moment}:{name}"] = optimizer.state[parameter][moment]
    write_state(path, {"key": key, **asdict(progress)}, tensors)


def load_state(
    path: Path, reader: nn.Module, optimizer: torch.optim.Optimizer, key: str
) -> Progress:
    """Take up what ``save_state`` wrote; nothing was done yet where there is no such file.

    Raises:
        StoreError: of other settings, or damaged.
    """
    if not path.is_file():
        return Progress()
    state = read_state(path)
    told, tensors = state.told, state.tensors
    if told.get("key") != key:
        raise StoreError(
            path,
            got="the state of a pretraining with other settings, weights or version",
            expected="the same ones",
            do="give another -o folder, or the same study file",
        )
    step = told["step"]
    own = {n.removeprefix(WEIGHT): t for n, t in tensors.items() if n.startswith(WEIGHT)}
    reader.load_state_dict(own)
    for name, parameter in reader.named_parameters():
        if f"{MOMENTS[0]}:{name}" in tensors:
            moments = {each: tensors[f"{each}:{name}"].to(parameter.device) for each in MOMENTS}
            optimizer.state[parameter] = {
                "step": torch.tensor(float(step), device=parameter.device), **moments
            }  # fmt: skip
    return Progress(step, told["train_loss"], tuple(told["curve"]))


def lay_as_weights(optimizer: torch.optim.Optimizer) -> None:
    """Put moments that were taken up into the order in memory that their weights have now."""
    for parameter, state in optimizer.state.items():
        for moment in MOMENTS:
            if state[moment].stride() != parameter.stride():
                state[moment] = torch.empty_like(parameter).copy_(state[moment])
