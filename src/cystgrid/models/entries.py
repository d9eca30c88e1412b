"""What there is of every model before anything of it is imported: name, inputs, source, size."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal

from cystgrid.extras import require

Inputs = Literal["early", "t1", "t2", "late", "intermediate", "none"]
Family = Literal["network", "classical"]
Sees = Literal["image", "features", "center", "labels"]

CHANNELS: dict[str, tuple[str, ...]] = {
    "early": ("t1", "t2"),
    "t1": ("t1",),
    "t2": ("t2",),
    "late": ("t1", "t2"),
    "intermediate": ("t1", "t2"),
    "none": (),
}
"""Which modalities become channels, in order; ``none`` is for models that see no image."""

VIT = "vit"
"""Short for the ViT of the size that the study names."""

FEATURES = "features"
"""Short for both models on tables of features."""

TIMM = "timm:"
"""Before the name of any other plain ViT of timm's."""

FLAT = ("early", "t1", "t2", "late")
INFLATED = ("early", "t1", "t2", "intermediate")
SINGLE = ("early", "t1", "t2")
NO_IMAGE = ("none",)
CONTROLLED = ("center", "labels")
"""What controls see; they are written as JSON, other fitted models by skops."""


@dataclass(frozen=True)
class ModelEntry:
    """One line of the registry.

    Attributes:
        name: in studies and on the command line.
        family: ``network`` (trained by gradient) or ``classical`` (fitted at once).
        inputs: what it can take.
        build: ``module:function`` of its builder, imported when it is built.
        about: what it is, in a line.
        reference: where it was published.
        published_parameters: of the original; None where none is published.
        published_size: channels, classes and pixels of the original, for that count.
        sees: what a patient is to it.
        packages: of the extra ``systems``, without which it cannot be built or read.
    """

    name: str
    family: Family
    inputs: tuple[str, ...]
    build: str
    about: str
    reference: str
    published_parameters: int | None = None
    published_size: tuple[int, int, int] = (3, 1000, 224)
    sees: Sees = "image"
    packages: tuple[str, ...] = ()

    def require(self) -> None:
        """Refuse a model whose packages are not there.

        Raises:
            SettingsError: one is not installed.
        """
        require("systems", f"model {self.name}", *self.packages)


def _network(
    name: str,
    builder: str,
    about: str,
    reference: str,
    parameters: int | None,
    *,
    inputs: tuple[str, ...] = FLAT,
    size: tuple[int, int, int] = (3, 1000, 224),
    packages: tuple[str, ...] = (),
) -> ModelEntry:
    where = f"cystgrid.models.{builder}"
    return ModelEntry(
        name, "network", inputs, where, about, reference, parameters, size, packages=packages
    )


def _classical(
    name: str, builder: str, about: str, reference: str, sees: Sees, inputs: tuple[str, ...]
) -> ModelEntry:
    where = f"cystgrid.models.{builder}"
    packages = () if sees in CONTROLLED else ("skops",)
    return ModelEntry(
        name, "classical", inputs, where, about, reference, sees=sees, packages=packages
    )


DOSOVITSKIY = "Dosovitskiy et al. 2020, arXiv:2010.11929"
STEINER = "Steiner et al. 2021, arXiv:2106.10270"
LALONDE = "LaLonde et al. 2019, doi:10.1007/978-3-030-32254-0_12"
INN_SIZE = (2, 3, 64)
"""Two modalities, three classes; the number of pixels does not change the count."""

MODELS: dict[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        _network("vit_tiny", "vit:build_vit", "ViT-Ti/16", STEINER, 5_717_416),
        _network("vit_small", "vit:build_vit", "ViT-S/16", STEINER, 22_050_664),
        _network("vit_base", "vit:build_vit", "ViT-B/16, the paper's transformer", DOSOVITSKIY,
                 86_567_656),
        _network("vit_large", "vit:build_vit", "ViT-L/16", STEINER, 304_326_632),
        _network("alexnet", "cnn:build_cnn", "AlexNet", "Krizhevsky 2014, arXiv:1404.5997",
                 61_100_840),
        _network("densenet121", "cnn:build_cnn", "DenseNet-121",
                 "Huang et al. 2016, arXiv:1608.06993", 7_978_856),
        _network("resnet18", "cnn:build_cnn", "ResNet-18", "He et al. 2015, arXiv:1512.03385",
                 11_689_512),
        _network("mobilenet_v2", "cnn:build_cnn", "MobileNet v2",
                 "Sandler et al. 2018, arXiv:1801.04381", 3_504_872),
        _network("efficientnet_b5", "cnn:build_cnn", "EfficientNet-B5",
                 "Tan & Le 2019, arXiv:1905.11946", 30_389_784),
        _network("dense-inn", "inn:build_inn", "DenseNet-121 inflated to 3-D, 5 slices", LALONDE,
                 11_320_000, inputs=INFLATED, size=INN_SIZE),
        _network("incept-inn", "inn:build_inn", "Inception-v3 inflated to 3-D, 5 slices", LALONDE,
                 34_090_000, inputs=INFLATED, size=INN_SIZE),
        _network("densenet121-3d", "volumetric:build_densenet_3d",
                 "MONAI's 3-D DenseNet-121 on the whole crop as a cube",
                 "Cyst-X 2025, osf.io/74vfs", None, inputs=SINGLE,
                 packages=("monai",)),
        _classical("hussein-cca", "projections:ProjectionsSvm",
                   "CNN features of intensity projections, canonical correlation, SVM",
                   "Hussein et al. 2018, arXiv:1710.09779", "image", ("early",)),
        _classical("cnn-svm", "extraction:FeaturesSvm",
                   "CNN features of the grid, SVM", "Corral et al. 2019, Pancreas 48:805", "image",
                   SINGLE),
        _classical("features-forest", "feature_models:Forest",
                   "random forest on a table of features", "Breiman 2001, Mach Learn 45:5",
                   "features", NO_IMAGE),
        _classical("features-boosting", "feature_models:Boosting",
                   "gradient boosting on a table of features",
                   "Friedman 2001, Ann Stat 29:1189; Ke et al. 2017 (histograms)", "features",
                   NO_IMAGE),
        _classical("site-only", "controls:SiteOnly",
                   "a control: how often each class is at the patient's centre", "control",
                   "center", NO_IMAGE),
        _classical("majority", "controls:Majority",
                   "a control: how often each class is in the training patients", "control",
                   "labels", NO_IMAGE),
    )
}  # fmt: skip
"""Every model by name. To add one: a builder, a line here, and its test (docs/models.md)."""

MODEL_NAMES = (VIT, *MODELS)
"""What a study may name, beside ``features`` and ``timm:...``."""

TIMM_NAME = re.compile(re.escape(TIMM) + r"[A-Za-z0-9_.]+")


def entry_of(name: str) -> ModelEntry:
    """The registry's entry of a model; that of any ViT for ``vit`` and ``timm:...``.

    Raises:
        ValueError: no such model; the message names the nearest.
    """
    if name in MODELS:
        return MODELS[name]
    if name == VIT or TIMM_NAME.fullmatch(name):
        return ModelEntry(
            name, "network", FLAT, "cystgrid.models.vit:build_vit", "any plain ViT of timm's",
            "pytorch-image-models",
        )  # fmt: skip
    known = (*MODEL_NAMES, FEATURES)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
    raise ValueError(
        f"known models (did you mean {near!r}?); Available: {', '.join(known)}, or a plain ViT of "
        f"timm's as {TIMM}NAME"
    )
