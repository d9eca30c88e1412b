"""Pictures of what lies on disk now."""

import nibabel as nib
import numpy as np

from cystgrid.page.pictures import frame_of, map_png


def write_map(path, value):
    nib.save(nib.Nifti1Image(np.full((6, 6, 4), value, np.float32), np.eye(4)), path)


def test_a_map_that_took_another_ones_place_is_the_one_shown(tmp_path):
    """A study that is read again writes its maps under the names of the old ones."""
    path = tmp_path / "map.nii.gz"
    drawn = []
    for value in (2.0, 7.0, 2.0):
        write_map(tmp_path / "new.nii.gz", value)
        (tmp_path / "new.nii.gz").replace(path)
        drawn.append(map_png(path, frame_of(str(path)), "axial", 1, 1.0))
    assert drawn[0] == drawn[2] != drawn[1]
