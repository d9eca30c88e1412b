import numpy as np
import pytest

from cystgrid.errors import ScanError
from cystgrid.preparation.standardise import (
    PERCENTILES,
    fit_standard,
    foreground_percentiles,
    standardise,
    unit_range,
)


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return [(rng.gamma(2, 40 + 30 * n, (12, 11, 9)) + 20 * n).astype(np.float32) for n in range(4)]


def test_standard_and_map_agree_with_torchio(images):
    """TorchIO uses the quartiles as landmarks too when it averages, but maps by ours alone."""
    torch = pytest.importorskip("torch")
    torchio = pytest.importorskip("torchio")
    module = pytest.importorskip(
        "torchio.transforms.preprocessing.intensity.histogram_standardization"
    )
    theirs = np.array(sorted({*PERCENTILES, 25, 75}))
    ours = np.flatnonzero(np.isin(theirs, PERCENTILES))
    everything = np.stack([np.percentile(v[v > v.mean()].astype(float), theirs) for v in images])
    mapping = module._get_average_mapping(everything)
    landmarks = np.stack([foreground_percentiles(v) for v in images])
    standard = fit_standard(landmarks)
    np.testing.assert_allclose(standard, mapping[ours], rtol=0, atol=1e-10)
    transform = torchio.HistogramStandardization(
        {"scan": mapping}, masking_method=lambda tensor: tensor > tensor.float().mean()
    )
    for voxels, own in zip(images, landmarks, strict=True):
        subject = torchio.Subject(scan=torchio.ScalarImage(tensor=torch.tensor(voxels)[None]))
        expected = transform(subject)["scan"].numpy()[0]
        np.testing.assert_allclose(standardise(voxels, own, standard), expected, atol=2e-4)


def test_landmarks_fall_on_the_standard(images):
    landmarks = np.stack([foreground_percentiles(v) for v in images])
    standard = fit_standard(landmarks)
    np.testing.assert_allclose(
        standardise(landmarks[1].astype(np.float64), landmarks[1], standard), standard, atol=1e-4
    )
    assert standard[0] == 0
    assert standard[-1] == pytest.approx(100)


def test_a_scanner_with_another_scale_gives_the_same_result(images):
    standard = fit_standard([foreground_percentiles(v) for v in images])
    scaled = images[0] * 7 + 100
    np.testing.assert_allclose(
        standardise(scaled, foreground_percentiles(scaled), standard),
        standardise(images[0], foreground_percentiles(images[0]), standard),
        atol=1e-3,
    )


def test_the_order_of_patients_does_not_matter_but_who_they_are_does(images):
    landmarks = np.stack([foreground_percentiles(v) for v in images])
    np.testing.assert_allclose(fit_standard(landmarks), fit_standard(landmarks[::-1]), atol=1e-12)
    assert not np.allclose(fit_standard(landmarks), fit_standard(landmarks[:1]))


def test_the_map_never_falls_and_goes_on_beyond_the_landmarks(images):
    landmarks = foreground_percentiles(images[0])
    standard = fit_standard([foreground_percentiles(v) for v in images])
    line = np.linspace(landmarks[0] - 500, landmarks[-1] + 500, 4001)
    mapped = standardise(line, landmarks, standard)
    assert (np.diff(mapped) > 0).all()
    ends = np.diff(mapped)[[0, -1]] / np.diff(line)[0]
    slopes = np.diff(standard) / np.diff(landmarks)
    np.testing.assert_allclose(ends, slopes[[0, -1]], rtol=1e-2)


def test_coinciding_landmarks_are_one_landmark():
    percentiles, standard = [0.0, 5.0, 5.0, 10.0], [0.0, 20.0, 40.0, 100.0]
    mapped = standardise(np.array([0.0, 5.0, 10.0], dtype=np.float32), percentiles, standard)
    np.testing.assert_allclose(mapped, [0, 30, 100])
    line = np.linspace(-5, 15, 101, dtype=np.float32)
    assert (np.diff(standardise(line, percentiles, standard)) > 0).all()


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_a_scan_without_a_scale_is_refused(value):
    voxels = np.full((5, 5, 5), value, dtype=np.float32)
    with pytest.raises(ScanError, match="nothing to standardise"):
        foreground_percentiles(voxels)
    voxels[2, 2, 2] = 100  # a single bright voxel is no scale either
    with pytest.raises(ScanError, match="nothing to standardise"):
        foreground_percentiles(voxels)


def test_impossible_landmarks_are_refused():
    with pytest.raises(ValueError, match="landmarks"):
        fit_standard([[1.0, 1.0]])
    with pytest.raises(ValueError, match="landmarks"):
        fit_standard([[1.0, np.nan, 2.0]])
    with pytest.raises(ValueError, match="shape"):
        fit_standard(np.zeros((0, 11)))
    with pytest.raises(ValueError, match="two distinct"):
        standardise(np.zeros(3, np.float32), [1, 1], [0, 100])
    with pytest.raises(ValueError, match="shape"):
        standardise(np.zeros(3, np.float32), [1, 2], [0, 50, 100])


def test_unit_range_uses_the_crop_itself():
    crop = np.array([[3, 5], [7, 11]], dtype=np.float32)
    np.testing.assert_allclose(unit_range(crop), [[0, 0.25], [0.5, 1]])
    assert (unit_range(np.full((2, 2), 4, np.float32)) == 0).all()
