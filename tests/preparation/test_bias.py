import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from scipy import ndimage

from cystgrid.errors import ScanError
from cystgrid.preparation.bias import N4Settings, bias_field, body_mask
from cystgrid.preparation.correct import SmoothingSettings, correct
from cystgrid.scans.volume import Volume

SHAPE, SPACING = (128, 96, 30), (2.6, 2.6, 7.0)
TISSUES = (0.35, 0.55, 0.9)
NO_SMOOTHING = SmoothingSettings(iterations=0)


def coil_field(shape):
    """Bright at the front and to one side, as under a surface coil: -22 % to +32 % in the body."""
    x, y, z = (np.linspace(-1, 1, n).reshape(np.roll([-1, 1, 1], a)) for a, n in enumerate(shape))
    return np.exp(0.22 * y + 0.12 * x - 0.08 * z + 0.10 * y * y + 0.05 * x * y)


@pytest.fixture(scope="module")
def phantom():
    """A body of three tissues, each of them in every region of it; known field; Rician noise."""
    rng = np.random.default_rng(3)
    x, y = (np.linspace(-1, 1, n) for n in SHAPE[:2])
    body = np.repeat(((x[:, None] / 0.9) ** 2 + (y[None] / 0.85) ** 2 < 1)[..., None], 30, axis=2)
    pattern = ndimage.gaussian_filter(rng.normal(size=SHAPE), [14 / mm for mm in SPACING])
    edges = np.quantile(pattern[body], [1 / 3, 2 / 3])
    tissue = np.array(TISSUES)[np.digitize(pattern, edges)] * body
    field = coil_field(SHAPE)
    noise = 0.01 * rng.normal(size=(2, *SHAPE))
    voxels = 800 * np.hypot(tissue * field + noise[0], noise[1])
    return Volume(voxels.astype(np.float32), np.diag([*SPACING, 1])), field, body


@pytest.fixture(scope="module")
def found(phantom):
    return correct(phantom[0], N4Settings(), NO_SMOOTHING).field.voxels


def correlation(one, other, where):
    return np.corrcoef(one[where], other[where])[0, 1]


def test_field_is_the_known_one(phantom, found):
    _, field, body = phantom
    assert correlation(found, field, body) >= 0.999


def test_tissues_become_uniform(phantom, found):
    """Without correction a tissue varies by the field; with it, hardly more than by its noise."""
    scan, _, body = phantom
    after = scan.voxels / found
    muscle = body & (np.abs(after / 800 - TISSUES[1]) < 0.06)
    assert muscle.sum() > 50_000
    assert after[muscle].std() / after[muscle].mean() < 0.03
    before = scan.voxels[muscle]
    assert before.std() / before.mean() > 0.1


def test_fine_and_coarse_copies_agree(phantom, found):
    scan, _, body = phantom
    fine = correct(scan, N4Settings(shrink_mm=5), NO_SMOOTHING).field.voxels
    assert correlation(found, fine, body) > 0.998
    assert np.abs(found / fine - 1)[body].max() < 0.04


def test_the_field_lies_on_the_scan_where_it_was_fitted(phantom, found):
    """Evaluated over the whole scan instead of from first sample to last, it would be stretched."""
    _, field, body = phantom
    inner = body & ndimage.binary_erosion(body, iterations=6)
    shifted = {n: correlation(np.roll(found, n, axis=1), field, inner) for n in (-6, 0, 6)}
    assert max(shifted, key=shifted.get) == 0


def test_scanner_scale_does_not_matter(phantom, found):
    scan, _, body = phantom
    scaled = correct(scan.with_voxels(scan.voxels * 8), N4Settings(), NO_SMOOTHING).field.voxels
    np.testing.assert_allclose(scaled[body], found[body], rtol=1e-3)


def test_field_is_one_in_the_geometric_mean(phantom, found):
    assert np.log(found[phantom[2]]).mean() == pytest.approx(0, abs=0.01)


def test_same_bytes_whatever_the_number_of_threads(phantom, found):
    scan = phantom[0]
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    try:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(3)
        assert correct(scan, N4Settings(), NO_SMOOTHING).field.voxels.tobytes() == found.tobytes()
        assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == 3
        # the control: unguarded, ITK's sums do depend on it
        assert bias_field(scan, N4Settings()).tobytes() != found.tobytes()
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def test_body_mask_holds_dark_tissue_and_gas_but_no_air(phantom):
    scan, _, body = phantom
    voxels = scan.voxels.copy()
    voxels[55:70, 40:50] = 0  # gas
    voxels[80:100, 40:60] *= 0.15  # muscle beside bright fat
    mask = body_mask(voxels, 2)
    assert (mask != body).mean() < 0.01


@pytest.mark.parametrize("shape", [(40, 40, 1), (40, 40, 2), (3, 40, 40), (2, 2, 2)])
def test_thin_scans_have_a_finite_field(shape):
    voxels = np.random.default_rng(0).uniform(50, 100, shape).astype(np.float32)
    field = correct(Volume(voxels, np.eye(4)), N4Settings(), NO_SMOOTHING).field
    assert np.isfinite(field.voxels).all()
    assert (field.voxels > 0).all()


def test_off_leaves_the_scan(phantom):
    done = correct(phantom[0], N4Settings(enabled=False), NO_SMOOTHING)
    assert (done.field.voxels == 1).all()
    assert (done.after.voxels == phantom[0].voxels).all()


@pytest.mark.parametrize("value", [0.0, 5.0, -5.0])
def test_constant_scans_are_refused(value):
    scan = Volume(np.full((8, 8, 8), value, np.float32), np.eye(4))
    with pytest.raises(ScanError, match="nothing to standardise"):
        correct(scan, N4Settings(), SmoothingSettings())


def test_a_scan_without_positive_voxels_is_refused():
    voxels = np.zeros((8, 8, 8), np.float32)
    voxels[2:5] = -7
    with pytest.raises(ScanError, match="positive intensities"):
        correct(Volume(voxels, np.eye(4)), N4Settings(), SmoothingSettings())
