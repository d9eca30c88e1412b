"""Cases 35 to 37, 46 and 47: whole DICOM series."""

from collections.abc import Callable
from pathlib import Path

from pydicom import Dataset

from catalogue.dicom_image_cases import IMAGE, moved
from catalogue.framework import case, cases_of
from catalogue.sound import (
    SECRET,
    SERIES,
    T2,
    write_enhanced,
    write_slices,
)

LOCALISER = SERIES + ".77"


def mixed(folder: Path) -> Path:
    """Two series, a read-me and a mesh in one folder."""
    write_slices(folder / "series")
    localiser = T2.with_voxels(T2.voxels[::-1])
    write_slices(
        folder / "localiser",
        localiser,
        lambda k, dataset: dataset.update(
            {"SeriesDescription": f"localizer {SECRET}", "SeriesNumber": "1"}
        ),
        series=LOCALISER,
    )
    (folder / "README.txt").write_text(f"Scans of {SECRET}")
    (folder / f"{SECRET}.stl").write_bytes(b"solid " + bytes(80))
    return folder


@case(35, "refuse", "several series, a read-me and a mesh in one folder",
      "2 series", SERIES, LOCALISER, "10 images", "24 x 22", letter="a")  # fmt: skip
def several_series(folder):
    return mixed(folder)


@case(35, "choose", "the same, the series named as `#SeriesInstanceUID`", "2 x|ignored",
      letter="b")  # fmt: skip
def series_named(folder):
    return f"{mixed(folder)}#{SERIES}"


@case(35, "refuse", "a series named that is not there", "2 series", r"1\.2\.3\.4", letter="c")
def series_absent(folder):
    return f"{mixed(folder)}#1.2.3.4"


cases_of(
    {
        "a": (
            "refuse",
            "a tilted gantry: each slice 0.5 mm further to the front",
            ("column", 0.5, range(10)),
            r"ImagePositionPatient \(0020,0032\)",
            "tilt|mm beside",
        ),
        "b": (
            "refuse",
            "one slice 2 mm aside",
            ("row", 2.0, range(IMAGE, IMAGE + 1)),
            r"ImagePositionPatient \(0020,0032\)",
            r"mm beside",
        ),
    },
    moved,
    36,
)

SHUFFLED = (3, 7, 0, 9, 1, 5, 8, 2, 6, 4)


def alone(folder: Path, write) -> Path:
    """A folder with one enhanced file, written by ``write(path)``."""
    return write(folder / "series" / f"{SECRET}.dcm").parent


@case(37, "fix", "enhanced multi-frame, frames shuffled", letter="a")
def shuffled_frames(folder):
    return alone(folder, lambda path: write_enhanced(path, SHUFFLED))


def twice(path: Path, tell_apart) -> Path:
    """Each position twice: the sound image, and a darker one; ``tell_apart(frame, first)``."""

    def edit(dataset):
        size = len(dataset.PixelData) // 2
        dark = (T2.voxels[:, :, k] // 2 for k in SHUFFLED)
        packed = b"".join(image.T.astype("<u2").tobytes() for image in dark)
        dataset.PixelData = dataset.PixelData[:size] + packed
        for number, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            tell_apart(frame, number < len(SHUFFLED))

    return write_enhanced(path, SHUFFLED * 2, edit)


def by_echo(frame: Dataset, first: bool) -> None:
    frame.MREchoSequence[0].EffectiveEchoTime = 80.0 if first else 120.0


def by_time(frame: Dataset, first: bool) -> None:
    content = Dataset()
    content.TemporalPositionIndex = 1 if first else 2
    frame.FrameContentSequence = [content]


def of_dimension(folder: Path, argument: tuple[Callable, str]) -> str:
    tell_apart, choice = argument
    return f"{alone(folder, lambda path: twice(path, tell_apart))}{choice}"


ONE_POSITION = "2 images at one position"
cases_of(
    {
        "b": (
            "refuse",
            "enhanced multi-frame, two echoes at each position",
            (by_echo, ""),
            ONE_POSITION,
            "EffectiveEchoTime",
        ),
        "c": ("choose", "the same, the first echo named as `#volume=0`", (by_echo, "#volume=0")),
        "d": (
            "refuse",
            "enhanced multi-frame, two times at each position",
            (by_time, ""),
            ONE_POSITION,
            "TemporalPositionIndex",
        ),
        "e": ("choose", "the same, the first time named as `#volume=0`", (by_time, "#volume=0")),
        "f": (
            "refuse",
            "the same, a time named that is not there",
            (by_time, "#volume=2"),
            "volume",
            r"\b2\b",
        ),
    },
    of_dimension,
    37,
)


cases_of(
    {
        "": (
            "flag",
            "BurnedInAnnotation YES",
            {"BurnedInAnnotation": "YES"},
            "BurnedInAnnotation",
        )
    },
    lambda folder, values: write_slices(folder, T2, lambda k, dataset: dataset.update(values)),
    46,
)


@case(47, "fix", "MONOCHROME1", "MONOCHROME1", letter="a")
def monochrome1(folder):
    def edit(k, dataset):
        dataset.PhotometricInterpretation = "MONOCHROME1"
        dataset.PixelData = (4095 - T2.voxels[:, :, k].T).astype("<u2").tobytes()

    return write_slices(folder, T2, edit)


@case(47, "fix", "a rescale slope of its own in each slice", "rescale", letter="b")
def rescaled(folder):
    def edit(k, dataset):
        dataset.RescaleSlope, dataset.RescaleIntercept = ("0.5", "-8") if k % 2 else ("1", "0")
        stored = (T2.voxels[:, :, k] + 8) * 2 if k % 2 else T2.voxels[:, :, k]
        dataset.PixelData = stored.T.astype("<u2").tobytes()

    return write_slices(folder, T2, edit)
