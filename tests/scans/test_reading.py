import os

import nibabel as nib
import numpy as np
import pytest

from cystgrid.errors import ScanError
from cystgrid.scans.nifti import write_nifti
from cystgrid.scans.reading import read_scan, scan_files


def with_broken(oblique, count, value=np.nan):
    voxels = np.tile(oblique.voxels, (1, 1, 5)) + 7
    voxels.ravel()[:count] = value
    return type(oblique)(voxels, oblique.affine)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_few_broken_voxels_become_the_lowest_and_are_counted(oblique, tmp_path, value):
    scan = with_broken(oblique, 6, value)
    nib.save(nib.Nifti1Image(scan.voxels, scan.affine), tmp_path / "a.nii")
    read = read_scan(tmp_path / "a.nii")
    assert np.isfinite(read.voxels).all()
    assert read.voxels.ravel()[:6].tolist() == [7] * 6
    assert any(note.startswith("6 NaN") for note in read.notes)


def test_many_broken_voxels_are_refused(oblique, tmp_path):
    scan = with_broken(oblique, 7)
    nib.save(nib.Nifti1Image(scan.voxels, scan.affine), tmp_path / "a.nii")
    with pytest.raises(ScanError, match="7 NaN"):
        read_scan(tmp_path / "a.nii")


def test_values_too_large_for_float32_are_refused(oblique, tmp_path):
    huge = oblique.voxels.astype("f8") * 1e300
    nib.save(nib.Nifti1Image(huge, oblique.affine), tmp_path / "a.nii")
    with pytest.raises(ScanError, match="voxel values up to"):
        read_scan(tmp_path / "a.nii")


def test_rounding_to_float32_is_noted(oblique, tmp_path):
    large = oblique.voxels.astype("i4") + 2**24
    nib.save(nib.Nifti1Image(large, oblique.affine), tmp_path / "a.nii")
    assert any("rounded to float32" in note for note in read_scan(tmp_path / "a.nii").notes)


def test_a_label_chosen_for_a_scan_is_refused(oblique, tmp_path):
    write_nifti(oblique, tmp_path / "a.nii")
    with pytest.raises(ScanError, match="a label chosen for a scan"):
        read_scan(f"{tmp_path}/a.nii#label=1")


def test_what_is_neither_file_nor_folder_is_not_opened(tmp_path):
    """Opening a pipe that nobody writes to would wait for ever."""
    os.mkfifo(tmp_path / "scan.nii")
    os.mkfifo(tmp_path / "scan")
    for name in ("scan.nii", "scan"):
        with pytest.raises(ScanError, match=r"no such file|neither a file nor a folder"):
            read_scan(tmp_path / name)


def test_an_empty_folder_named_like_a_file_is_refused(tmp_path):
    (tmp_path / "scan.nii").mkdir()
    with pytest.raises(ScanError, match=r"scan\.nii"):
        read_scan(tmp_path / "scan.nii")


def test_where_a_scan_came_from_is_marked_as_a_path(oblique, tmp_path, write_slices):
    write_slices(tmp_path / "folder", oblique)
    write_nifti(oblique, tmp_path / "a.nii")
    for name in ("folder", "a.nii"):
        source = read_scan(tmp_path / name).source
        error = ScanError(source, got="x", expected="y", do="z")
        assert error.naming(lambda path: path.name.upper()).where == name.upper()


@pytest.mark.parametrize("reference", ["", "none.nii", "none#1.2.3", "x" * 5000])
def test_nothing_there(tmp_path, monkeypatch, reference):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScanError, match=r"nothing there|cannot be followed"):
        read_scan(reference)


def test_a_file_of_another_kind_is_refused(tmp_path):
    for name in ("slice.dcm", "pair.hdr", "mask.nrrd"):
        (tmp_path / name).write_bytes(b"anything")
        with pytest.raises(ScanError, match=rf"{name}.*neither NIfTI by its name nor DICOM"):
            read_scan(tmp_path / name)


def test_a_hash_in_a_name_is_no_series(oblique, tmp_path):
    folder = tmp_path / "patient#1"
    write_nifti(oblique, folder / "scan#2.nii")
    assert read_scan(folder / "scan#2.nii").shape == oblique.shape
    assert scan_files(folder / "scan#2.nii") == (folder / "scan#2.nii",)
    with pytest.raises(ScanError, match="a series chosen in a NIfTI file"):
        read_scan(f"{folder}/scan#2.nii#1.2.3")


def test_files_of_a_series_are_those_it_is_read_from(oblique, tmp_path, write_slices):
    paths = write_slices(tmp_path / "one", oblique)
    write_slices(tmp_path / "two", oblique, series="1.2.3")
    (tmp_path / "README").write_text("not DICOM")
    series = f"{tmp_path}#1.2.826.0.1.3680043.8.498.1"
    assert scan_files(series) == tuple(sorted(paths))
    assert np.array_equal(read_scan(series).voxels, oblique.voxels)
