"""Laws of DICOM reading: files' names and order mean nothing, every image is placed by itself."""

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from pydicom import Dataset, FileMetaDataset, dcmread, dcmwrite
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian

from cystgrid.errors import ScanError
from cystgrid.scans.dicom import read_dicom
from cystgrid.scans.reading import read_scan
from cystgrid.scans.settings import ReadLimits, ReadSettings
from cystgrid.scans.volume import Volume


def test_48_orientations_are_one_scan(oblique, tmp_path, write_slices):
    for number, (order, flips) in enumerate(
        product(permutations(range(3)), product((1, -1), repeat=3))
    ):
        turn = np.array(list(zip(order, flips, strict=True)))
        voxels = nib.orientations.apply_orientation(oblique.voxels, turn)
        affine = oblique.affine @ nib.orientations.inv_ornt_aff(turn, oblique.shape)
        write_slices(tmp_path / str(number), Volume(voxels, affine), seed=number)
        read = read_scan(tmp_path / str(number))
        assert np.array_equal(read.voxels, oblique.voxels)
        assert np.allclose(read.affine, oblique.affine, atol=1e-6)
        assert read.notes == ()


def test_enhanced_frames_are_placed_by_their_own_position(oblique, tmp_path, write_enhanced):
    for order in ([0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2]):
        write_enhanced(tmp_path / "scan.dcm", oblique, order)
        read = read_scan(tmp_path)
        assert np.array_equal(read.voxels, oblique.voxels)
        assert np.allclose(read.affine, oblique.affine, atol=1e-6)


def test_enhanced_frame_overrides_what_is_shared(oblique, tmp_path, write_enhanced):
    def rescale(dataset):
        for kind, slope in ((dataset.SharedFunctionalGroupsSequence[0], "2"),
                            (dataset.PerFrameFunctionalGroupsSequence[0], "3")):  # fmt: skip
            values = Dataset()
            values.RescaleSlope, values.RescaleIntercept = slope, "1"
            kind.PixelValueTransformationSequence = [values]

    write_enhanced(tmp_path / "scan.dcm", oblique, edit=rescale)
    factors = np.array([3, 2, 2, 2, 2, 2])
    assert np.array_equal(read_scan(tmp_path).voxels, oblique.voxels * factors + 1)


def test_each_slice_has_its_own_rescale(oblique, tmp_path, write_slices):
    def scale(k, dataset):
        dataset.RescaleSlope, dataset.RescaleIntercept = str(k + 0.5), str(-k)

    write_slices(tmp_path, oblique, scale)
    k = np.arange(6)
    read = read_scan(tmp_path)
    assert np.array_equal(read.voxels, oblique.voxels * (k + 0.5) - k)
    assert any("each slice's own" in note for note in read.notes)


def test_monochrome1_equals_its_monochrome2_twin(oblique, tmp_path, write_slices):
    def invert(k, dataset):
        dataset.PhotometricInterpretation = "MONOCHROME1"
        dataset.PixelData = (4095 - oblique.voxels[:, :, k].T).astype("<u2").tobytes()

    write_slices(tmp_path, oblique, invert)
    read = read_scan(tmp_path)
    assert np.array_equal(read.voxels, oblique.voxels)
    assert any("MONOCHROME1" in note for note in read.notes)


@pytest.mark.parametrize("unused_bits", [0xFFFF, 0x0FFF], ids=["sign extended", "zero"])
def test_signed_voxels_keep_their_sign(oblique, tmp_path, write_slices, unused_bits):
    def sign(k, dataset):
        dataset.PixelRepresentation = 1
        stored = (oblique.voxels[:, :, k].T - 60).astype("<i2").view("<u2") & unused_bits
        dataset.PixelData = stored.astype("<u2").tobytes()

    write_slices(tmp_path, oblique, sign)
    assert np.array_equal(read_scan(tmp_path).voxels, oblique.voxels - 60)


def test_what_lies_beside_the_series_is_left_out_and_counted(oblique, tmp_path, write_slices):
    write_slices(tmp_path / "series", oblique)
    (tmp_path / "README.txt").write_text("hello")
    (tmp_path / "mesh.stl").write_bytes(bytes(300))
    report = Dataset()
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    report.SOPClassUID, report.SOPInstanceUID = ComprehensiveSRStorage, "1.2.3.4"
    dcmwrite(tmp_path / "report.dcm", report, enforce_file_format=True)
    read = read_scan(tmp_path)
    assert np.array_equal(read.voxels, oblique.voxels)
    assert read.notes == (
        "Ignored in the folder: 1 x Comprehensive SR Storage, 2 x file that is not DICOM.",
    )


@pytest.mark.parametrize("keyword", ["SliceThickness", "SpacingBetweenSlices"])
def test_a_single_slice_takes_its_depth_from_a_tag_and_says_so(
    oblique, tmp_path, write_slices, keyword
):
    def stated(k, dataset):
        del dataset.SliceThickness
        setattr(dataset, keyword, "4.5")

    one = Volume(oblique.voxels[:, :, :1], oblique.affine)
    write_slices(tmp_path, one, stated)
    read = read_scan(tmp_path)
    assert read.spacing[2] == pytest.approx(4.5)
    assert keyword in read.notes[0]


def test_positions_outweigh_a_stated_gap(oblique, tmp_path, write_slices):
    write_slices(tmp_path, oblique, lambda k, dataset: setattr(dataset, "SpacingBetweenSlices", 9))
    read = read_scan(tmp_path)
    assert read.spacing[2] == pytest.approx(3.5)
    assert "SpacingBetweenSlices says 9.000 mm" in read.notes[0]


def test_what_is_only_suspicious_is_noted(oblique, tmp_path, write_slices):
    def odd(k, dataset):
        dataset.PixelData += bytes(10)
        dataset.BurnedInAnnotation = "YES"

    write_slices(tmp_path, oblique, odd)
    read = read_scan(tmp_path)
    assert np.array_equal(read.voxels, oblique.voxels)
    assert "10 bytes beyond" in read.notes[0]
    assert "BurnedInAnnotation" in read.notes[1]


def test_axes_as_stored_run_along_row_column_and_normal(oblique, tmp_path, write_slices):
    paths = write_slices(tmp_path, oblique)
    read = read_dicom(tmp_path, None, None, ReadSettings())
    header = dcmread(paths[0])
    row = np.array(header.ImageOrientationPatient[:3], dtype=float) * [-1, -1, 1]
    assert np.allclose(read.affine[:3, 0], row * float(header.PixelSpacing[1]), atol=1e-6)
    assert np.linalg.det(read.affine) > 0


def test_limits_bind(oblique, tmp_path, write_slices):
    write_slices(tmp_path, oblique)
    for limits in ({"max_files": 5}, {"max_voxels": 119}, {"max_file_bytes": 500}):
        with pytest.raises(ScanError, match=next(iter(limits))):
            read_scan(tmp_path, settings=ReadSettings(limits=ReadLimits(**limits)))
    read_scan(tmp_path, settings=ReadSettings(limits=ReadLimits(max_files=6, max_voxels=120)))
