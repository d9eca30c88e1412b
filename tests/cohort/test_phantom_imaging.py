"""Scans against the truth beside them: masks, contrast, world positions, coil field."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from cystgrid.cohort.phantom import BiasField, image_phantom
from cystgrid.cohort.phantom import patient as patient_module
from cystgrid.cohort.phantom.canvas import Scene
from cystgrid.cohort.phantom.contrast import Tissue
from cystgrid.cohort.phantom.imaging import truth
from cystgrid.cohort.phantom.painting import fine_box
from cystgrid.cohort.phantom.scanner import CENTERS
from cystgrid.cohort.phantom.shapes import clearance
from cystgrid.scans.volume import Volume

SEED = 3


@pytest.fixture(scope="module")
def phantoms():
    """A low, and a high of each sign: main duct, nodule, large cyst."""
    return {index: image_phantom(SEED, index, reduction=1.25) for index in (1, 2, 5, 8)}


def sample(image, points):
    """Trilinear values of an image at world points ``(n, 3)``."""
    index = Volume(image.voxels, image.affine).index(np.atleast_2d(points))
    return map_coordinates(image.voxels, index.T, order=1)


def analytic_volume(disease):
    """Monte-Carlo volume in mm3 of cysts, and of the duct where it is the lesion."""
    solids = [lobe for cyst in disease.cysts for lobe in cyst.lobes]
    if disease.sign == "main duct":
        wide = np.flatnonzero(disease.duct.radii > 2.5)
        part = slice(wide[0], wide[-1] + 1)
        solids.append(type(disease.duct)(disease.duct.points[part], disease.duct.radii[part]))
    corners = [solid.bounds() for solid in solids]
    low, high = np.min([c[0] for c in corners], 0), np.max([c[1] for c in corners], 0)
    points = np.random.default_rng(0).uniform(low, high, (200_000, 3))
    return float((clearance(points, solids) < 0).mean() * np.prod(high - low))


@pytest.mark.parametrize("index", [1, 2, 5, 8])
def test_the_lesion_mask_has_the_lesions_volume(phantoms, index):
    phantom = phantoms[index]
    measured = phantom.lesion.sum() * abs(np.linalg.det(phantom.t2.affine[:3, :3]))
    assert measured == pytest.approx(analytic_volume(phantom.patient.disease), rel=0.15)


def test_a_wide_duct_measures_its_width(phantoms):
    phantom = phantoms[2]
    duct = phantom.patient.disease.duct
    widest = duct.points[duct.radii.argmax()]
    ways = np.random.default_rng(0).standard_normal((400, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    steps = np.arange(0, 25, 0.25)
    lesion = phantom.lesion.astype(np.float32)
    rays = widest + ways[:, None] * steps[:, None]
    index = Volume(lesion, phantom.t2.affine).index(rays.reshape(-1, 3))
    inside = map_coordinates(lesion, index.T, order=0).reshape(len(ways), -1) > 0.5
    reach = steps[np.where(inside.all(axis=1), -1, inside.argmin(axis=1))]
    # The narrowest ways out of a tube are across it.
    assert 2 * np.percentile(reach, 10) == pytest.approx(2 * duct.radii.max(), abs=2.5)


@pytest.mark.parametrize("index", [1, 2, 5, 8])
def test_lesions_are_fluid_in_t2_but_for_their_nodules(phantoms, index):
    phantom = phantoms[index]
    disease = phantom.patient.disease
    image = phantom.t2.voxels
    lesion = np.median(image[phantom.lesion])
    gland = np.median(image[phantom.pancreas & ~phantom.lesion])
    assert lesion > 1.7 * gland
    for cyst in disease.cysts:
        if cyst.nodule is not None and cyst.nodule.semi[0] > 3.5:
            assert sample(phantom.t2, cyst.nodule.centre) < 0.75 * lesion


@pytest.mark.parametrize("index", [1, 5, 8])
def test_a_world_point_is_the_same_tissue_in_both_scans(phantoms, index):
    phantom = phantoms[index]
    largest = phantom.patient.disease.cysts[0]
    at = largest.lobes[0].centre
    if largest.nodule is not None:  # the far side of the lobe, away from the nodule
        at = at - (largest.nodule.centre - at) * 0.6
    voxels = np.argwhere(phantom.pancreas & ~phantom.lesion)
    gland = Volume(phantom.t2.voxels, phantom.t2.affine).world(voxels)
    t1_gland = np.median(sample(phantom.t1, gland + phantom.breathing))
    t2_gland = np.median(sample(phantom.t2, gland))
    assert sample(phantom.t1, at + phantom.breathing)[0] < 0.6 * t1_gland
    assert sample(phantom.t2, at)[0] > 1.5 * t2_gland


def test_the_liver_is_right_and_the_spleen_left_at_every_centre():
    for turn, center in enumerate(CENTERS):
        phantom = image_phantom(SEED, 3 * turn, reduction=4)
        organs = {organ.tissue: organ for organ in phantom.patient.organs}
        liver, spleen = (organs[t].solids[0].centre for t in (Tissue.LIVER, Tissue.SPLEEN))
        assert phantom.center == center
        assert liver[0] > 0 > spleen[0]
        near = np.random.default_rng(0).normal(0, 3, (60, 3))
        bright = {
            side: np.median(sample(phantom.t2, place + near))
            for side, place in (
                ("liver", liver + np.array([20, 0, 15])),
                ("spleen", spleen - np.array([10, 0, 0])),
            )
        }
        assert bright["spleen"] > 1.15 * bright["liver"], center.name


def test_only_the_lesions_depend_on_the_class(monkeypatch):
    sick = image_phantom(SEED, 8, reduction=3)
    monkeypatch.setattr(patient_module, "class_of", lambda index: "normal")
    well = image_phantom(SEED, 8, reduction=3)
    assert (sick.patient.disease.label, well.patient.disease.label) == ("high", "normal")
    np.testing.assert_array_equal(sick.t2.affine, well.t2.affine)
    np.testing.assert_array_equal(sick.t1.affine, well.t1.affine)
    changed = np.argwhere(sick.t2.voxels != well.t2.voxels)
    world = Volume(sick.t2.voxels, sick.t2.affine).world(changed)
    boxes = [fine_box(Scene(p.patient, np.eye(3), np.zeros(3))) for p in (sick, well)]
    room = 3 * np.array(Volume(sick.t2.voxels, sick.t2.affine).spacing).max()
    assert len(world) > 0
    assert (world > np.min([low for low, _ in boxes], axis=0) - room).all()
    assert (world < np.max([high for _, high in boxes], axis=0) + room).all()


def test_the_truth_tells_the_coil_field(phantoms):
    phantom = phantoms[1]
    told = truth(phantom)["t2"]
    field = BiasField.from_truth(told).on(tuple(told["shape"]))
    np.testing.assert_allclose(field, phantom.t2.bias.on(phantom.t2.voxels.shape), rtol=1e-5)
    # Where tissue is uniform the image follows the field: subcutaneous and other fat-like bulk
    # aside, liver is the largest uniform organ.
    liver = next(o for o in phantom.patient.organs if o.tissue == Tissue.LIVER).solids[0]
    points = liver.centre + np.random.default_rng(0).uniform(-1, 1, (4000, 3)) * (35, 35, 30)
    index = Volume(field, phantom.t2.affine).index(points)
    flat = sample(phantom.t2, points) / map_coordinates(field, index.T, order=1)
    raw = sample(phantom.t2, points)
    spread = lambda values: np.subtract(*np.percentile(values, [75, 25])) / np.median(values)  # noqa: E731
    assert spread(flat) < spread(raw)
