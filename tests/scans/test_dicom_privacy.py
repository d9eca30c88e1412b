"""Whatever is refused, no name of a folder or a file is left once its paths are hidden."""

import shutil

import pytest
from pydicom.uid import JPEG2000Lossless

from cystgrid.errors import ScanError
from cystgrid.scans.dicom import read_dicom
from cystgrid.scans.settings import ReadLimits, ReadSettings

PERSON = "Doe-Secret"
"""In each folder's and each file's name, and in each text element."""


def put(**values):
    return lambda k, dataset: dataset.update(values) if k == 2 else None


def later(k, dataset):
    dataset.EchoTime = "99"


def lacking(keyword):
    return lambda k, dataset: dataset.pop(keyword, None) if k == 2 else None


def cut(folder):
    path = sorted(folder.iterdir())[2]
    path.write_bytes(path.read_bytes()[:-50])


def no_prefix(folder):
    sorted(folder.iterdir())[2].write_bytes(bytes(300))


def twice(folder):
    path = sorted(folder.iterdir())[2]
    shutil.copy(path, folder / f"{PERSON} copy")


def link_out(folder):
    (folder / f"{PERSON} link").symlink_to(folder.parent / f"{PERSON} nowhere")


def garbage(k, dataset):
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\x08\0\0\0garbage!"
    dataset["PixelData"].is_undefined_length = True


EDITS = {
    "no position": lacking("ImagePositionPatient"),
    "no pixels": lacking("PixelData"),
    "no series": lacking("SeriesInstanceUID"),
    "spacing": put(PixelSpacing=[900, 900]),
    "directions": lambda k, d: d.update({"ImageOrientationPatient": [1, 0, 0, 0.2, 1, 0]}),
    "one other direction": put(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
    "one other patient": put(PatientID=f"{PERSON} 2"),
    "one image aside": put(ImagePositionPatient=[0, 0, 0]),
    "bits": put(BitsStored=4, HighBit=3),
    "few bytes": put(PixelData=bytes(2)),
    "scale": put(RescaleSlope="1e38", RescaleIntercept="0"),
    "garbage": garbage,
}
DAMAGE = {
    "cut": cut,
    "no prefix": no_prefix,
    "twice": twice,
    "a slice left out": lambda folder: sorted(folder.iterdir())[2].unlink(),
    "a link": link_out,
    "nothing there": lambda folder: [path.unlink() for path in folder.iterdir()],
}
LIMITS = {"max_files": 3, "max_voxels": 60, "max_file_bytes": 500}


def hidden(folder, **choice):
    """The refusal with every path in it shown as ``X``."""
    settings = ReadSettings(limits=choice.get("limits", ReadLimits()))
    with pytest.raises(ScanError) as caught:
        read_dicom(folder, choice.get("series"), choice.get("volume"), settings)
    assert PERSON in str(caught.value)  # the control: a path is in the message before
    message = str(caught.value.naming(lambda path: "X"))
    assert "X" in message
    for name in (PERSON, "Doe", "Secret", ".dcm", str(folder.parent.parent)):
        assert name not in message
    return message


@pytest.fixture
def folder(tmp_path):
    return tmp_path / PERSON / PERSON


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_refusals_of_images(oblique, folder, write_slices, edit):
    write_slices(folder, oblique, edit)
    hidden(folder)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_refusals_of_files(oblique, folder, write_slices, damage):
    write_slices(folder, oblique)
    damage(folder)
    hidden(folder)


@pytest.mark.parametrize("limit", LIMITS)
def test_refusals_by_limits(oblique, folder, write_slices, limit):
    write_slices(folder, oblique)
    assert limit in hidden(folder, limits=ReadLimits(**{limit: LIMITS[limit]}))


def test_refusals_of_choices(oblique, folder, write_slices):
    write_slices(folder / "a", oblique)
    write_slices(folder / "b", oblique, later)
    hidden(folder)
    hidden(folder, volume=7)
    hidden(folder, series="1.2.3")
    write_slices(folder / "c", oblique, series="1.2.3")
    hidden(folder)
    hidden(folder, series="1.2.3", volume=1)


def test_notes_hold_no_name(oblique, folder, write_slices):
    write_slices(
        folder / "a",
        oblique,
        lambda k, d: d.update({"RescaleSlope": str(k + 1), "RescaleIntercept": "0"}),
    )
    (folder / f"{PERSON}.txt").write_text("hello")
    (folder / f"{PERSON} link").symlink_to(folder, target_is_directory=True)
    notes = read_dicom(folder, None, None, ReadSettings()).notes
    assert len(notes) == 2
    assert PERSON not in " ".join(notes)
