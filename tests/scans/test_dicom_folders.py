"""What may lie in a folder beside the series: links, directories of media, other files."""

import shutil

import numpy as np
import pytest
from pydicom import DataElement, Dataset, FileMetaDataset, dcmwrite
from pydicom.config import IGNORE
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from cystgrid.errors import ScanError
from cystgrid.scans.dicom import is_dicom, read_dicom, series_files
from cystgrid.scans.dicom_header import read_elements
from cystgrid.scans.reading import read_scan
from cystgrid.scans.settings import ReadSettings

SETTINGS = ReadSettings()


def write_directory(path, *file_ids):
    """A DICOMDIR with a record for each file id (PS3.3 F.3)."""
    records = []
    for file_id in file_ids:
        record = Dataset()
        record.OffsetOfTheNextDirectoryRecord = 0
        record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
        record.RecordInUseFlag, record.DirectoryRecordType = 0xFFFF, "IMAGE"
        record.add(DataElement("ReferencedFileID", "CS", file_id, validation_mode=IGNORE))
        records.append(record)
    content = Dataset()
    content.file_meta = FileMetaDataset()
    content.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    content.SOPClassUID, content.SOPInstanceUID = MediaStorageDirectoryStorage, "1.2.9"
    content.DirectoryRecordSequence = records
    dcmwrite(path, content, enforce_file_format=True)


def test_an_honest_directory_is_ignored_and_counted(oblique, tmp_path, write_slices):
    write_slices(tmp_path / "DICOM", oblique)
    write_directory(tmp_path / "DICOMDIR", ["DICOM", "IM1"], ["DICOM", "IM2"])
    read = read_scan(tmp_path)
    assert np.array_equal(read.voxels, oblique.voxels)
    assert read.notes == ("Ignored in the folder: 1 x Media Storage Directory Storage.",)


WAYS_OUT = {
    "upwards": ["..", "outside"],
    "upwards later": ["DICOM", "..", "..", "outside"],
    "absolute": ["", "etc", "passwd"],
    "drive": ["C:", "outside"],
    "separators": ["DICOM/../../outside"],
    "absolute in one": ["/etc/passwd"],
}


@pytest.mark.parametrize("file_id", WAYS_OUT.values(), ids=WAYS_OUT)
def test_a_directory_that_points_out_is_refused(oblique, tmp_path, write_slices, file_id):
    write_slices(tmp_path / "DICOM", oblique)
    write_directory(tmp_path / "DICOMDIR", ["DICOM", "IM1"], file_id)
    fault = r"ReferencedFileID \(0004,1500\): got a way out of the folder, in record 2"
    with pytest.raises(ScanError, match=fault):
        read_scan(tmp_path)


def test_a_linked_file_outside_of_the_folder_is_refused(oblique, tmp_path, write_slices):
    path = write_slices(tmp_path / "series", oblique)[0]
    outside = tmp_path / "outside.dcm"
    path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(ScanError, match="a link that leads out of it"):
        read_scan(tmp_path / "series")
    outside.unlink()
    with pytest.raises(ScanError, match="a link that leads nowhere"):
        read_scan(tmp_path / "series")


def test_a_linked_file_inside_of_the_folder_is_read(oblique, tmp_path, write_slices):
    path = write_slices(tmp_path / "series", oblique)[0]
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))
    with pytest.raises(ScanError, match="nothing to tell apart"):  # it is there twice
        read_scan(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "series", target_is_directory=True)
    path.unlink()
    read = read_scan(tmp_path / "link")  # the folder itself may be given by a link
    assert np.array_equal(read.voxels, oblique.voxels)


def test_a_linked_folder_is_not_entered_and_that_is_noted(oblique, tmp_path, write_slices):
    write_slices(tmp_path / "series", oblique)
    write_slices(tmp_path / "outside", oblique)
    for name, target in (("out", tmp_path / "outside"), ("circle", tmp_path / "series")):
        (tmp_path / "series" / name).symlink_to(target, target_is_directory=True)
    read = read_scan(tmp_path / "series")
    assert np.array_equal(read.voxels, oblique.voxels)
    assert read.notes == ("Ignored in the folder: 2 x link to a folder, not followed.",)


def test_one_file_is_a_scan_of_its_own(oblique, tmp_path, write_slices, write_enhanced):
    paths = write_slices(tmp_path / "slices", oblique)
    assert read_dicom(paths[2], None, None, SETTINGS).shape == (4, 5, 1)
    assert series_files(paths[2], None, SETTINGS) == (paths[2],)
    write_enhanced(tmp_path / "enhanced", oblique)
    assert is_dicom(tmp_path / "enhanced")
    assert np.array_equal(read_scan(tmp_path / "enhanced").voxels, oblique.voxels)
    with pytest.raises(ScanError, match=r"series 9\.9 among them"):
        read_dicom(paths[2], "9.9", None, SETTINGS)


def test_files_of_a_series_are_sorted_whatever_lies_beside_them(oblique, tmp_path, write_slices):
    paths = write_slices(tmp_path / "b", oblique)
    moved = tmp_path / "a"
    moved.mkdir()
    paths[3] = shutil.move(paths[3], moved / "x")
    (tmp_path / "README").write_text("hello")
    assert series_files(tmp_path, None, SETTINGS) == tuple(sorted(paths))


def test_an_executable_in_the_preamble_changes_nothing(oblique, tmp_path, write_slices):
    for path in write_slices(tmp_path, oblique):
        path.write_bytes(b"MZ\x7fELF".ljust(128, b"\x90") + path.read_bytes()[128:])
    read = read_scan(tmp_path)
    assert np.array_equal(read.voxels, oblique.voxels)
    assert read.notes == ()


def test_each_file_is_parsed_once_and_of_other_series_no_pixels(
    oblique, tmp_path, write_slices, monkeypatch
):
    write_slices(tmp_path / "a", oblique)
    other = write_slices(tmp_path / "b", oblique, series="1.2.3")
    for path in other:
        path.write_bytes(path.read_bytes()[:-40] + bytes(40))
    parsed = []

    def counted(stream, path, *rest):
        parsed.append(path)
        return read_elements(stream, path, *rest)

    monkeypatch.setattr("cystgrid.scans.dicom_files.read_elements", counted)
    read_scan(f"{tmp_path}#1.2.826.0.1.3680043.8.498.1")
    assert sorted(parsed) == sorted(path for path in tmp_path.rglob("*.dcm"))
