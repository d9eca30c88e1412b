"""One patient at one centre: both scans, the masks on T2's grid, and the truth about all of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from cystgrid.cohort.phantom.acquisition import BiasField, acquire
from cystgrid.cohort.phantom.canvas import Scene
from cystgrid.cohort.phantom.contrast import Contrast, Weighting, draw_contrast
from cystgrid.cohort.phantom.disease import LESION_SHARE, at_least_half
from cystgrid.cohort.phantom.painting import Painted, fine_box, paint
from cystgrid.cohort.phantom.patient import Patient, draw_patient
from cystgrid.cohort.phantom.scanner import CENTERS, Center, Grid, draw_grid
from cystgrid.cohort.phantom.shapes import Field, Vector, box_of, cut
from cystgrid.scans.volume import Affine

SUBSLICES, FINE_SUBSLICES = 2, 3
"""Sub-slices a slice elsewhere, and at least around the pancreas."""
FINE_STEP_MM = 1.6
"""Largest distance between sub-slices around the pancreas."""
SOFT_VOXELS = 1.0
"""Width of a soft edge over the voxel size in the plane."""
BREATHING_MM = (1.2, 2.5, 4.0)
"""Deviation of T1 from T2 along x, y, z: between two breath-holds organs move mostly head-foot."""
BREATHING_LIMIT_MM = (3.0, 6.0, 10.0)


@dataclass(frozen=True, eq=False)
class Image:
    """A scan as it is stored.

    Attributes:
        voxels: ``(i, j, k)`` float32.
        affine: ``(4, 4)`` voxel centres to mm, RAS+.
        thickness: slice thickness in mm; the distance between slices may be larger.
        bias: the coil's field over these voxels.
        fat_suppressed: as the centre's protocol has it.
        level: what a relative signal of 1 became.
        noise: deviation of the noise in each of the two channels, in the image's units.
    """

    voxels: Field
    affine: Affine
    thickness: float
    bias: BiasField
    fat_suppressed: bool
    level: float
    noise: float


@dataclass(frozen=True, eq=False)
class Phantom:
    """A finished patient.

    Attributes:
        name: the patient's id.
        patient: the body.
        center: where it was scanned.
        t1: the T1-weighted scan.
        t2: the T2-weighted scan.
        pancreas: gland, duct and lesions on T2's grid, ``(i, j, k)`` bool.
        lesion: cysts, and a main duct that is itself the lesion, on T2's grid.
        breathing: ``(3,)`` mm, RAS+, by which T1's organs are displaced from T2's.
    """

    name: str
    patient: Patient
    center: Center
    t1: Image
    t2: Image
    pancreas: NDArray[np.bool_]
    lesion: NDArray[np.bool_]
    breathing: Vector


def image_phantom(seed: int, index: int, reduction: float = 1.0) -> Phantom:
    """The cohort's patient ``index``, counted from 0; depends on nothing else.

    Args:
        seed: the cohort's.
        index: of the patient.
        reduction: divides the matrices, for quick looks.
    """
    body, scan_t1, scan_t2, motion = np.random.SeedSequence([seed, index]).spawn(4)
    patient = draw_patient(body, index)
    center = CENTERS[(index // 3) % len(CENTERS)]
    drift = np.random.default_rng(motion).normal(0, BREATHING_MM)
    limit = np.array(BREATHING_LIMIT_MM)
    breathing: Vector = np.round(np.clip(drift, -limit, limit), 2).astype(np.float64)
    t2, masks = _scan(scan_t2, "t2", patient, center, np.zeros(3), reduction)
    t1, _ = _scan(scan_t1, "t1", patient, center, breathing, reduction)
    pancreas, lesion = masks
    return Phantom(f"P{index + 1:03d}", patient, center, t1, t2, pancreas, lesion, breathing)


def _scan(
    seed: np.random.SeedSequence, weighting: Weighting, patient: Patient, center: Center,
    shift: Vector, reduction: float,
) -> tuple[Image, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:  # fmt: skip
    """One scan, and the masks of pancreas and lesion on its grid, all as stored."""
    place, tissue, coil, grain = (np.random.default_rng(child) for child in seed.spawn(4))
    protocol = center.protocol(weighting)
    skin = patient.torso.skin
    grid = draw_grid(
        place, protocol, 2 * skin.width, sum(skin.depth),
        float(skin.centre[1]) + (skin.depth[0] - skin.depth[1]) / 2, reduction,
    )  # fmt: skip
    contrast = draw_contrast(tissue, weighting, fat_suppressed=protocol.fat_suppressed)
    scene = Scene(patient, grid.turn.T, shift)
    soft = SOFT_VOXELS * float(grid.spacing[0])
    signal = paint(grid.axes(SUBSLICES), soft, scene, contrast, grid.shape[2]).signal
    box, fine = _paint_fine(grid, soft, scene, contrast)
    signal[box] = fine.signal
    bias = BiasField.draw(coil, float(coil.uniform(*protocol.bias)))
    level = float(np.exp(coil.uniform(*np.log(center.level))))
    noise = float(coil.uniform(*protocol.noise))
    voxels = acquire(grain, signal, grid, protocol, bias=bias, level=level, noise=noise)
    image = Image(
        voxels, grid.affine, grid.thickness, bias, protocol.fat_suppressed, level, level * noise
    )
    return _stored(image, _masks(fine, box, grid.shape), center)


def _paint_fine(
    grid: Grid, soft: float, scene: Scene, contrast: Contrast
) -> tuple[tuple[slice, slice, slice], Painted]:
    low, high = fine_box(scene)
    box = box_of(grid.axes(1), low, high)
    if box is None:
        raise ValueError("the pancreas lies outside the scan")
    subslices = max(FINE_SUBSLICES, int(np.ceil(grid.thickness / FINE_STEP_MM)))
    part = slice(box[2].start * subslices, box[2].stop * subslices)
    fine = cut(grid.axes(subslices), (box[0], box[1], part))
    return box, paint(fine, soft, scene, contrast, box[2].stop - box[2].start)


def _masks(
    fine: Painted, box: tuple[slice, slice, slice], shape: tuple[int, int, int]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Voxels at least half pancreas, and at least half lesion; no cyst is lost altogether."""
    inside = fine.duct >= LESION_SHARE
    for cover in fine.cysts:
        inside |= at_least_half(cover)
    lesion = np.zeros(shape, dtype=bool)
    pancreas = np.zeros(shape, dtype=bool)
    lesion[box] = inside
    pancreas[box] = (fine.pancreas >= LESION_SHARE) | inside
    return pancreas, lesion


def _stored(
    image: Image, masks: tuple[NDArray[np.bool_], NDArray[np.bool_]], center: Center
) -> tuple[Image, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Turn axes round into the order in which the centre stores its voxels."""
    flips = tuple(axis for axis in range(3) if center.stored[axis] != "RAS"[axis])
    turn = np.array([[axis, -1 if axis in flips else 1] for axis in range(3)])
    affine = image.affine @ nib.orientations.inv_ornt_aff(turn, image.voxels.shape)
    pancreas, lesion = (np.flip(mask, flips) for mask in masks)
    voxels, bias = np.flip(image.voxels, flips), image.bias.flipped(flips)
    return replace(image, voxels=voxels, affine=affine, bias=bias), (pancreas, lesion)


def truth(phantom: Phantom) -> dict[str, Any]:
    """Everything a check may want to know of a phantom; mm, RAS+; plain JSON types."""
    patient, disease = phantom.patient, phantom.patient.disease
    return {
        "patient": phantom.name,
        "label": disease.label,
        "sign": disease.sign,
        "age": patient.age,
        "sex": patient.sex,
        "center": phantom.center.name,
        "field_strength_tesla": phantom.center.field_strength,
        "main_duct_diameter_mm": round(disease.duct_diameter, 3),
        "main_duct_is_lesion": disease.sign == "main duct",
        "main_duct_points_mm": np.round(disease.duct.points[::4], 2).tolist(),
        "main_duct_radii_mm": np.round(disease.duct.radii[::4], 3).tolist(),
        "cysts": [cyst.record() for cyst in disease.cysts],
        "breathing_shift_mm": phantom.breathing.tolist(),
        "breathing_shift_meaning": "position of an organ in t1 minus its position in t2, RAS+",
        "t1": _image_truth(phantom.t1),
        "t2": _image_truth(phantom.t2),
    }


def _image_truth(image: Image) -> dict[str, Any]:
    return {
        "shape": list(image.voxels.shape),
        "affine": np.round(image.affine, 6).tolist(),
        "slice_thickness_mm": round(image.thickness, 4),
        "fat_suppressed": image.fat_suppressed,
        "level": round(image.level, 3),
        "noise": round(image.noise, 4),
        "bias_coefficients": np.round(image.bias.coefficients, 6).tolist(),
    }
