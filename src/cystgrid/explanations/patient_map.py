"""One patient's map: the mean over a model's members, on the slices of the patient's crop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cystgrid.explanations.options import Options
from cystgrid.explanations.placing import Window, on_slices, pixels_affine, slice_heights
from cystgrid.explanations.relevance import Method, relevance
from cystgrid.explanations.shares import Shares, shares_of
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.scans.volume import Affine, Array
from cystgrid.training.device import reproducible
from cystgrid.training.network_member import NetworkMember

THREADS = 1
"""So that the same patient has the same map, to the bit, on any machine of its kind."""


@dataclass(frozen=True, eq=False)
class PatientMap:
    """Where a model's answer for one patient comes from.

    Attributes:
        values: ``(map, slice, row, column)`` float32 on all slices of the crop, 0 where the network
            saw nothing. The unit is the even share: 1 is what every pixel would have if relevance
            were spread evenly over what was seen (of either sign, over all maps together), so
            that maps of different methods, models and patients compare.
        of: what each map speaks of, such as ``("t1+t2",)`` or ``("t1", "t2")``.
        absent: which of ``of`` are scans that the patient lacks; their maps are 0.
        method: that made it.
        target: number of the class that is explained.
        window: the slices that the network saw.
        affine: ``(4, 4)``; ``(column, row, slice, 1)`` of a map's pixel centre to mm RAS+.
    """

    values: Array
    of: tuple[str, ...]
    absent: frozenset[str]
    method: Method
    target: int
    window: Window
    affine: Affine

    @property
    def heights(self) -> NDArray[np.float64]:
        """``(slice,)`` z of each slice's middle in mm, RAS+."""
        slices, rows, columns = self.values.shape[1:]
        return slice_heights(self.affine, (slices, rows, columns))

    @property
    def shares(self) -> Shares:
        """How much lies in which slices, and on which scan."""
        return shares_of(
            self.values,
            self.of,
            self.window,
            self.heights,
            absent=self.absent,
            weighed=self.method.weighs_scans,
        )

    @property
    def seen(self) -> tuple[tuple[str, Array], ...]:
        """The maps of scans that there are, each ``(slice, row, column)`` with what it is of."""
        pairs = zip(self.of, self.values, strict=True)
        return tuple((of, values) for of, values in pairs if of not in self.absent)


def patient_map(
    members: Sequence[NetworkMember],
    prepared: PreparedPatient,
    method: str,
    target: int,
    channels: Sequence[str],
    options: Options,
) -> PatientMap:
    """Explain one class for one patient by all members together.

    Each member's map counts alike: it is brought to a sum of 1 (of either sign) before the mean.

    Args:
        members: networks of one kind; for a patient of a cohort, those that never saw it.
        prepared: the patient.
        method: a key of ``METHODS``.
        target: number of the class.
        channels: names of the networks' channels.
        options: of the method; cells are taken from the networks' grid.

    Raises:
        UsageError: the method does not serve the networks.
    """
    total: NDArray[np.float64] | None = None
    depth = prepared.crop.shape[1]
    for member in members:
        cells, form = member.grid.cells, member.network.form
        inputs = member.crops([prepared]).central(cells, form)
        with reproducible(THREADS):
            made = relevance(
                member.network,
                inputs,
                method,
                classes=[target],
                channels=channels,
                options=options.model_copy(update={"cells": cells}),
            )
        placed = on_slices(made.values[0], form, cells, depth).astype(np.float64)
        share = placed / (np.abs(placed).sum() or 1.0)
        total = share if total is None else total + share
    assert total is not None, "a model has members"
    window = Window.shown(form, cells, depth)
    rows, columns = total.shape[2:]
    crop = prepared.crop.shape[2:]
    absent = _absent(prepared, channels, members[0])
    there = [of not in absent for of in made.of]
    return PatientMap(
        _even_shares(total, total[there, window.first : window.stop]),
        made.of,
        absent & frozenset(made.of),
        made.method,
        target,
        window,
        pixels_affine(prepared.affine, (crop[0], crop[1]), (rows, columns)),
    )


def _absent(
    prepared: PreparedPatient, channels: Sequence[str], member: NetworkMember
) -> frozenset[str]:
    """Names of the network's channels whose scan the patient lacks."""
    places = zip(channels, member.channels, strict=True)
    return frozenset(name for name, place in places if not prepared.present[place])


def _even_shares(total: NDArray[np.float64], seen: NDArray[np.float64]) -> Array:
    """In multiples of the mean size over what was seen; an empty map stays 0."""
    mean = np.abs(seen).sum() / max(seen.size, 1)
    scaled: Array = (total / (mean or 1.0)).astype(np.float32)
    return scaled
