"""Cases 26 to 34: one DICOM image at fault, or images that do not belong together."""

import shutil

from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from catalogue.framework import Made, case, cases_of, real
from catalogue.sound import SECRET, T2, slice_path, write_enhanced, write_slices

IMAGE = 4
"""The image that most damage is done to."""

MIDDLE_BYTES = 2 * 24 * 22
"""Of one image's pixels."""


def spoiled(folder, change):
    """The series, one image changed."""
    return write_slices(folder, T2, lambda k, dataset: k == IMAGE and change(dataset))


def with_values(folder, values: dict):
    return spoiled(folder, lambda dataset: dataset.update(values))


def without(folder, keyword: str):
    return spoiled(folder, lambda dataset: dataset.pop(keyword))


def raw(folder, argument: tuple[str, str, bytes]):
    """An element as a careless program writes it, past every check."""
    keyword, kind, content = argument
    tag = Tag(keyword)
    element = RawDataElement(tag, kind, len(content), content, 0, False, True)
    return spoiled(folder, lambda dataset: dataset.__setitem__(tag, element))


def moved(folder, argument: tuple[str, float, range]):
    """Images of some ``k`` moved by mm along the ``normal``, a ``row`` or a ``column``."""
    along, by, which = argument
    axis = {"row": 0, "column": 1, "normal": 2}[along]

    def edit(k, dataset):
        if k in which:
            position = [float(x) for x in dataset.ImagePositionPatient]
            position[axis] += by * (which.index(k) + 1)
            dataset.ImagePositionPatient = [f"{x:.6f}" for x in position]

    return write_slices(folder, T2, edit)


@case(26, "refuse", "a file cut short in its pixels", "PixelData|parsed|ends", letter="a")
def cut_file(folder):
    write_slices(folder)
    path = slice_path(folder, IMAGE)
    path.write_bytes(path.read_bytes()[:-300])
    return folder


cases_of(
    {
        "b": (
            "refuse",
            "fewer pixel bytes than Rows and Columns ask for",
            {"PixelData": bytes(1000)},
            r"PixelData \(7FE0,0010\)",
            "1000",
            "1056",
        )
    },
    with_values,
    26,
)
cases_of(
    {
        "": (
            "flag",
            "more pixel bytes than declared",
            {"PixelData": T2.voxels[:, :, IMAGE].T.astype("<u2").tobytes() + bytes(10)},
            "10 bytes beyond the declared pixels",
        )
    },
    with_values,
    27,
)
cases_of(
    {
        "a": ("refuse", "Rows 0", {"Rows": 0}, r"Rows \(0028,0010\)", r"\b0\b"),
        "b": (
            "refuse",
            "Rows and Columns 65535",
            {"Rows": 65535, "Columns": 65535},
            "Rows",
            "65535",
        ),
        "c": (
            "refuse",
            "12 bits allocated",
            {"BitsAllocated": 12},
            r"BitsAllocated \(0028,0100\)",
            "12",
        ),
        "d": (
            "refuse",
            "20 bits stored of 16",
            {"BitsStored": 20, "HighBit": 19},
            r"BitsStored \(0028,0101\)",
            "20",
        ),
        "e": ("refuse", "HighBit 15 of 12 bits", {"HighBit": 15}, r"HighBit \(0028,0102\)", "15"),
        "f": (
            "refuse",
            "values beyond BitsStored",
            {"BitsStored": 8, "HighBit": 7},
            r"BitsStored \(0028,0101\)",
            "255",
        ),
    },
    with_values,
    28,
)
cases_of(
    {
        "g": ("refuse", "NumberOfFrames -1", "-1", r"NumberOfFrames \(0028,0008\)", "-1"),
        "h": (
            "refuse",
            "NumberOfFrames 1000000000",
            "1000000000",
            r"NumberOfFrames \(0028,0008\)",
            "1000000000|1e\\+09",
        ),
    },
    lambda folder, frames: (
        write_enhanced(
            folder / "series" / f"{SECRET}.dcm",
            edit=lambda dataset: dataset.update({"NumberOfFrames": frames}),
        ).parent
    ),
    28,
)
cases_of(
    {"": ("refuse", "no PixelData", "PixelData", r"PixelData \(7FE0,0010\)", "nothing")},
    without,
    29,
)
cases_of(
    {
        "a": (
            "refuse",
            "ImagePositionPatient missing",
            "ImagePositionPatient",
            r"ImagePositionPatient \(0020,0032\)",
            "nothing",
        ),
        "b": (
            "refuse",
            "ImageOrientationPatient missing",
            "ImageOrientationPatient",
            r"ImageOrientationPatient \(0020,0037\)",
            "nothing",
        ),
        "c": (
            "refuse",
            "PixelSpacing missing",
            "PixelSpacing",
            r"PixelSpacing \(0028,0030\)",
            "nothing",
        ),
    },
    without,
    30,
)
cases_of(
    {
        "a": (
            "refuse",
            "row and column not at right angles",
            {"ImageOrientationPatient": [1, 0, 0, 0.1, 0.994987, 0]},
            r"ImageOrientationPatient \(0020,0037\)",
        ),
        "b": (
            "refuse",
            "a row's direction of length 1.1",
            {"ImageOrientationPatient": [1.1, 0, 0, 0, 1, 0]},
            r"ImageOrientationPatient \(0020,0037\)",
        ),
    },
    lambda folder, values: write_slices(folder, T2, lambda k, dataset: dataset.update(values)),
    31,
)
cases_of(
    {
        "a": (
            "refuse",
            'PixelSpacing "nan"',
            ("PixelSpacing", "DS", b"nan\\nan "),
            r"PixelSpacing \(0028,0030\)",
        ),
        "b": (
            "refuse",
            "PixelSpacing a text",
            ("PixelSpacing", "DS", f"{SECRET}\\5".encode()),
            r"PixelSpacing \(0028,0030\)",
        ),
    },
    raw,
    32,
)


@case(33, "refuse", "a slice missing", "gap", r"12\.0+ mm", "1 missing slice", letter="a")
def missing_slice(folder):
    write_slices(folder)
    slice_path(folder, IMAGE).unlink()
    return folder


@case(33, "refuse", "a slice twice", "2 images at one position", letter="b")
def duplicate_slice(folder):
    write_slices(folder)
    shutil.copy(slice_path(folder, IMAGE), folder / "copy")
    return folder


cases_of(
    {
        "c": (
            "refuse",
            "one gap 2 % wider",
            ("normal", 0.12, range(IMAGE, IMAGE + 1)),
            "gap",
            r"6\.120 mm",
        )
    },
    moved,
    33,
)


@case(33, "refuse", "a real series with a missing slice", "gap", r"6\.0+ mm", "1 missing slice",
      column="t1", letter="d", real=True)  # fmt: skip
def real_missing_slice(folder):
    source = real("pelvis_t1_t2_dicom/ProstateX-missing-slice")
    copied = str(shutil.copytree(source, folder / "series"))
    return Made([{"t1": copied, "t2": copied, "roi": "-20,20,-20,20,-20,20"}])


cases_of(
    {
        "a": (
            "refuse",
            "one image of another orientation",
            {"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]},
            r"ImageOrientationPatient \(0020,0037\)",
        ),
        "b": (
            "refuse",
            "one image of another pixel spacing",
            {"PixelSpacing": [4, 4]},
            r"PixelSpacing \(0028,0030\)",
        ),
        "c": (
            "refuse",
            "one image of another size",
            {"Rows": 24, "Columns": 22},
            r"Rows|Columns",
        ),
        "d": (
            "refuse",
            "one image of another patient",
            {"PatientID": f"{SECRET}-4712"},
            r"PatientID \(0010,0020\)",
        ),
        "e": (
            "refuse",
            "one image in another frame of reference",
            {"FrameOfReferenceUID": "1.2.4"},
            r"FrameOfReferenceUID \(0020,0052\)",
        ),
    },
    with_values,
    34,
)
