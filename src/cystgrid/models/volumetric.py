"""The three-dimensional DenseNet-121 of the Cyst-X benchmark (2025), from MONAI."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from cystgrid.errors import WeightsError
from cystgrid.grids.forms import volume
from cystgrid.models.named_weights import HUB, NONE, PHANTOM
from cystgrid.models.network import Network, Shape
from cystgrid.models.pooling import HalvingMean, MaxPool
from cystgrid.models.shipped import shipped_start
from cystgrid.models.weights import StateDict, read_state, start_from

HEAD = "class_layers.out"
LAYERS = (
    ("features.conv0", "features.norm0"),
    ("features.denseblock1", "features.transition1"),
    ("features.denseblock2", "features.transition2"),
    ("features.denseblock3", "features.transition3"),
    ("features.denseblock4", "features.norm5"),
    (HEAD,),
)


def build_densenet_3d(name: str, inputs: str, shape: Shape, weights: str) -> Network:
    """Build the network for whole crops resampled to a cube.

    Args:
        name: of the model, for messages.
        inputs: which modalities the channels are, for messages.
        shape: channels, classes and the cube's side.
        weights: ``none`` (as in Cyst-X) or the path of a file of MONAI's layout.

    Raises:
        WeightsError: ``hub`` (nobody publishes any), or a file that does not fit.
    """
    from monai.networks.nets import DenseNet121  # takes seconds to import

    backbone = DenseNet121(
        spatial_dims=3, in_channels=shape.channels, out_channels=shape.classes, pretrained=False
    )
    _pool_in_fixed_order(backbone)
    if weights != NONE:
        state = _read(name, inputs, weights)
        stem = "features.conv0.weight"
        start_from(backbone, state, stem=stem, head=HEAD, where=f"{name}: {weights}")
    return Network(
        backbone,
        mean=(0.0,),  # Cyst-X showed it intensities in 0-1 as they are
        std=(1.0,),
        layers=LAYERS,
        head=HEAD,
        channels=shape.channels,
        form=volume(shape.cube),
    )


def _read(name: str, inputs: str, weights: str) -> StateDict:
    """A start from a file, or from the package."""
    if weights == HUB:
        raise WeightsError(
            f"weights of {name}",
            got=f'"hub" for {name} on {inputs}',
            expected='"none" or a file: nobody publishes any for it',
            do=f'set weights = {{ default = "hub", "{name}" = "none" }}, as Cyst-X did',
        )
    return read_state(shipped_start(name) if weights == PHANTOM else Path(weights))


def _pool_in_fixed_order(backbone: nn.Module) -> None:
    """Put pools that can be reproduced on a GPU in place of torch's."""
    for name, module in list(backbone.named_modules()):
        if isinstance(module, nn.MaxPool3d):
            backbone.set_submodule(name, MaxPool(3, 2, 1, depth=3, depth_stride=2))
        elif isinstance(module, nn.AvgPool3d):
            backbone.set_submodule(name, HalvingMean())
