"""DICOM phantoms read back with pydicom lie where their NIfTI twins lie."""

import nibabel as nib
import numpy as np
import pydicom
import pytest

from cystgrid.cohort.phantom import write_phantom_cohort

PATIENTS = 4
"""Two centres, with differently stored axes."""


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twins")
    common = {"patients": PATIENTS, "seed": 2, "quiet": True, "reduction": 4.0}
    for image_format in ("nifti", "dicom"):
        write_phantom_cohort(folder / image_format, image_format=image_format, **common)
    return folder


def series(folder):
    return [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]


def world(item):
    """RAS+ positions ``(rows, columns, 3)`` of a slice's pixels, after DICOM PS3.3 C.7.6.2.1.1."""
    orientation = np.array(item.ImageOrientationPatient, dtype=float)
    along_row, along_column = orientation[:3], orientation[3:]
    between_rows, between_columns = (float(value) for value in item.PixelSpacing)
    row, column = np.mgrid[: item.Rows, : item.Columns]
    lps = (
        np.array(item.ImagePositionPatient, dtype=float)
        + column[..., None] * between_columns * along_row
        + row[..., None] * between_rows * along_column
    )
    return lps * (-1, -1, 1)


@pytest.mark.parametrize("weighting", ["t1", "t2"])
@pytest.mark.parametrize("patient", ["P001", "P004"])
def test_positions_and_values_equal_the_nifti_twin(twins, patient, weighting):
    twin = nib.load(twins / "nifti" / "scans" / patient / f"{weighting}.nii.gz")
    voxels = np.asarray(twin.dataobj)
    items = series(twins / "dicom" / "scans" / patient / weighting)
    assert len(items) == voxels.shape[2]
    for item in items:
        index = nib.affines.apply_affine(np.linalg.inv(twin.affine), world(item))
        nearest = np.rint(index).astype(int)
        np.testing.assert_allclose(index, nearest, atol=2e-3)
        values = item.pixel_array * float(item.RescaleSlope) + float(item.RescaleIntercept)
        difference = np.abs(values - voxels[tuple(np.moveaxis(nearest, -1, 0))])
        assert difference.max() <= 0.5 + float(item.RescaleSlope) / 2 + 1e-3


def test_identifiers_say_what_belongs_together(twins):
    seen = set()
    for n in range(1, PATIENTS + 1):
        t1, t2 = (series(twins / "dicom" / "scans" / f"P{n:03d}" / w) for w in ("t1", "t2"))
        both = [*t1, *t2]
        assert len({item.StudyInstanceUID for item in both}) == 1
        assert len({item.FrameOfReferenceUID for item in both}) == 1
        assert len({item.SeriesInstanceUID for item in t1}) == 1
        assert t1[0].SeriesInstanceUID != t2[0].SeriesInstanceUID
        assert {item.PatientID for item in both} == {f"P{n:03d}"}
        uids = {item.SOPInstanceUID for item in both}
        assert len(uids) == len(both)
        assert not seen & uids
        seen |= uids
    assert all(pydicom.uid.UID(uid).is_valid for uid in seen)


def test_slices_are_stored_as_axial_slices_are(twins):
    for patient in ("P001", "P004"):
        item = series(twins / "dicom" / "scans" / patient / "t2")[0]
        np.testing.assert_allclose(
            np.array(item.ImageOrientationPatient, dtype=float), [1, 0, 0, 0, 1, 0], atol=0.1
        )


def test_slices_are_spaced_as_the_header_says(twins):
    items = series(twins / "dicom" / "scans" / "P001" / "t2")
    positions = np.array([item.ImagePositionPatient for item in items], dtype=float)
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    np.testing.assert_allclose(steps, float(items[0].SpacingBetweenSlices), atol=1e-4)
    assert float(items[0].SliceThickness) <= float(items[0].SpacingBetweenSlices)
