"""Models that are fitted at once, behind one small interface; no image layer is trained.

A fit sees its training patients; the validation patients choose its settings (as they choose a
network's epoch), and nothing else. The order of patients changes nothing: fits go by their ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cystgrid.models.entries import entry_of

if TYPE_CHECKING:  # half of these models need no torch
    from torch import Tensor

Targets = NDArray[np.int64]
Probabilities = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cases:
    """Patients as a classical model sees them.

    Attributes:
        patients: ids.
        centers: where each was scanned; "" where unknown.
        grids: each patient's central grid ``(channel, height, width)`` in 0-1, NaN where a scan is
            absent, one after the other; None for models that see no image.
        features: one row a patient, float64, NaN where unknown; None for models that see none.
    """

    patients: tuple[str, ...]
    centers: tuple[str, ...]
    grids: Iterable[Tensor] | None = None
    features: pd.DataFrame | None = None

    def __len__(self) -> int:
        return len(self.patients)

    def images(self) -> Iterable[Tensor]:
        """The grids of models that see images.

        Raises:
            ValueError: none were given.
        """
        if self.grids is None:
            raise ValueError("cases without grids for a model that sees images")
        return self.grids

    def numbers(self) -> NDArray[np.float64]:
        """The features ``(patient, feature)`` of models that see them.

        Raises:
            ValueError: none were given.
        """
        if self.features is None:
            raise ValueError("cases without features for a model that sees features")
        return self.features.to_numpy(dtype=np.float64)


class Estimator(Protocol):
    """What every classical model can do."""

    def fit(
        self,
        cases: Cases,
        targets: Targets,
        validation: Cases,
        validation_targets: Targets,
        classes: int,
        seed: int,
    ) -> None:
        """Learn from ``cases``; choose settings on ``validation``.

        Args:
            cases: training patients.
            targets: ``(patient,)`` class numbers.
            validation: other patients.
            validation_targets: theirs.
            classes: of the study; a class that no training patient has gets probability 0 (site
                and majority controls: its smoothed share).
            seed: of everything random.
        """
        ...

    def probabilities(self, cases: Cases) -> Probabilities:
        """Class probabilities ``(patient, class)``; rows sum to 1."""
        ...

    def dump(self, *, network: bool = True) -> bytes:
        """The fitted model; the same fit gives the same bytes. No pickle.

        Args:
            network: with the pretrained network that gives the features, where there is one;
                without it the file is small, and cannot be restored.
        """
        ...

    @classmethod
    def restore(cls, content: bytes) -> Self:
        """Take up what ``dump`` gave."""
        ...


def load_estimator(name: str, content: bytes) -> Estimator:
    """Take up a fitted model.

    Args:
        name: registered name of a classical model.
        content: as ``dump`` gave it.

    Raises:
        ValueError: no such model.
        StoreError: the content is something else.
    """
    entry = entry_of(name)
    if entry.family != "classical":
        raise ValueError(f"{name} is a {entry.family} model")
    module, _, kind = entry.build.partition(":")
    estimator: Estimator = getattr(import_module(module), kind).restore(content)
    return estimator


def by_patient(cases: Cases, targets: Targets) -> NDArray[np.intp]:
    """Positions of the cases in the order of their ids: fits do not see how rows were ordered.

    Raises:
        ValueError: as many targets as cases are not given.
    """
    if len(targets) != len(cases):
        raise ValueError(f"{len(targets)} targets of {len(cases)} cases")
    return np.argsort(np.array(cases.patients, dtype=object), kind="stable")


def spread(probabilities: Probabilities, seen: Sequence[int], classes: int) -> Probabilities:
    """Probabilities of the classes that a fit has seen, as columns of all classes."""
    whole = np.zeros((len(probabilities), classes))
    whole[:, list(seen)] = probabilities
    return whole
