"""Cases 48 to 51: masks, pairs of scans, and images with nothing in them."""

from pathlib import Path

import numpy as np

from catalogue.framework import Made, Row, case, cases_of
from catalogue.sound import ROI, SECRET, T1, T2, nifti, write_slices
from cystgrid.scans.volume import Volume

SOME = (slice(7, 17), slice(7, 15), slice(3, 7))
"""The voxels that the sound mask holds."""


def put(folder: Path, volume: Volume, name: str = "mask", dtype: str = "<i2") -> Path:
    path = folder / f"{SECRET}-{name}.nii"
    path.write_bytes(nifti(volume, dtype))
    return path


def labelled(folder: Path) -> Path:
    """Label 1 is the sound mask, label 2 another organ."""
    voxels = ROI.voxels.copy()
    voxels[2:4, 2:4, 1:9] = 2
    return put(folder, ROI.with_voxels(voxels))


@case(48, "refuse", "an empty mask", "empty", column="roi", letter="a")
def empty_mask(folder):
    return put(folder, ROI.with_voxels(ROI.voxels * 0))


@case(48, "flag", "a mask on a third grid", "roi.*neither scan's grid", column="roi", letter="b")
def third_grid(folder):
    shape = (30, 30, 20)
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = -40, -40, -25
    voxels = np.zeros(shape, dtype=np.float32)
    voxels[8:20, 8:18, 6:12] = 1
    return put(folder, Volume(voxels, affine))


def shifted(volume: Volume, x: float) -> Volume:
    """The same scan, x mm further to the right."""
    affine = volume.affine.copy()
    affine[0, 3] += x
    return Volume(volume.voxels, affine)


@case(48, "refuse", "a mask outside of the scan", "outside", column="roi", letter="c")
def mask_outside(folder):
    return put(folder, shifted(ROI, 500))


@case(48, "flag", "a mask partly outside of the scan", r"roi.*\d+%.*outside", column="roi",
      letter="d")  # fmt: skip
def mask_partly_outside(folder):
    return put(folder, shifted(ROI, 50))


@case(48, "refuse", "a mask with labels 1 and 2", "2 labels: 1, 2", "label=", column="roi",
      letter="e")  # fmt: skip
def two_labels(folder):
    return labelled(folder)


@case(48, "choose", "the same, the label named as `#label=1`", column="roi", letter="f")
def label_named(folder):
    return f"{labelled(folder)}#label=1"


@case(48, "choose", "the same, the study says `roi_labels = [1]`", column="roi", letter="g",
      study="roi_labels = [1]")  # fmt: skip
def label_of_the_study(folder):
    return labelled(folder)


@case(48, "refuse", "a label named that the mask does not hold", "label", r"\b7\b", column="roi",
      letter="h")  # fmt: skip
def label_absent(folder):
    return f"{labelled(folder)}#label=7"


@case(48, "refuse", "a mask with NaN in it", "NaN", column="roi", letter="i")
def mask_not_finite(folder):
    voxels = ROI.voxels.copy()
    voxels[0, 0, 0] = np.nan
    return put(folder, ROI.with_voxels(voxels), dtype="<f4")


@case(49, "refuse", "T1 and T2 that do not overlap in space", "overlap", "%", column="t1",
      letter="a")  # fmt: skip
def apart(folder):
    return put(folder, shifted(T1, 500), "t1")


cases_of(
    {
        "b": ("refuse", "a T1 that covers less than half of the crop", 70, r"\d+%", "50%"),
        "f": ("flag", "a T1 that covers part of the crop", 40, r"t1: covers \d+(\.\d)?%"),
    },
    lambda folder, x: put(folder, shifted(T1, x), "t1"),
    49,
    column="t1",
)


def t1_slices(folder: Path, **values: str) -> Row:
    """Both scans as DICOM; ``values`` set the T1's."""
    t2 = write_slices(folder / "t2")
    t1 = write_slices(folder / "t1", T1, lambda k, dataset: dataset.update(values))
    return {"t1": str(t1), "t2": str(t2)}


@case(49, "refuse", "T1 and T2 of two people", r"PatientID", column="t1", letter="c")
def two_people(folder):
    return t1_slices(folder, PatientID=f"{SECRET}-4712")


@case(49, "flag", "T1 and T2 in two frames of reference", "FrameOfReferenceUID|frame",
      column="t1", letter="d")  # fmt: skip
def two_frames(folder):
    return t1_slices(folder, FrameOfReferenceUID="1.2.4")


@case(49, "choose", "T1 and T2 of one person in one frame of reference", letter="e", column="t1")
def one_person(folder):
    """The control of the two cases above."""
    row = t1_slices(folder)
    return Made([row], {"t1": row["t1"]})


WEIGHTS = {"t1": {"SeriesDescription": f"t1 vibe {SECRET}", "EchoTime": "2"},
           "t2": {"SeriesDescription": f"t2 tse {SECRET}", "EchoTime": "80"}}  # fmt: skip


def weighted(folder: Path, t1: str, t2: str) -> Row:
    """Both scans as DICOM, each with the description of the weighting given."""
    return {
        column: str(
            write_slices(
                folder / column, volume, lambda k, dataset, w=weighting: dataset.update(WEIGHTS[w])
            )
        )
        for column, volume, weighting in (("t1", T1, t1), ("t2", T2, t2))
    }


@case(49, "refuse", "T1 and T2 exchanged", "exchange the two", column="t1", letter="g")
def exchanged(folder):
    return weighted(folder, "t2", "t1")


@case(49, "flag", "a T2 that states to be T1", "t2: states another weighting, T1", column="t2",
      letter="h")  # fmt: skip
def doubtful_weighting(folder):
    return weighted(folder, "t1", "t1")


@case(49, "refuse", "one image as T1 and as T2", "one image twice", column="t1", letter="i")
def one_image(folder):
    path = str(put(folder, T2, "t2"))
    return {"t1": path, "t2": path}


BOX = "-25,25,-20,20,-5,5"


def few_slices(folder: Path, count: int) -> Row:
    start = 5 - count // 2
    affine = T2.affine.copy()
    affine[:3, 3] = T2.world(np.array([0, 0, start]))
    scan = Volume(T2.voxels[:, :, start : start + count], affine)
    return {"t2": str(put(folder, scan, "t2")), "roi": BOX}


cases_of(
    {
        "a": ("flag", "a scan of 2 slices where 3 are wanted", 2, r"crop: 2 slices.*3"),
        "b": ("flag", "a scan of one slice", 1, r"crop: 1 slice.*3"),
    },
    few_slices,
    50,
)


def single_voxel() -> np.ndarray:
    voxels = np.zeros(T2.shape, dtype=np.float32)
    voxels[12, 11, 5] = 1000
    return voxels


cases_of(
    {
        "a": ("refuse", "a constant image", T2.voxels * 0 + 7, "nothing to standardise", "7"),
        "b": ("refuse", "an image of zeros", T2.voxels * 0, "nothing to standardise", "0"),
        "c": ("refuse", "a single bright voxel", single_voxel(), "nothing to standardise"),
    },
    lambda folder, voxels: put(folder, T2.with_voxels(voxels), "t2"),
    51,
)
