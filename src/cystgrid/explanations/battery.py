"""All checks of one map after another: networks and patients in, one row a patient and map out.

A patient's map is the mean over the networks that never saw it, of all its scans together: what is
taken away from one scan is taken away from all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cystgrid.explanations.checks.agreement import agreement
from cystgrid.explanations.checks.controls import CONTROLS
from cystgrid.explanations.checks.curves import Areas, Curves, order_of
from cystgrid.explanations.checks.lesions import lesion_scores
from cystgrid.explanations.checks.randomisation import randomised
from cystgrid.explanations.checks.ranks import rank_correlation
from cystgrid.explanations.checks.stability import stability
from cystgrid.explanations.occlusion import cells as cell_regions
from cystgrid.explanations.occlusion import patches
from cystgrid.explanations.options import Options
from cystgrid.explanations.relevance import OCCLUSION_CELLS, relevance
from cystgrid.models.network import Network

LESION_CHECKS = (
    "pointing",
    "pointing_chance",
    "mass",
    "lesion_share",
    "concentration",
    "average_precision",
    "concentration_shuffled",
)
"""Only where the window shows a known lesion; NaN elsewhere."""

CHECKS = (*LESION_CHECKS, "deletion", "insertion", "agreement", "stability", "randomisation")

STEPS = 16
"""Points of integrated gradients: half of the default, since every map is made five times."""

Row = dict[str, float]
"""The figures of one patient's map, by the name of the check."""


@dataclass(frozen=True)
class Sample:
    """Patients as some networks see them.

    Attributes:
        inputs: ``(batch, network, channel, *spatial)`` in 0-1, NaN where a scan is absent; each
            network has its own standardisation.
        classes: whose probability is explained, one a patient.
        lesions: ``(*spatial)`` bool, or None where none is known in the window.
        seeds: of each patient's random orders.
    """

    inputs: Tensor
    classes: tuple[int, ...]
    lesions: tuple[Tensor | None, ...]
    seeds: tuple[int, ...]

    def shown(self, inputs: Tensor) -> Sample:
        """The same patients with other grey values."""
        return replace(self, inputs=inputs)


def probabilities(networks: Sequence[Network], inputs: Tensor) -> Tensor:
    """The networks' mean probabilities ``(batch, class)`` of ``(batch, network, ...)``."""
    with torch.no_grad():
        found = [
            network(inputs[:, number]).double().softmax(dim=1)
            for number, network in enumerate(networks)
        ]
    return torch.stack(found).mean(dim=0)


def _as_shares(maps: Tensor) -> Tensor:
    """Maps ``(batch, *spatial)`` whose sizes sum to 1 each; an empty one stays empty."""
    sums = maps.abs().sum(dim=tuple(range(1, maps.ndim)), keepdim=True)
    return maps / torch.where(sums > 0, sums, 1.0)


@dataclass
class Battery:
    """The checks of the networks that grade some patients.

    Attributes:
        networks: that never saw them, in evaluation mode.
        cells: of their grid.
        seed: of noise and of shuffled weights.
        shuffled: the networks with all that they learned gone.
    """

    networks: tuple[Network, ...]
    cells: int
    seed: int = 0
    shuffled: tuple[Network, ...] = field(init=False)

    def __post_init__(self) -> None:
        for network in self.networks:
            network.eval()
        self.shuffled = tuple(
            randomised(each, self.seed + number) for number, each in enumerate(self.networks)
        )
        self._noise = torch.Generator().manual_seed(self.seed)

    def check(
        self,
        sample: Sample,
        methods: Sequence[str],
        after_map: Callable[[], None] = lambda: None,
    ) -> dict[str, list[Row]]:
        """Check every method and every control on some patients.

        Args:
            sample: the patients.
            methods: that serve the networks.
            after_map: called once a method or control, for progress.

        Returns:
            One row a patient, by method or control.
        """
        spatial = sample.inputs.shape[3:]
        options = Options(cells=self.cells)
        regions = patches(self.networks[0], spatial, options)
        slices = cell_regions(self.networks[0], spatial, options)
        answer = partial(probabilities, self.networks)
        curves = Curves(answer, sample.inputs, sample.classes, regions)
        chance = curves.random(sample.seeds)
        occluded = self.maps(OCCLUSION_CELLS, sample, self.networks)
        found = {}
        for name in (*methods, *CONTROLS):
            maps = occluded if name == OCCLUSION_CELLS else self.maps(name, sample, self.networks)
            gain = curves.areas(order_of(maps, regions, sample.seeds)).against(chance)
            shuffled = self.maps(name, sample, self.shuffled)
            scores = {
                "agreement": (
                    np.full(len(maps), np.nan)  # with itself
                    if name == OCCLUSION_CELLS
                    else agreement(maps, occluded, slices)
                ),
                "stability": self._stability(name, sample, maps),
                "randomisation": rank_correlation(maps, shuffled),
            }
            found[name] = self._rows(sample, maps, shuffled, gain, scores)
            after_map()
        return found

    def maps(self, name: str, sample: Sample, networks: Sequence[Network]) -> Tensor:
        """Each patient's map ``(batch, *spatial)`` by a method or control, mean over networks.

        Each network's counts alike: it is brought to a sum of 1, of either sign, before the mean.
        """
        if name in CONTROLS:
            spatial = sample.inputs.ndim - 3
            return CONTROLS[name](sample.inputs, spatial, self.cells, self._noise).cpu()
        options = Options(cells=self.cells, together=True, steps=STEPS)
        found = [
            relevance(
                network, sample.inputs[:, number], name, classes=sample.classes, options=options
            ).values.sum(dim=1)  # of its scans
            for number, network in enumerate(networks)
        ]
        return torch.stack([_as_shares(each) for each in found]).mean(dim=0)

    def _stability(self, name: str, sample: Sample, maps: Tensor) -> NDArray[np.float64]:
        def explain(inputs: Tensor) -> Tensor:
            return self.maps(name, sample.shown(inputs), self.networks)

        return stability(explain, sample.inputs, maps, self.cells)

    def _rows(
        self,
        sample: Sample,
        maps: Tensor,
        shuffled: Tensor,
        gain: Areas,
        scores: dict[str, NDArray[np.float64]],
    ) -> list[Row]:
        rows = []
        for number, lesion in enumerate(sample.lesions):
            row: Row = dict.fromkeys(LESION_CHECKS, float("nan"))
            if lesion is not None:
                held = lesion_scores(maps[number], lesion, self.cells)
                without = lesion_scores(shuffled[number], lesion, self.cells)
                row |= {
                    "pointing": held.pointing,
                    "pointing_chance": held.pointing_chance,
                    "mass": held.mass,
                    "lesion_share": held.share,
                    "concentration": held.concentration,
                    "average_precision": held.average_precision,
                    "concentration_shuffled": without.concentration,
                }
            row |= {"deletion": float(gain.deletion[number])}
            row |= {"insertion": float(gain.insertion[number])}
            rows.append(row | {check: float(values[number]) for check, values in scores.items()})
        return rows
