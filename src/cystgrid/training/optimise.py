"""The optimiser's parameter groups and the learning rate's course."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from cystgrid.models.network import Network
from cystgrid.training.settings import TrainingSettings

NEVER_DECAYED = ("cls_token", "reg_token", "pos_embed")
"""Learned inputs, not weights; Dosovitskiy et al. (2020) and timm leave them undecayed too."""

MOMENTUM = 0.9
"""Of ``sgd``; every peer that uses it has this value."""


def make_optimizer(network: Network, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Adam, AdamW or SGD, with layer-wise rates (Clark et al. 2020; Bao et al. 2022, BEiT)."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter, layer in network.trainable():
        below_head = len(network.layers) - 1 - layer
        rate = settings.learning_rate * settings.layer_decay**below_head
        plain = parameter.ndim < 2 or name.rsplit(".", 1)[-1] in NEVER_DECAYED
        decay = 0.0 if plain else settings.weight_decay
        groups.setdefault((rate, decay), []).append(parameter)
    rows = [{"params": p, "lr": rate, "weight_decay": decay} for (rate, decay), p in groups.items()]
    if settings.optimizer == "adam":
        return torch.optim.Adam(rows, fused=True)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(rows, momentum=MOMENTUM, fused=True)
    return torch.optim.AdamW(rows, fused=True)


def make_schedule(
    optimizer: torch.optim.Optimizer, settings: TrainingSettings, steps_an_epoch: int
) -> LambdaLR:
    """Linear warm-up from zero, then cosine to zero or constant; stepped after every batch."""
    warm = settings.warmup * steps_an_epoch
    total = settings.epochs * steps_an_epoch

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / (warm + 1)
        if settings.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * min((step - warm) / max(total - warm, 1), 1.0)))

    return LambdaLR(optimizer, factor)
