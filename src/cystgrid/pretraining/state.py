"""Where a stopped pretraining goes on from: one file, with all that decides the rest.

It carries the sha256 of itself, taken with zeros in that sha256's place.

The stream has no state: its batch ``step`` is the same whenever it is drawn.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from cystgrid.errors import StoreError
from cystgrid.provenance import sha256_bytes, write_bytes

Row = dict[str, float]
"""One look at the validation grids."""

TOLD = "progress"
HEADER = 8
"""Bytes of a safetensors file that hold the length of its header, JSON."""

BLANK = "0" * 64
"""In the place of the sha256 while it is taken."""

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
    tensors = {WEIGHT + name: value.contiguous() for name, value in reader.state_dict().items()}
    for name, parameter in reader.named_parameters():
        for moment in MOMENTS:
            if parameter in optimizer.state:
                tensors[f"{moment}:{name}"] = optimizer.state[parameter][moment].contiguous()
    told = json.dumps({"sha256": BLANK, "key": key, **asdict(progress)})
    content = save(tensors, {TOLD: told})
    own = sha256_bytes(content).encode()
    write_bytes(path, content.replace(BLANK.encode(), own, 1))


def load_state(
    path: Path, reader: nn.Module, optimizer: torch.optim.Optimizer, key: str
) -> Progress:
    """Take up what ``save_state`` wrote; nothing was done yet where there is no such file.

    Raises:
        StoreError: of other settings, or damaged.
    """
    if not path.is_file():
        return Progress()
    content = path.read_bytes()
    told = read_told(path, content)
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise _damaged(path) from error
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


def read_told(path: Path, content: bytes) -> dict[str, Any]:
    """What a state says of itself, after a look at every byte of it.

    Args:
        path: of the file, for messages.
        content: of the file.

    Raises:
        StoreError: it is damaged.
    """
    try:
        length = int.from_bytes(content[:HEADER], "little")
        header = json.loads(content[HEADER : HEADER + length])
        told: dict[str, Any] = json.loads(header["__metadata__"][TOLD])
        own = str(told["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path) from error
    if sha256_bytes(content.replace(own.encode(), BLANK.encode(), 1)) != own:
        raise _damaged(path)
    return told


def _damaged(path: Path) -> StoreError:
    return StoreError(
        path, got="altered content", expected="a saved state", do="remove it to begin anew"
    )


def lay_as_weights(optimizer: torch.optim.Optimizer) -> None:
    """Put moments that were taken up into the order in memory that their weights have now."""
    for parameter, state in optimizer.state.items():
        for moment in MOMENTS:
            if state[moment].stride() != parameter.stride():
                state[moment] = torch.empty_like(parameter).copy_(state[moment])
