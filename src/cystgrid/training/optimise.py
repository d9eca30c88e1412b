"""The optimiser's parameter groups and the learning rate's course."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from cystgrid.models.network import Network
from cystgrid.training.settings import TrainingSettings

NEVER_DECAYED = ("cls_token", "reg_token", "pos_embed")
"""Learned inputs, not weights; Dosovitskiy et al. (2020) and timm leave them undecayed too."""

MOMENTUM = 0.9
"""Of ``sgd``; every peer that uses it has this value."""


def make_optimizer(network: Network, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Adam, AdamW or SGD, with layer-wise rates (Clark et al. 2020; Bao et al. 2022, BEiT)."""
    rows = parameter_groups(
        network.trainable(),
        len(network.layers),
        rate=settings.learning_rate,
        layer_decay=settings.layer_decay,
        weight_decay=settings.weight_decay,
    )
    if settings.optimizer == "adam":
        return torch.optim.Adam(rows, fused=True)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(rows, momentum=MOMENTUM, fused=True)
    return torch.optim.AdamW(rows, fused=True)


def parameter_groups(
    trainable: Iterable[tuple[str, nn.Parameter, int]],
    layers: int,
    *,
    rate: float,
    layer_decay: float,
    weight_decay: float,
) -> list[dict[str, Any]]:
    """Parameters with their rates and decays, as optimisers take them.

    Args:
        trainable: name, parameter and layer, counted from the input.
        layers: how many; the last has the whole rate.
        rate: of the last layer.
        layer_decay: factor from a layer to the one below it.
        weight_decay: of weights; biases, norms, tokens and positions have none.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter, layer in trainable:
        own = rate * layer_decay ** (layers - 1 - layer)
        plain = parameter.ndim < 2 or name.rsplit(".", 1)[-1] in NEVER_DECAYED
        groups.setdefault((own, 0.0 if plain else weight_decay), []).append(parameter)
    return [{"params": p, "lr": own, "weight_decay": d} for (own, d), p in groups.items()]


def warm_cosine(step: int, warm: float, total: int) -> float:
    """Share of the highest rate: a linear rise over ``warm`` steps, then a cosine to zero."""
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * min((step - warm) / max(total - warm, 1), 1.0)))


def rate_course(settings: TrainingSettings, steps_an_epoch: int) -> Callable[[int], float]:
    """Share of the highest rate by steps taken: a warm-up, then cosine to zero or constant."""
    warm = settings.warmup * steps_an_epoch
    total = settings.epochs * steps_an_epoch

    def factor(step: int) -> float:
        if settings.schedule == "constant" and step >= warm:
            return 1.0
        return warm_cosine(step, warm, total)

    return factor
