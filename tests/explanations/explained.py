"""Tiny networks to explain."""

import torch

from cystgrid.explanations.options import Options
from cystgrid.models.network import Shape
from cystgrid.models.registry import build_model

CELLS = Options(cells=4, steps=8)


def build(name, inputs="early"):
    """A network for 2 x 2 cells of 16 pixels, drawn anew with large weights."""
    torch.manual_seed(0)
    return build_model(name, inputs, Shape(2, 3, 4, 16, cube=32), "none").eval()


def inputs_of(network, batch=2, side=32):
    """Random grids, stacks or cubes."""
    generator = torch.Generator().manual_seed(1)
    size = {"grid": (side,) * 2, "stack": (5, side, side), "volume": (side,) * 3}
    return torch.rand(batch, 2, *size[network.form.kind], generator=generator)
