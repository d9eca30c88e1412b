"""The classes' rules, on many drawn patients that nobody scans."""

import numpy as np
import pytest

from cystgrid.cohort.phantom.lesions import draw_disease
from cystgrid.cohort.phantom.pancreas import draw_gland
from cystgrid.cohort.phantom.shapes import Tube, clearance
from cystgrid.cohort.phantom.torso import draw_build

SPINE = Tube(np.array([[0.0, 0, z] for z in range(-150, 151, 5)]), np.full(61, 21.0))
DRAWS = 60


def draw(label):
    for seed in range(DRAWS):
        random = np.random.default_rng(seed)
        gland = draw_gland(random, draw_build(random), 65)
        yield draw_disease(random, label, seed, gland, (SPINE,))


def extent(cyst):
    """Largest width of a union of ellipsoids over many directions, from their support function."""
    ways = np.random.default_rng(0).standard_normal((4000, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    reach = [np.linalg.norm((ways @ lobe.turn) * lobe.semi, axis=1) for lobe in cyst.lobes]
    far = np.max([ways @ lobe.centre + r for lobe, r in zip(cyst.lobes, reach, strict=True)], 0)
    near = np.min([ways @ lobe.centre - r for lobe, r in zip(cyst.lobes, reach, strict=True)], 0)
    return float((far - near).max())


def test_normal_has_a_fine_duct_and_no_cyst():
    for disease in draw("normal"):
        assert not disease.cysts
        assert 1.4 <= disease.duct_diameter <= 3.0


def test_low_has_small_cysts_and_a_duct_below_5_mm():
    counts = set()
    for disease in draw("low"):
        counts.add(len(disease.cysts))
        assert disease.duct_diameter < 5
        assert all(5 <= cyst.diameter < 30 and cyst.nodule is None for cyst in disease.cysts)
    assert counts == {1, 2, 3}


def test_high_has_a_stigma_or_two_worrisome_features():
    signs = set()
    for disease in draw("high"):
        largest = max((cyst.diameter for cyst in disease.cysts), default=0.0)
        nodules = [2 * c.nodule.semi.min() for c in disease.cysts if c.nodule is not None]
        stigma = disease.duct_diameter >= 9.99 or max(nodules, default=0) >= 5
        worrisome = largest >= 30 and 5 <= disease.duct_diameter < 10
        assert stigma or worrisome
        signs.add(disease.sign)
    assert signs == {"main duct", "mural nodule", "large cyst and duct"}


@pytest.mark.parametrize("label", ["low", "high"])
def test_a_cyst_measures_its_diameter_and_joins_the_duct(label):
    for disease in draw(label):
        for cyst in disease.cysts:
            assert extent(cyst) == pytest.approx(cyst.diameter, rel=0.02)
            ends = cyst.neck.points
            assert np.linalg.norm(disease.duct.points - ends[0], axis=1).min() < 1e-9
            assert clearance(ends[1:], cyst.lobes)[0] < 0


@pytest.mark.parametrize("label", ["low", "high"])
def test_cysts_never_merge_into_a_larger_one(label):
    for disease in draw(label):
        for n, cyst in enumerate(disease.cysts):
            for other in disease.cysts[:n]:
                apart = np.linalg.norm(cyst.centre - other.centre)
                assert apart > (cyst.diameter + other.diameter) / 2


def test_a_nodule_lies_inside_its_cyst_at_the_wall():
    for disease in draw("high"):
        for cyst in disease.cysts:
            if cyst.nodule is None:
                continue
            ways = np.random.default_rng(1).standard_normal((500, 3))
            ways /= np.linalg.norm(ways, axis=1, keepdims=True)
            depths = clearance(cyst.nodule.centre + ways * cyst.nodule.semi[0], cyst.lobes)
            assert depths.max() < 0.05 * cyst.diameter
