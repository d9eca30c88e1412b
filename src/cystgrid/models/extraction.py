"""Features of a pretrained network, and Corral's model: a support vector machine on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn
from torch.nn.functional import interpolate

from cystgrid.errors import StoreError
from cystgrid.models.classical import Cases, Probabilities, Targets, by_patient
from cystgrid.models.network import Network, Shape
from cystgrid.models.persistence import (
    dump_json,
    dump_sklearn,
    load_json,
    load_sklearn,
    pack,
    unpack,
)
from cystgrid.models.registry import build_model
from cystgrid.models.svm import Svm, fit_svm

PIXELS = 224
"""Along the side of an image, as the networks were pretrained; others are resampled to it."""

SETTING, TENSORS, FITTED = "extractor.json", "extractor.safetensors", "fitted.skops"


@dataclass(frozen=True)
class ExtractorSetting:
    """Which network gives the features, and how it is started.

    Attributes:
        extractor: a convolutional network's registered name.
        weights: ``hub``, ``none`` (drawn from the fit's seed) or a path.
        unit: it expects 0-1 as it is.
        cells: slices in a grid.
    """

    extractor: str
    weights: str
    unit: bool
    cells: int

    def build(self, seed: int) -> Extractor:
        """Start the network; global randomness is left as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build_model(self.extractor, "t1", Shape(1, 1, 1, PIXELS), self.weights)
        return Extractor(network.normalise_with(0.0, 1.0) if self.unit else network)


class Extractor:
    """A network without its head; an image of one channel in, a vector of features out."""

    def __init__(self, network: Network) -> None:
        self.network = network.eval()
        self.network.backbone.set_submodule(network.head, nn.Identity())

    def features(self, images: Iterable[Tensor]) -> NDArray[np.float64]:
        """Features of each patient's images ``(image, height, width)``, one after the other.

        Each patient's images are seen by themselves, so that nobody's features depend on who else
        is asked for. An absent scan's image (NaN) is black.

        Returns:
            ``(patient, image, feature)``.
        """
        with torch.inference_mode():
            found = [self._vectors(patient.cpu().float()[:, None]) for patient in images]
        vectors: NDArray[np.float64] = torch.stack(found).double().numpy()
        return vectors

    def _vectors(self, images: Tensor) -> Tensor:
        size = (PIXELS, PIXELS)
        resampled = interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)
        vectors: Tensor = self.network(resampled)
        return vectors

    def dump(self) -> bytes:
        """The network's tensors."""
        return save_tensors({k: t.contiguous() for k, t in self.network.state().items()})

    @classmethod
    def restore(cls, setting: ExtractorSetting, content: bytes) -> Extractor:
        """Take up what ``dump`` gave."""
        network = build_model(setting.extractor, "t1", Shape(1, 1, 1, PIXELS), "none")
        extractor = cls(network)
        network.load_state(load_tensors(content))
        return extractor


class FeaturesSvm:
    """Features of each modality's central grid, side by side, and a support vector machine.

    Corral et al. (2019) took the features of a pretrained network and such a machine.

    Args:
        extractor, weights, unit, cells: see ``ExtractorSetting``.
    """

    def __init__(self, extractor: str, weights: str, unit: bool, cells: int) -> None:
        self.setting = ExtractorSetting(extractor, weights, unit, cells)
        self.extractor: Extractor | None = None
        self.svm: Svm | None = None

    def fit(
        self, cases: Cases, targets: Targets, validation: Cases, validation_targets: Targets,
        classes: int, seed: int,
    ) -> None:  # fmt: skip
        """Fit the machine; the network stays as it was pretrained."""
        self.extractor = self.setting.build(seed)
        order = by_patient(cases, targets)
        seen = self.vectors(cases)[order]
        self.fit_vectors(seen, targets[order])
        self.svm = fit_svm(
            self.reduced(seen),
            targets[order],
            self.reduced(self.vectors(validation)),
            validation_targets,
            classes,
        )

    def vectors(self, cases: Cases) -> NDArray[np.float64]:
        """Features ``(patient, modality, feature)``."""
        return self._fitted_extractor().features(cases.images())

    def fit_vectors(self, vectors: NDArray[np.float64], targets: Targets) -> None:
        """Learn, from training patients, how features are reduced; here they are not."""

    def reduced(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the machine sees ``(patient, feature)``."""
        return vectors.reshape(len(vectors), -1)

    def probabilities(self, cases: Cases) -> Probabilities:
        """Class probabilities ``(patient, class)``."""
        if self.svm is None:
            raise ValueError("not fitted yet")
        svm = self.svm  # one patient at a time: a product's last digits go by how many there are
        rows = [svm.probabilities(self.reduced(row[None])) for row in self.vectors(cases)]
        return np.concatenate(rows) if rows else np.zeros((0, svm.classes))

    def dump(self, *, network: bool = True) -> bytes:
        """The setting, scikit-learn's objects by skops, and the network's tensors."""
        setting = {name: getattr(self.setting, name) for name in ("extractor", "unit", "cells")}
        pieces = {SETTING: dump_json(setting), FITTED: dump_sklearn(self.fitted_parts())}
        if network:
            pieces[TENSORS] = self._fitted_extractor().dump()
        return pack(pieces)

    def fitted_parts(self) -> dict[str, Any]:
        """scikit-learn's objects and plain values."""
        if self.svm is None:
            raise ValueError("not fitted yet")
        return {"svm": self.svm.to_parts()}

    def take_parts(self, parts: dict[str, Any]) -> None:
        """Take up what ``fitted_parts`` gave."""
        self.svm = Svm.from_parts(parts["svm"])

    @classmethod
    def restore(cls, content: bytes) -> Self:
        """Take up what ``dump`` gave; no other file is needed.

        Raises:
            StoreError: it is something else, or without its network.
        """
        pieces = unpack(content)
        if TENSORS not in pieces:
            raise StoreError(
                "a fitted model",
                got="one that was kept without its network",
                expected="one that is whole, as `cystgrid train` writes it",
                do="train a model to deploy",
            )
        estimator = cls(weights="none", **load_json(pieces[SETTING]))
        estimator.extractor = Extractor.restore(estimator.setting, pieces[TENSORS])
        estimator.take_parts(load_sklearn(pieces[FITTED]))
        return estimator

    def _fitted_extractor(self) -> Extractor:
        if self.extractor is None:
            raise ValueError("not fitted yet")
        return self.extractor
