"""One real patient and a class -> the same scans with such lesions in them, and the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cystgrid.cohort.manifest import Patient, box_edges, is_box
from cystgrid.cohort.phantom.disease import Disease, Label
from cystgrid.cohort.phantom.shapes import Vector
from cystgrid.insertion.blend import blend, measure, shading
from cystgrid.insertion.covers import Covers, cover
from cystgrid.insertion.gland import course_in_box, course_in_mask, grow
from cystgrid.preparation.patient import check_complete, read_scans
from cystgrid.preparation.placement import Placement, place
from cystgrid.preparation.region import mask_centres
from cystgrid.preparation.settings import Modality, PreparationSettings
from cystgrid.provenance import digest
from cystgrid.scans.volume import Array, Volume


@dataclass(frozen=True, eq=False)
class Inserted:
    """A patient with lesions of known truth.

    Attributes:
        scans: by modality, canonical.
        lesion: bool, on the reference scan's grid.
        region: bool on the same grid, the given mask with the lesions; None where a box was given.
        box: the region in mm as a manifest has it, with the lesions; None where a mask was given.
        reference: the modality whose grid the masks have.
        disease: the truth in mm, RAS+.
    """

    scans: dict[str, Volume]
    lesion: NDArray[np.bool_]
    region: NDArray[np.bool_] | None
    box: str | None
    reference: str
    disease: Disease


@dataclass(frozen=True, eq=False)
class Host:
    """A patient's scans as they are, ready for lesions.

    Attributes:
        patient: of the manifest.
        placement: scans and region.
        fields: each scan's bias field: of all copies the same.
    """

    patient: Patient
    placement: Placement
    fields: Mapping[Modality, Array]

    @classmethod
    def read(cls, patient: Patient, settings: PreparationSettings) -> Host:
        """Read a patient's scans and place its region.

        Raises:
            CystgridError: a scan or a region that cannot be used, named by its column.
        """
        check_complete(patient, settings)
        placement = place(patient, read_scans(patient, settings), settings)
        fields = {name: shading(scan) for name, scan in placement.scans.items()}
        return cls(patient, placement, fields)

    def insert(self, label: Label, number: int, seed: int) -> Inserted:
        """Lesions of one class.

        Args:
            label: the class; ``normal`` draws a duct of normal width.
            number: of this copy of the patient; the signs of high risk take turns with it.
            seed: of the cohort.
        """
        named = int(digest([seed, self.patient.patient, number])[:15], 16)
        body, lesions, noise = map(np.random.default_rng, np.random.SeedSequence(named).spawn(3))
        disease = grow(self._course(body), label, number // 3, lesions)
        scans: dict[str, Volume] = {}
        covers: dict[str, Covers] = {}
        for name, scan in self.placement.scans.items():
            covers[name] = cover(disease, scan)
            levels = measure(scan, self.fields[name], covers[name], name)
            scans[name] = blend(scan, covers[name], levels, self.fields[name], noise)
        reference = self.placement.reference
        grid = self.placement.scans[reference]
        lesion = covers[reference].lesion(grid.shape)
        return Inserted(
            scans, lesion, self._mask(grid, lesion), self._box(grid, lesion), reference, disease
        )

    def _course(self, random: np.random.Generator) -> Vector:
        mask = self.placement.region.mask
        if mask is not None:
            return course_in_mask(np.concatenate(list(mask_centres(mask))))
        grid = self.placement.scans[self.placement.reference]
        region = self.placement.region
        corners = grid.world(np.array([region.low, region.high]))
        return course_in_box(corners.min(axis=0), corners.max(axis=0), random)

    def _mask(self, grid: Volume, lesion: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        mask = self.placement.region.mask
        if mask is None:
            return None
        inside = lesion.copy()
        for centres in mask_centres(mask):
            index = np.rint(grid.index(centres)).astype(int)
            kept = index[((index >= 0) & (index < grid.shape)).all(axis=1)]
            inside[tuple(kept.T)] = True
        return inside

    def _box(self, grid: Volume, lesion: NDArray[np.bool_]) -> str | None:
        roi = self.patient.roi
        if roi is None or not is_box(roi):
            return None
        edges = box_edges(roi)
        assert edges is not None  # it was placed
        low, high = np.array(edges).T
        found = np.argwhere(lesion)
        if len(found):
            world = grid.world(found)
            low = np.minimum(low, world.min(axis=0) - 1)
            high = np.maximum(high, world.max(axis=0) + 1)
        sides = [f"{value:.1f}" for pair in zip(low, high, strict=True) for value in pair]
        return ",".join(sides)


def truth(patient: str, source: str, inserted: Inserted) -> dict[str, Any]:
    """What was drawn, in mm, RAS+; plain JSON types."""
    return {"patient": patient, "drawn_into": source, **inserted.disease.record()}
