"""The inside of functional groups: every length that does not fit is found, wherever it stands."""

import pytest

from catalogue.sound import write_enhanced
from cystgrid.errors import ScanError
from cystgrid.scans.reading import read_scan
from fuzzing.dicom_walk import walk


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = write_enhanced(tmp_path_factory.mktemp("nesting") / "scan.dcm")
    return path.read_bytes(), [element for element in walk(path.read_bytes()) if element.path[1:]]


def read(content, folder):
    path = folder / "scan.dcm"
    path.write_bytes(content)
    return read_scan(path)


def test_the_sound_file_is_read_and_has_elements_inside_of_sequences(sound, tmp_path):
    content, nested = sound
    assert len(nested) > 30
    assert read(content, tmp_path).voxels.any()


@pytest.mark.parametrize("change", [-2, 2, 8, 40000])
def test_a_nested_length_that_does_not_fit_is_refused(sound, tmp_path, change):
    content, nested = sound
    for element in nested[:: max(1, len(nested) // 25)]:
        at, size = element.length_at, element.length_bytes
        length = int.from_bytes(content[at : at + size], "little") + change
        if not 0 <= length < 1 << 8 * size:
            continue
        broken = content[:at] + length.to_bytes(size, "little") + content[at + size :]
        with pytest.raises(ScanError):
            read(broken, tmp_path)


def test_a_nested_element_of_no_known_kind_is_refused(sound, tmp_path):
    content, nested = sound
    at = nested[5].start + 4
    with pytest.raises(ScanError, match="no known value representation"):
        read(content[:at] + b"QQ" + content[at + 2 :], tmp_path)


def test_an_empty_functional_group_is_refused(tmp_path):
    def edit(dataset):
        dataset.PerFrameFunctionalGroupsSequence[2].PixelValueTransformationSequence = []

    path = write_enhanced(tmp_path / "scan.dcm", edit=edit)
    with pytest.raises(ScanError, match=r"PixelValueTransformationSequence .* got 0 items"):
        read_scan(path)


def test_sequences_nested_deep_are_refused(tmp_path):
    from pydicom import Dataset

    def edit(dataset):
        inner = Dataset()
        for _ in range(40):
            outer = Dataset()
            outer.ReferencedImageSequence = [inner]
            inner = outer
        dataset.SharedFunctionalGroupsSequence[0].ReferencedImageSequence = [inner]

    with pytest.raises(ScanError, match="nested more than 16 deep"):
        read_scan(write_enhanced(tmp_path / "scan.dcm", edit=edit))
