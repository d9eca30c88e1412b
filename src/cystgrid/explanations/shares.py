"""How much of a map's relevance lies in which slices, and on which scan: numbers and a sentence."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cystgrid.explanations.placing import Window
from cystgrid.scans.volume import Array

MOST = 0.5
"""The sentence names the fewest neighbouring slices that hold at least this share."""


@dataclass(frozen=True)
class Shares:
    """Shares of all relevance, of either sign; each set sums to 1, or all are 0 for an empty map.

    Attributes:
        slices: of each slice that the network saw, from foot to head.
        heights: ``z`` of each slice's middle in mm, RAS+.
        modalities: of each scan that there is; empty where the method does not tell the scans
            apart, or does not weigh them.
        unweighed: scans with a map each, whose sizes do not compare (``Method.weighs_scans``).
    """

    slices: tuple[float, ...]
    heights: tuple[float, ...]
    modalities: dict[str, float]
    unweighed: tuple[str, ...] = ()

    def densest(self) -> tuple[int, int]:
        """First slice and the one after the last of the shortest run that holds ``MOST``.

        Of several runs of that length, the one with most; of equal ones, the lowest.
        """
        sums = np.concatenate([[0.0], np.cumsum(self.slices)])
        for length in range(1, len(self.slices) + 1):
            held = sums[length:] - sums[:-length]
            best = int(held.argmax())
            if held[best] >= MOST - 1e-9:  # a share of exactly one half, after rounding
                return best, best + length
        return 0, len(self.slices)

    def sentence(self) -> str:
        """In words: "61 % of relevance in slices 5-7 of 9 (S 12 to S 24 mm); 70 % T2, 30 % T1"."""
        if not any(self.slices):
            return "The map is 0 throughout: it points at nothing."
        first, stop = self.densest()
        held = sum(self.slices[first:stop])
        where = f"slice {stop}" if stop - first == 1 else f"slices {first + 1}-{stop}"
        ends = dict.fromkeys(height_text(self.heights[n]) for n in (first, stop - 1))
        text = f"{held:.0%} of relevance in {where} of {len(self.slices)} ({' to '.join(ends)})"
        return f"{text.replace('%', ' %')}; {self._modalities()}"

    def _modalities(self) -> str:
        if self.unweighed:
            named = " and ".join(name.upper() for name in self.unweighed)
            return f"{named} are not weighed against each other"
        if not self.modalities:
            return "not by modality"
        ranked = sorted(self.modalities.items(), key=lambda item: -item[1])
        return ", ".join(f"{share:.0%} {name.upper()}".replace("%", " %") for name, share in ranked)


def height_text(millimetres: float) -> str:
    """Height along z as a radiologist writes it: S towards the head, I towards the feet."""
    rounded = round(millimetres)
    return f"{'I' if rounded < 0 else 'S'} {abs(rounded)} mm"


def shares_of(
    values: Array,
    of: tuple[str, ...],
    window: Window,
    heights: NDArray[np.float64],
    *,
    absent: Collection[str] = (),
    weighed: bool = True,
) -> Shares:
    """The shares of a patient's maps.

    Args:
        values: ``(map, slice, row, column)`` on the crop's slices.
        of: what each map speaks of; only several maps tell the scans apart.
        window: the slices that the network saw.
        heights: ``(slice,)`` of the crop's slices, mm.
        absent: scans that there are not; their maps are 0.
        weighed: whether the sizes of several maps compare.
    """
    mass = np.abs(values[:, window.first : window.stop]).astype(np.float64).sum(axis=(2, 3))
    total = float(mass.sum()) or 1.0
    by_map = dict(zip(of, (mass.sum(axis=1) / total).tolist(), strict=True))
    scans = {name: share for name, share in by_map.items() if name not in absent}
    apart = len(of) > 1
    compared = weighed or len(scans) == 1
    return Shares(
        tuple((mass.sum(axis=0) / total).tolist()),
        tuple(heights[window.first : window.stop].tolist()),
        scans if apart and compared else {},
        tuple(scans) if apart and not compared else (),
    )
