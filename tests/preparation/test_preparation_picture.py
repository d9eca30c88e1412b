import matplotlib.image
import numpy as np
import pytest

from cystgrid.cohort.manifest import Manifest, Patient
from cystgrid.outputs import preparation as pictures
from cystgrid.preparation.bias import N4Settings
from cystgrid.preparation.patient import correct_scan
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.scans.volume import Volume

SETTINGS = PreparationSettings(n4=N4Settings(iterations=(3,)))


def test_picture_is_written_the_same_twice(scans, tmp_path):
    done = correct_scan(scans.t2, SETTINGS)
    for name in ("one.png", "two.png"):
        pictures.draw_preparation(done.before, done.field, done.after, tmp_path / name, "P1, T2")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    pixels = matplotlib.image.imread(tmp_path / "one.png")
    colourful = np.ptp(pixels[..., :3], axis=-1) > 0.2
    assert 0.1 < colourful.mean() < 0.6  # the field, and nothing else, is in colour


def test_the_patients_right_is_on_the_left():
    voxels = np.zeros((5, 4, 3), np.float32)
    voxels[4, 3, 1] = 1  # right, front
    assert np.argwhere(pictures._view(Volume(voxels, np.eye(4)), 1)).tolist() == [[0, 0]]


def test_scans_on_different_grids_are_refused(tmp_path):
    one, other = (Volume(np.zeros((4, 4, n), np.float32), np.eye(4)) for n in (3, 4))
    with pytest.raises(ValueError, match="expected one"):
        pictures.draw_preparation(one, other, one, tmp_path / "x.png", "x")


def test_every_scan_of_a_cohort_gets_a_picture_and_a_broken_one_none(scans, tmp_path):
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"no scan")
    manifest = Manifest(
        tmp_path / "cohort.csv",
        (
            Patient("../a", None, scans.t1, scans.t2, scans.roi_t2),
            Patient("b", None, None, str(broken)),
        ),
    )
    folder = tmp_path / "pictures"
    pictures.draw_cohort_corrections(manifest, SETTINGS, folder, quiet=True)
    assert sorted(path.name for path in folder.iterdir()) == [
        "%2E%2E%2Fa-t1.png",
        "%2E%2E%2Fa-t2.png",
    ]
