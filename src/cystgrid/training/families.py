"""The recipe of every family of models, where it differs from the defaults of ``[training]``.

What a study says of all models, or of one, comes before these. How they were chosen, and what the
others reached, is in docs/recipes.md.
"""

from __future__ import annotations

from typing import Any

CONVOLUTIONAL: dict[str, Any] = {"learning_rate": 3e-4, "layer_decay": 0.65}
"""Pretrained CNNs, by the sweep: lower layers learn slower."""

INFLATED: dict[str, Any] = {
    "optimizer": "adam",
    "learning_rate": 1e-4,
    "weight_decay": 0.0,
    "layer_decay": 1.0,
    "batch": 1,
    "class_weights": "balanced",
}
"""LaLonde et al. 2019: Adam 1e-4, one scan a step, inverse-frequency cross-entropy."""

VOLUMETRIC: dict[str, Any] = {"learning_rate": 1e-3, "layer_decay": 1.0}
"""Cyst-X 2025: AdamW 1e-3."""

FAMILY_RECIPES: dict[str, dict[str, Any]] = {
    "alexnet": {"learning_rate": 1e-4, "layer_decay": 1.0},
    "densenet121": CONVOLUTIONAL,
    "resnet18": CONVOLUTIONAL,
    "mobilenet_v2": CONVOLUTIONAL,
    "efficientnet_b5": CONVOLUTIONAL,
    "dense-inn": INFLATED,
    "incept-inn": INFLATED,
    "densenet121-3d": VOLUMETRIC,
}
"""By architecture; transformers follow the defaults of ``TrainingSettings``, which are theirs."""
