"""Hussein et al. (2018): intensity projections, features of a CNN, canonical correlation, SVM.

Of each modality the largest and the smallest value over the slices of the central window become
two images; a pretrained network's features of both are that modality's vector. Canonical
correlation finds what the modalities' vectors have in common, and its variates are classified. The
paper's network was CNN-F, whose nearest relative in torchvision is AlexNet (the default): both have
five convolutions, and the features are the 4096 values before the last layer.

There are more features than patients, which makes every correlation 1; so each modality's vectors
are first reduced to principal components.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from cystgrid.grids.tiling import untile
from cystgrid.models.classical import Cases, Targets
from cystgrid.models.extraction import FeaturesSvm

MODALITIES = 2
MOST_COMPONENTS = 20
"""Principal components of a modality; no more than half as many as there are training patients."""

MOST_VARIATES = 10
"""Pairs of canonical variates."""

CCA_STEPS = 5000
"""Of the power method, at most, for each pair."""


class ProjectionsSvm(FeaturesSvm):
    """The model of Hussein et al.

    Args:
        extractor, weights, unit, cells: see ``ExtractorSetting``.
    """

    def __init__(self, extractor: str, weights: str, unit: bool, cells: int) -> None:
        super().__init__(extractor, weights, unit, cells)
        self.components: list[Pipeline] = []
        self.correlation: CCA | None = None

    def vectors(self, cases: Cases) -> NDArray[np.float64]:
        """Features ``(patient, modality, feature)`` of both projections."""
        found = self._fitted_extractor().features(map(self._projections, cases.images()))
        return found.reshape(len(found), MODALITIES, -1)

    def _projections(self, grid: Tensor) -> Tensor:
        """Greatest and least value along the slices, ``(modality and projection, row, column)``."""
        slices = untile(grid, self.setting.cells)
        return torch.stack([slices.amax(dim=1), slices.amin(dim=1)], dim=1).flatten(0, 1)

    def fit_vectors(self, vectors: NDArray[np.float64], targets: Targets) -> None:
        """Fit components and correlation on the training patients; classes play no part."""
        count = max(1, min(MOST_COMPONENTS, len(vectors) // 2, vectors.shape[-1]))
        self.components = [
            make_pipeline(StandardScaler(), PCA(count, svd_solver="full")).fit(vectors[:, m])
            for m in range(MODALITIES)
        ]
        self.correlation = CCA(min(MOST_VARIATES, count), max_iter=CCA_STEPS)
        self.correlation.fit(*self._components_of(vectors))

    def reduced(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Both modalities' canonical variates, side by side."""
        if self.correlation is None:
            raise ValueError("not fitted yet")
        return np.concatenate(self.correlation.transform(*self._components_of(vectors)), axis=1)

    def _components_of(self, vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        return tuple(pca.transform(vectors[:, m]) for m, pca in enumerate(self.components))

    def fitted_parts(self) -> dict[str, Any]:
        """As of the base, with components and correlation."""
        return {
            **super().fitted_parts(),
            "components": self.components,
            "correlation": self.correlation,
        }

    def take_parts(self, parts: dict[str, Any]) -> None:
        """Take up what ``fitted_parts`` gave."""
        super().take_parts(parts)
        self.components, self.correlation = parts["components"], parts["correlation"]
