import numpy as np
import pytest

from cystgrid.errors import CohortError, CystgridError, ScanError
from cystgrid.preparation import region as regions
from cystgrid.preparation.region_file import roi_file
from cystgrid.scans.settings import ReadSettings
from cystgrid.scans.volume import Volume

AFFINE = np.array([[2.0, 0, 0, -50], [0, 2, 0, -40], [0, 0, 5, -30], [0, 0, 0, 1]])
SCAN = Volume(np.zeros((50, 40, 12), np.float32), AFFINE)


def find_region(roi, scans, labels=(), **more):
    return regions.find_region(roi, scans, reading=ReadSettings(), labels=labels, **more)


def mask_file(space, folder, where, affine, shape):
    voxels = np.zeros(shape, np.uint8)
    voxels[where] = 1
    return space.write_nifti(folder / "mask.nii.gz", voxels, affine)


def test_whole_scan():
    region = find_region(None, [SCAN])
    assert region.low == (-0.5, -0.5, -0.5)
    assert region.high == (49.5, 39.5, 11.5)
    assert region.mask is None


def test_box_is_in_millimetres():
    region = find_region("-10,10,0,8,-20,5", [SCAN])
    np.testing.assert_allclose(region.low, (20, 20, 2))
    np.testing.assert_allclose(region.high, (30, 24, 7))
    assert region.flags == ()


def test_mask_includes_its_voxels_halves_and_equals_its_box(space, tmp_path):
    where = (slice(20, 31), slice(20, 25), slice(2, 8))
    path = mask_file(space, tmp_path, where, AFFINE, SCAN.shape)
    region = find_region(path, [SCAN])
    np.testing.assert_allclose(region.low, (19.5, 19.5, 1.5))
    np.testing.assert_allclose(region.high, (30.5, 24.5, 7.5))
    box = find_region("-11,11,-1,9,-22.5,7.5", [SCAN])
    np.testing.assert_allclose([box.low, box.high], [region.low, region.high])
    assert region.flags == ()


def test_mask_on_a_third_grid_is_placed_by_its_header_and_flagged(space, tmp_path):
    fine = np.diag([1.0, 1, 2.5, 1])
    fine[:3, 3] = -50.5, -40.5, -31.25
    where = (slice(40, 62), slice(40, 50), slice(4, 16))
    region = find_region(mask_file(space, tmp_path, where, fine, (100, 80, 24)), [SCAN])
    np.testing.assert_allclose(region.low, (19.5, 19.5, 1.5))
    np.testing.assert_allclose(region.high, (30.5, 24.5, 7.5))
    assert "neither scan's grid" in region.flags[0]


def test_what_lies_outside_is_cut_off_and_flagged():
    region = find_region("30,70,-10,10,-10,10", [SCAN])
    assert region.high[0] == 49.5
    assert "47.5% of the box lies inside the scan" in region.flags[0]


def test_a_region_too_small_for_an_organ_is_flagged():
    (flag,) = find_region("0,6,0,8,0,5", [SCAN]).flags
    assert "only 6.0 x 8.0 mm in-plane" in flag
    assert find_region("0,20,0,8,0,5", [SCAN]).flags == ()


@pytest.mark.parametrize(
    ("roi", "words"),
    [
        ("200,220,0,8,0,5", "outside the scan"),
        ("10,-10,0,8,0,5", "x0 < x1"),
        ("nan,10,0,8,0,5", "finite"),
        ("0,0,0,8,0,5", "x0 < x1"),
    ],
)
def test_impossible_boxes_are_refused(roi, words):
    with pytest.raises(CohortError, match=words):
        find_region(roi, [SCAN])


def test_an_empty_mask_is_refused(space, tmp_path):
    path = mask_file(space, tmp_path, (slice(0, 0),) * 3, AFFINE, SCAN.shape)
    with pytest.raises(CohortError, match="empty mask"):
        find_region(path, [SCAN])


def test_a_mask_outside_the_scan_is_refused(space, tmp_path):
    far = AFFINE.copy()
    far[0, 3] += 300
    path = mask_file(space, tmp_path, (slice(5, 9),) * 3, far, SCAN.shape)
    with pytest.raises(CohortError, match="outside the scan"):
        find_region(path, [SCAN])


def test_a_mask_partly_outside_is_flagged_with_the_share_of_its_voxels(space, tmp_path):
    """A quarter of its voxels; of the box that holds them it would be three quarters."""
    long = AFFINE.copy()
    long[2, 3] -= 6 * 5  # begins six slices below the scan
    voxels = np.zeros((50, 40, 18), np.uint8)
    voxels[20:30, 20:30, 0:6:2] = 1  # 300 voxels below it, in a wide stack
    voxels[20:30, 20:29, 6:16] = 1  # 900 inside
    path = space.write_nifti(tmp_path / "mask.nii.gz", voxels, long)
    region = find_region(path, [SCAN])
    assert region.flags[-1] == (
        "roi: 300 of the mask's 1200 voxels (25.0%) lie outside the scan and were cut off."
    )
    np.testing.assert_allclose(region.low, (19.5, 19.5, -0.5))
    np.testing.assert_allclose(region.high, (29.5, 28.5, 9.5))  # what is outside widens no box


@pytest.mark.parametrize("seed", range(4))
def test_an_oblique_mask_s_voxels_lie_in_its_region(space, tmp_path, seed):
    """On any third grid: every voxel's corners are held, and no side is longer than need be."""
    rng = np.random.default_rng(seed)
    affine = space.centred((30, 28, 20), (1.3, 1.7, 2.1), rng.uniform(-30, 30, 3))
    where = (slice(8, 15), slice(9, 20), slice(5, 12))
    path = mask_file(space, tmp_path, where, affine, (30, 28, 20))
    region = find_region(path, [SCAN])
    index = np.argwhere(region.mask.voxels)
    corners = (index[:, None] + np.array(list(np.ndindex(2, 2, 2))) - 0.5).reshape(-1, 3)
    on_scan = SCAN.index(region.mask.world(corners))
    np.testing.assert_allclose(region.low, on_scan.min(axis=0), atol=1e-6)
    np.testing.assert_allclose(region.high, on_scan.max(axis=0), atol=1e-6)


def test_a_mask_is_handed_on_in_pieces_of_any_size(space, tmp_path, monkeypatch):
    where = (slice(20, 31), slice(20, 25), slice(2, 8))
    path = mask_file(space, tmp_path, where, AFFINE, SCAN.shape)
    whole = find_region(path, [SCAN])
    monkeypatch.setattr(regions, "PIECE", 7)
    pieces = find_region(path, [SCAN])
    assert (whole.low, whole.high) == (pieces.low, pieces.high)
    assert whole.mask.voxels.sum() == 11 * 5 * 6


def test_a_mask_moves_with_the_scan_it_was_drawn_on(space, tmp_path):
    """Registration has moved the second scan by 6 mm; a mask of the first stays where it is."""
    t1_affine = AFFINE.copy()
    t1_affine[:3, 3] += (1, 1, 2)
    t1 = Volume(np.zeros(SCAN.shape, np.float32), t1_affine)
    moved = t1_affine.copy()
    moved[0, 3] += 6
    now = [SCAN, Volume(t1.voxels, moved)]
    where = (slice(20, 31), slice(20, 25), slice(2, 8))
    on_t1 = mask_file(space, tmp_path, where, t1_affine, SCAN.shape)
    stays = find_region(on_t1, now, as_read=now)
    moves = find_region(on_t1, now, as_read=[SCAN, t1])
    still = find_region(on_t1, [SCAN, t1])
    np.testing.assert_allclose(np.subtract(moves.low, still.low), (3, 0, 0), atol=1e-6)
    np.testing.assert_allclose(stays.low, still.low, atol=1e-6)
    assert "moved together" in moves.flags[-1]
    assert "neither scan's grid" in stays.flags[-1]
    assert still.flags == ()
    on_t2 = mask_file(space, tmp_path, where, AFFINE, SCAN.shape)
    assert find_region(on_t2, now, as_read=[SCAN, t1]).flags == ()


@pytest.fixture
def organs(space, tmp_path):
    """A mask with the labels 1 (in front) and 4 (behind)."""
    voxels = np.zeros(SCAN.shape, np.uint8)
    voxels[20:30, 25:30, 3:6] = 1
    voxels[20:30, 10:15, 3:6] = 4
    return space.write_nifti(tmp_path / "organs.nii.gz", voxels, AFFINE)


@pytest.mark.parametrize(
    ("after", "labels", "low_j", "high_j"),
    [("#label=4", (), 9.5, 14.5), ("", (1,), 24.5, 29.5), ("#label=4+1", (1,), 9.5, 29.5)],
)
def test_a_label_is_chosen_by_the_row_or_by_the_study(organs, after, labels, low_j, high_j):
    region = find_region(f"{organs}{after}", [SCAN], labels)
    assert (region.low[1], region.high[1]) == (low_j, high_j)
    assert len(region.flags) == (after != "#label=4+1")
    assert roi_file(f"{organs}{after}").name == "organs.nii.gz"


def test_several_labels_without_a_choice_are_refused(organs):
    with pytest.raises(ScanError, match=r"2 labels: 1, 4.*#label"):
        find_region(organs, [SCAN])


@pytest.fixture
def folder(space, tmp_path):
    """A folder of masks, one an organ, with what must not be taken for the pancreas."""
    folder = tmp_path / "Secret"
    folder.mkdir()
    for name in ("liver", "pancreatic_lesion", "pancreatic_duct", "pancreas2"):
        mask_file(space, folder, (slice(1, 3),) * 3, AFFINE, SCAN.shape)
        (folder / "mask.nii.gz").rename(folder / f"{name}.nii.gz")
    return folder


PANCREAS = (slice(20, 31), slice(20, 25), slice(2, 8))


@pytest.mark.parametrize("inside", [".", "segmentations"])
@pytest.mark.parametrize("labels", [(), (7,)])
def test_the_pancreas_of_a_segmenter_s_folder_is_found(space, folder, inside, labels):
    """The study's labels are those of masks that hold several organs."""
    (folder / inside).mkdir(exist_ok=True)
    mask_file(space, folder, PANCREAS, AFFINE, SCAN.shape)
    (folder / "mask.nii.gz").rename(folder / inside / "pancreas.nii.gz")
    region = find_region(str(folder), [SCAN], labels)
    assert region.low == (19.5, 19.5, 1.5)
    assert region.flags == ("roi: pancreas.nii.gz of the folder was taken.",)
    assert roi_file(str(folder)) == folder / inside / "pancreas.nii.gz"


def test_a_folder_without_one_pancreas_is_refused(space, folder):
    with pytest.raises(
        CohortError, match=r"none of pancreas\.nii\.gz and seg.*expected one"
    ) as none:
        find_region(str(folder), [SCAN])
    (folder / "segmentations").mkdir()
    for name in ("pancreas.nii.gz", "segmentations/pancreas.nii.gz"):
        mask_file(space, folder, PANCREAS, AFFINE, SCAN.shape)
        (folder / "mask.nii.gz").rename(folder / name)
    with pytest.raises(CohortError, match="a folder with 2 of pancreas") as two:
        roi_file(str(folder))
    for caught in (none, two):
        assert "Secret" not in str(caught.value.naming(lambda path: "X"))


def test_a_dicom_series_is_no_region(folder):
    with pytest.raises(CohortError, match="a DICOM series chosen as a region"):
        find_region(f"{folder}#1.2.3", [SCAN])


@pytest.mark.parametrize("roi", [None, "-10,10,0,8,-20,5"])
def test_a_region_without_a_mask_has_none(roi):
    assert find_region(roi, [SCAN]).mask is None


def test_no_refusal_shows_a_name(space, tmp_path):
    """Of a mask whose folder may be a person's: empty, outside, gone, several labels."""
    folder = tmp_path / "Secret"
    folder.mkdir()
    far = AFFINE.copy()
    far[0, 3] += 300
    makers = [
        lambda: mask_file(space, folder, (slice(0, 0),) * 3, AFFINE, SCAN.shape),
        lambda: mask_file(space, folder, (slice(5, 9),) * 3, far, SCAN.shape),
        lambda: str(folder / "gone.nii.gz"),
        lambda: space.write_nifti(folder / "m.nii", np.arange(8).reshape(2, 2, 2) / 8, AFFINE),
    ]
    for make in makers:
        with pytest.raises(CystgridError) as caught:
            find_region(make(), [SCAN])
        assert "Secret" not in str(caught.value.naming(lambda path: "X"))
