"""Controls that see no scan: what a model must beat, and what a centre alone gives away."""

from __future__ import annotations

from typing import Self

import numpy as np

from cystgrid.models.classical import Cases, Probabilities, Targets, by_patient
from cystgrid.models.persistence import dump_json, load_json

PSEUDO_COUNT = 1
"""Patients of each class that every centre is taken to have had already (Laplace)."""


class Majority:
    """The classes' shares among the training patients, for everyone; answers the commonest."""

    def __init__(self, shares: list[float] | None = None) -> None:
        self.shares = shares or []

    def fit(
        self, cases: Cases, targets: Targets, validation: Cases, validation_targets: Targets,
        classes: int, seed: int,
    ) -> None:  # fmt: skip
        """Count; nothing is chosen and nothing is random."""
        by_patient(cases, targets)
        counts = np.bincount(targets, minlength=classes)
        self.shares = (counts / counts.sum()).tolist()

    def probabilities(self, cases: Cases) -> Probabilities:
        """The same row for every patient."""
        return np.tile(np.array(self.shares), (len(cases), 1))

    def dump(self, *, network: bool = True) -> bytes:
        """As JSON."""
        return dump_json({"shares": self.shares})

    @classmethod
    def restore(cls, content: bytes) -> Self:
        """From JSON."""
        return cls(load_json(content)["shares"])


class SiteOnly:
    """The classes' shares among the training patients of a centre, smoothed.

    A centre that no training patient came from gets the shares of all.
    """

    def __init__(
        self, shares: dict[str, list[float]] | None = None, every: list[float] | None = None
    ) -> None:
        self.shares = shares or {}
        self.every = every or []

    def fit(
        self, cases: Cases, targets: Targets, validation: Cases, validation_targets: Targets,
        classes: int, seed: int,
    ) -> None:  # fmt: skip
        """Count by centre; nothing is chosen and nothing is random."""
        by_patient(cases, targets)
        centers = np.array(cases.centers, dtype=object)
        self.shares = {
            center: _smoothed(targets[centers == center], classes)
            for center in sorted(set(cases.centers))
        }
        self.every = _smoothed(targets, classes)

    def probabilities(self, cases: Cases) -> Probabilities:
        """Each patient's centre's shares."""
        return np.array([self.shares.get(center, self.every) for center in cases.centers])

    def dump(self, *, network: bool = True) -> bytes:
        """As JSON."""
        return dump_json({"shares": self.shares, "every": self.every})

    @classmethod
    def restore(cls, content: bytes) -> Self:
        """From JSON."""
        return cls(**load_json(content))


def _smoothed(targets: Targets, classes: int) -> list[float]:
    counts = np.bincount(targets, minlength=classes) + PSEUDO_COUNT
    shares: list[float] = (counts / counts.sum()).tolist()
    return shares
