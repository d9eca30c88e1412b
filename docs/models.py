"""Print every model with its inputs, size and source, from the registry, and how to add one.

Run by `make structure`; the output is docs/models.md.
"""

from __future__ import annotations

import sys

import torch

from cystgrid.grids.forms import Form
from cystgrid.models.entries import MODELS, ModelEntry
from cystgrid.models.network import Network, Shape
from cystgrid.models.registry import build_model

PAPER = (2, 3, 9, 64)
"""Channels, classes, cells and pixels of the paper: 192 x 192 x 2."""

INTRODUCTION = """# Models

Made from the registry by `make structure`. A study names models in `[models] names`, and what they
see in `inputs`: `early` (T1 and T2 as channels), `t1`, `t2`, `late` (a network each, their features
concatenated before one head), `intermediate` (a stem each). `vit` is short for the size that
`[models] vit` names; any plain vision transformer of timm's is `timm:NAME`; `features` is short for
both models on tables.

"Ours" counts the parameters of the network that is trained (early fusion, three classes, the
paper's 192 x 192 x 2 or the model's own input); "original" those of the published network, beside
what our builder gives at the original's own size.

## Networks

| name | what it is | takes | inputs | ours | original: published | built | reference |
|---|---|---|---|---|---|---|---|
"""

CLASSICAL = """
## Fitted at once

| name | what it is | sees | inputs | reference |
|---|---|---|---|---|
"""

NOTES = """
## What is worth knowing

- **Two channels.** Each channel's first kernel is the mean of the pretrained RGB kernels times 3/C,
  so that a grey image in all channels gives the original network's features.
- **Normalisation.** Grids are in 0-1; each network applies the mean and deviation that its
  published weights expect. For a file in which the normalisation is folded in, say
  `normalisation = { mobilenet_v2 = "unit" }`.
- **Absent scans.** Where a study allows them, the network sees one grey value instead: black, or
  one for each channel trained with the weights (`absent = "learned"`).
- **INN.** Stacks of 5 slices. Square kernels are repeated along the slices and divided by their
  number; the others, and strides, leave the slices alone. Each modality enters as three equal
  colours. Beyond the first and last slice there are zeros, as in INN, so identical slices give the
  flat network's maps only far from both. InceptINN has no auxiliary classifier, as in INN, and its
  windows are padded in plane, so that crops of 64 x 64 are not used up. `weights` take files for
  torchvision's `densenet121` and `inception_v3`.
- **densenet121-3d** sees the whole crop, resampled to a cube (`[grid] cube`, 96 as in Cyst-X).
  Nobody publishes weights for it, so `weights = "hub"` is an error for it: say
  `weights = { default = "hub", "densenet121-3d" = "none" }`.
- **densenet121-3d, hussein-cca, cnn-svm, features-...** need `pip install 'cystgrid[systems]'`.
- **hussein-cca, cnn-svm** use the features of `[models] extractor` (AlexNet, the nearest to
  Hussein's CNN-F) on images resampled to 224 x 224, each modality by itself; `weights` and
  `normalisation` for it are looked up under these models' own names. Projections go over the slices
  of the central window. C of the machine is chosen on the validation fold, its probabilities are
  calibrated by cross-validation within the training patients.
- **features-...** see the listed columns of a CSV file and nothing else:
  `[models.features]` with `file` and `columns`. An empty cell is an unknown value.
- **site-only, majority** are controls: what a centre, or the classes' shares, give away.

## Adding a model

One function that builds it, one line in `MODELS` (`src/cystgrid/models/entries.py`), and a test.
The function gets the model's name, the inputs, the sizes and the weights, and returns a `Network`:
a backbone, its normalisation, the names of its layers from input to output (every parameter in
exactly one), and the name of its last linear layer. Late fusion, layer-wise rates, absent scans,
saving and loading then work by themselves. This is a whole one (the test suite runs it
from this page):

"""

EXAMPLE = '''from torch import nn

from cystgrid.models.entries import FLAT, MODELS, ModelEntry
from cystgrid.models.named_weights import NONE
from cystgrid.models.network import Network
from cystgrid.models.weights import StateDict, read_state, start_from


def build_small(name, inputs, shape, weights):
    """Three convolutions; started from scratch or from a file."""
    backbone = nn.Sequential(
        nn.Conv2d(shape.channels, 8, 5, stride=2),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, shape.classes),
    )
    if weights != NONE:
        state: StateDict = read_state(weights)
        start_from(backbone, state, stem="0.weight", head="8", where=f"{name}: {weights}")
    return Network(
        backbone,
        mean=(0.5,),
        std=(0.25,),
        layers=(("0",), ("2",), ("4",), ("8",)),
        head="8",
        channels=shape.channels,
    )


MODELS["small"] = ModelEntry(
    "small", "network", FLAT, f"{__name__}:build_small", "three convolutions", "an example"
)
'''

TEST = """import torch

from cystgrid.models.network import Shape
from cystgrid.models.registry import ModelSettings, build_model

for inputs, channels in {"early": 2, "t1": 1, "late": 2}.items():
    network = build_model("small", inputs, Shape(channels, 3, 9, 16), "none")
    scores = network(torch.rand(2, channels, 48, 48))
    assert scores.shape == (2, 3)
    scores.sum().backward()
    for name, parameter, layer in network.trainable():
        assert parameter.grad.isfinite().all()
    assert layer == len(network.layers) - 1
assert ModelSettings(names=("small",), inputs=("t1", "late")).pairs() == (
    ("small", "t1"),
    ("small", "late"),
)
"""

CLOSING = """A classical model is a class with `fit`, `probabilities`, `dump` and `restore`
(`cystgrid.models.classical.Estimator`), named in its line in the same way.
"""


def build(name: str, shape: Shape) -> Network:
    """A network without its numbers."""
    with torch.device("meta"):
        return build_model(name, "early", shape, "none")


def parameters(network: Network) -> int:
    """How many a network trains."""
    return sum(parameter.numel() for parameter in network.backbone.parameters())


def takes(form: Form) -> str:
    """In words, what a network is shown."""
    return {
        "grid": "a grid",
        "stack": f"{form.slices} slices",
        "volume": f"the crop as a cube of {form.side}",
    }[form.kind]


def network_row(entry: ModelEntry) -> str:
    """One line of the networks' table."""
    channels, classes, pixels = entry.published_size
    ours = build(entry.name, Shape(*PAPER))
    published, built = "none known", ""
    if entry.published_parameters is not None:
        published = f"{entry.published_parameters:,}"
        original = build(entry.name, Shape(channels, classes, 1, pixels))
        built = f"{parameters(original):,}"
    cells = (
        f"`{entry.name}`",
        entry.about,
        takes(ours.form),
        ", ".join(entry.inputs),
        f"{parameters(ours):,}",
        published,
        built,
        entry.reference,
    )
    return f"| {' | '.join(cells)} |"


def classical_row(entry: ModelEntry) -> str:
    """One line of the other table."""
    sees = {"labels": "nothing", "center": "the centre", "features": "a table", "image": "grids"}
    cells = (f"`{entry.name}`", entry.about, sees[entry.sees], ", ".join(entry.inputs))
    return f"| {' | '.join(cells)} | {entry.reference} |"


def page() -> str:
    """The whole page."""
    rows = {
        family: "\n".join(row(entry) for entry in MODELS.values() if entry.family == family)
        for family, row in (("network", network_row), ("classical", classical_row))
    }
    example = f"```python\n{EXAMPLE}```\n\nand its test:\n\n```python\n{TEST}```\n\n"
    text = f"{INTRODUCTION}{rows['network']}\n{CLASSICAL}{rows['classical']}\n{NOTES}"
    return f"{text}{example}{CLOSING}"


if __name__ == "__main__":
    sys.stdout.write(page())
