"""Several images at each position: the volumes are told apart by their marks, and one is chosen."""

from itertools import product

import numpy as np
import pytest
from pydicom import Dataset

from cystgrid.errors import ScanError
from cystgrid.scans.dicom import read_dicom
from cystgrid.scans.reading import read_scan
from cystgrid.scans.settings import ReadSettings

SETTINGS = ReadSettings()


def refusal(folder, volume=None):
    with pytest.raises(ScanError) as caught:
        read_dicom(folder, None, volume, SETTINGS)
    message = str(caught.value.naming(lambda path: "it"))
    assert "secret" not in message.lower()
    return message


def write_many(folder, oblique, write_slices, marks):
    """A series for each of ``marks``; the n-th holds the voxels plus 200 n."""
    for number, values in enumerate(marks):
        write_slices(
            folder / str(number),
            oblique.with_voxels(oblique.voxels + 200 * number),
            lambda k, dataset, values=values: dataset.update(values),
        )


def volume_read(folder, number):
    """Which of the series of ``write_many`` a volume is."""
    read = read_scan(f"{folder}#volume={number}")
    base = read_scan(f"{folder}/0").voxels
    which = np.unique(read.voxels - base)
    assert which.size == 1
    return int(which[0]) // 200, read


MARKS = {
    "EchoTime": (["10.2", "4.6", "2.3"], [2, 1, 0], "volume 0: EchoTime 2.3; volume 1: "),
    "DiffusionBValue": ([800.0, 0.0, 50.0], [1, 2, 0], "volume 2: DiffusionBValue 800"),
    "TemporalPositionIdentifier": (["10", "9", "2"], [2, 1, 0], "TemporalPositionIdentifier 10"),
    "InversionTime": (["900", "100", "1000"], [1, 0, 2], "volume 2: InversionTime 1000"),
    "FlipAngle": (["15", "3", "8"], [1, 2, 0], "volume 0: FlipAngle 3"),
    "ImageType": (
        [["ORIGINAL", "PRIMARY", kind] for kind in ("W", "OPP_PHASE", "SECRET")],
        [1, 2, 0],
        "volume 0: ImageType OPP_PHASE; volume 1: ImageType (another word); volume 2: ImageType W",
    ),
}


@pytest.mark.parametrize("keyword", MARKS)
def test_volumes_are_listed_and_chosen_in_order_of_their_mark(
    oblique, tmp_path, write_slices, keyword
):
    values, order, listed = MARKS[keyword]
    write_many(tmp_path, oblique, write_slices, [{keyword: value} for value in values])
    message = refusal(tmp_path)
    assert "3 images at one position" in message
    assert listed in message
    for number, which in enumerate(order):
        found, read = volume_read(tmp_path, number)
        assert found == which
        assert read.notes[0].startswith(f"Of 3 volumes, volume {number} was taken: {keyword} ")
    assert "volume 3 chosen" in refusal(tmp_path, 3)


def test_two_marks_together_number_the_volumes(oblique, tmp_path, write_slices):
    marks = [
        {"EchoTime": echo, "ImageType": ["ORIGINAL", "PRIMARY", kind]}
        for echo, kind in product(("4.6", "2.3"), ("P", "M"))
    ]
    write_many(tmp_path, oblique, write_slices, marks)
    assert "volume 1: EchoTime 2.3, ImageType P; volume 2: EchoTime 4.6, ImageType M" in (
        refusal(tmp_path)
    )
    assert [volume_read(tmp_path, number)[0] for number in range(4)] == [3, 2, 1, 0]


def test_what_changes_from_slice_to_slice_does_not_hide_the_echoes(oblique, tmp_path, write_slices):
    for number, echo in enumerate(("2.3", "4.6")):

        def edit(k, dataset, number=number, echo=echo):
            dataset.EchoTime, dataset.TriggerTime = echo, str(37 * k + number)
            dataset.AcquisitionNumber = str(2 * k + number)

        voxels = oblique.with_voxels(oblique.voxels + 200 * number)
        write_slices(tmp_path / str(number), voxels, edit)
    assert [volume_read(tmp_path, number)[0] for number in range(2)] == [0, 1]


def test_enhanced_volumes_whatever_the_order_of_frames(oblique, tmp_path, write_enhanced):
    order = [3, 0, 5, 1, 4, 2] * 2

    def edit(dataset):
        late = np.frombuffer(dataset.PixelData, dtype="<u2").copy()
        late[late.size // 2 :] += 1000
        dataset.PixelData = late.tobytes()
        for index, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            frame.MREchoSequence[0].EffectiveEchoTime = 4.6 if index < 6 else 2.3

    write_enhanced(tmp_path / "scan.dcm", oblique, order, edit)
    assert "volume 0: EffectiveEchoTime 2.3; volume 1: EffectiveEchoTime 4.6" in refusal(tmp_path)
    first, second = (read_scan(f"{tmp_path}#volume={number}") for number in range(2))
    assert np.array_equal(second.voxels, oblique.voxels)
    assert np.array_equal(first.voxels, oblique.voxels + 1000)
    assert np.array_equal(read_scan(f"{tmp_path}/scan.dcm#volume=1").voxels, oblique.voxels)


def test_a_private_dimension_tells_frames_apart(oblique, tmp_path, write_enhanced):
    def edit(dataset):
        place, private = Dataset(), Dataset()
        place.DimensionIndexPointer, private.DimensionIndexPointer = 0x00209057, 0x20051011
        dataset.DimensionIndexSequence = [place, private]
        for index, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            content = Dataset()
            content.DimensionIndexValues = [index % 6 + 1, index // 6 + 1]
            frame.FrameContentSequence = [content]

    write_enhanced(tmp_path / "scan.dcm", oblique, [*range(6)] * 2, edit)
    assert "volume 0: DimensionIndexValues 1; volume 1: DimensionIndexValues 2" in refusal(tmp_path)
    assert np.array_equal(read_scan(f"{tmp_path}#volume=1").voxels, oblique.voxels)


def test_one_volume_is_volume_0_and_no_other(oblique, tmp_path, write_slices):
    write_slices(tmp_path, oblique)
    chosen = read_scan(f"{tmp_path}#volume=0")
    assert np.array_equal(chosen.voxels, oblique.voxels)
    assert chosen.notes == ()
    assert "volume 1 chosen" in refusal(tmp_path, 1)


def test_no_volume_of_an_incomplete_series_is_taken(oblique, tmp_path, write_slices):
    write_many(tmp_path, oblique, write_slices, [{"EchoTime": "2.3"}, {"EchoTime": "4.6"}])
    next((tmp_path / "1").iterdir()).unlink()
    for volume in (0, 1):
        assert "images at 5 of 6 positions in volume 1 (EchoTime 4.6)" in refusal(tmp_path, volume)


def test_a_stack_made_of_two_echoes_is_noted(oblique, tmp_path, write_slices):
    write_slices(
        tmp_path, oblique, lambda k, dataset: dataset.update({"EchoTime": f"{2 + k // 3}"})
    )
    assert read_scan(tmp_path).notes == (
        "EchoTime is not the same in all slices: it has 2 values.",
    )
