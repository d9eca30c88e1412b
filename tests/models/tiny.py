"""Networks at sizes that a processor passes in a moment."""

import torch

from cystgrid.models.network import Shape
from cystgrid.models.registry import MODELS

NETWORKS = tuple(name for name, entry in MODELS.items() if entry.family == "network")
PAIRS = tuple((name, inputs) for name in NETWORKS for inputs in MODELS[name].inputs)
HEAVY = ("vit_small", "vit_base", "vit_large", "alexnet", "efficientnet_b5")
"""Seconds each: one pair does; the larger transformers are ``vit_tiny`` with other numbers, and
benchmarks/models.py passes them all at their own sizes."""

LIGHT = (
    *(pair for pair in PAIRS if pair[0] not in HEAVY and pair[1] not in ("t1", "t2")),
    ("vit_tiny", "t1"),
    ("alexnet", "late"),
    ("efficientnet_b5", "early"),
)

CHANNELS = {"t1": 1, "t2": 1}


def tiny_shape(name, inputs):
    """The smallest sizes that a network takes; 2 x 2 cells where it takes a grid."""
    pixels = 32 if name == "alexnet" else 16
    return Shape(CHANNELS.get(inputs, 2), 3, 4, 32 if name.endswith("inn") else pixels, cube=32)


def tiny_input(network, shape, batch=2):
    """Random inputs in the form that the network takes."""
    generator = torch.Generator().manual_seed(0)
    sizes = {
        "grid": (shape.image, shape.image),
        "stack": (network.form.slices, shape.pixels, shape.pixels),
        "volume": (network.form.side,) * 3,
    }[network.form.kind]
    return torch.rand(batch, shape.channels, *sizes, generator=generator)
