"""Every real scan at hand is read where independent readers place it, or refused by name."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom import dcmread
from pydicom.pixels import pixel_array

from cystgrid.errors import ScanError
from cystgrid.scans.dicom import read_dicom
from cystgrid.scans.reading import read_mask, read_scan
from cystgrid.scans.settings import ReadSettings

PELVIS = "pelvis_t1_t2_dicom/ProstateX-0218"
SERIES = [
    f"{PELVIS}/5.000000-t2tsetra320p2-09906",
    f"{PELVIS}/26.000000-fl3dvibepreflip20degWip403d-85720",
    "knee_jpeg2000_dicom/T1",
    "knee_jpeg2000_dicom/T2",
    "enhanced_mr_dicom/xa30_T1w_tfl",
]


def itk_image(folder):
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    return sitk.ReadImage(names if len(names) > 1 else names[0])


@pytest.mark.parametrize("series", SERIES)
def test_dicom_agrees_with_simpleitk(real_data, series):
    ours = read_dicom(real_data / series, None, None, ReadSettings())
    image = itk_image(real_data / series)
    theirs = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(ours.shape) - 1)
    index = corners.copy()
    if not np.array_equal(theirs, ours.voxels):  # the same stack, counted from its other end
        theirs = theirs[:, :, ::-1]
        index[:, 2] = ours.shape[2] - 1 - index[:, 2]
    places = [image.TransformIndexToPhysicalPoint([int(i) for i in at]) for at in index]
    assert np.array_equal(theirs, ours.voxels)
    assert np.abs(np.array(places) * [-1, -1, 1] - ours.world(corners)).max() < 1e-3


def test_nifti_agrees_with_nibabel(real_data):
    paths = [*real_data.glob("abdomen_t2/*.nii.gz"), *real_data.glob("brain_t1_t2/*/*.nii.gz")]
    paths += real_data.glob("pancreas_roi/*.nii.gz")
    assert len(paths) == 19
    for path in paths:
        ours = read_scan(path)
        theirs = nib.as_closest_canonical(nib.load(path))
        assert np.allclose(ours.affine, theirs.affine, atol=1e-4)
        assert np.array_equal(ours.voxels, np.asarray(theirs.dataobj, dtype=np.float32))


def test_t1_and_t2_of_one_patient_overlap_in_space(real_data):
    t2, t1 = (read_scan(real_data / series) for series in SERIES[:2])
    assert (t2.shape, t1.shape) == ((320, 320, 20), (160, 160, 20))
    middle = t2.index(t1.world((np.array(t1.shape) - 1) / 2))
    assert np.all(middle > 0)
    assert np.all(middle < t2.shape)


def test_big_endian_twin_is_equal(real_data):
    big, little = (read_scan(real_data / f"odd_nifti/{kind}.nii.gz") for kind in ("big", "little"))
    assert np.array_equal(big.voxels, little.voxels)
    assert np.array_equal(big.affine, little.affine)


def test_eight_volumes_of_a_real_file_are_told_apart(real_data):
    path = real_data / "enhanced_mr_dicom/MULTIFRAME/IM_0014"
    with pytest.raises(ScanError, match=r"volume 7: EffectiveEchoTime 6\.3, FrameType R"):
        read_scan(path)
    file = dcmread(path)
    stored = pixel_array(file, raw=True)
    expected: dict[tuple, list] = {}
    for image, frame in zip(stored, file.PerFrameFunctionalGroupsSequence, strict=True):
        kind = frame.MRImageFrameTypeSequence[0].FrameType[-1]
        echo = frame.MREchoSequence[0].EffectiveEchoTime
        rescale = frame.PixelValueTransformationSequence[0]
        values = image * float(rescale.RescaleSlope) + float(rescale.RescaleIntercept)
        expected.setdefault((echo, kind), []).append(values.sum())
    for number, volume in enumerate(sorted(expected)):
        read = read_dicom(path, None, number, ReadSettings())
        assert np.allclose(
            sorted(read.voxels.sum(axis=(0, 1), dtype=float)), sorted(expected[volume])
        )


def test_a_missing_slice_is_refused(real_data):
    with pytest.raises(ScanError, match=r"1-07\.dcm and 1-05\.dcm.*6\.000 mm.*1 missing slice"):
        read_scan(real_data / "pelvis_t1_t2_dicom/ProstateX-missing-slice")


def test_masks(real_data):
    assert read_mask(real_data / "pancreas_roi/CAD_28_T1_pancreas_mask.nii.gz").voxels.any()
    with pytest.raises(ScanError, match="4 labels: 1, 2, 3, 4"):
        read_mask(real_data / "abdomen_t2/label_1.nii.gz")


READ = {"GH064.dcm", "GH1261.dcm", "mr_brucker.dcm", "IM_0010",
        "avg152T1_LR_nifti.nii", "avg152T1_LR_nifti.nii.gz", "avg152T1_LR_nifti2.nii.gz",
        "big.nii.gz", "little.nii.gz", "with_extension.nii.gz"}  # fmt: skip


def test_odd_files_are_read_or_refused_and_nothing_else(real_data):
    read = set()
    folders = ("malformed_dicom", "odd_nifti", "enhanced_mr_dicom/MULTIFRAME")
    paths = [path for folder in folders for path in (real_data / folder).rglob("*")]
    for path in sorted(path for path in paths if path.is_file()):
        try:
            scan = read_scan(path)
        except ScanError:
            continue
        assert np.isfinite(scan.voxels).all()
        read.add(path.name)
    assert read == READ
