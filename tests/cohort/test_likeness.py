"""Copies are found whatever was done to them; different patients are never taken for one."""

import time

import nibabel as nib
import numpy as np
import pytest

from cystgrid.cohort.likeness import (
    BLOCKS,
    Copies,
    Fingerprint,
    find_copies,
    fingerprint,
    parted,
)
from cystgrid.cohort.phantom.imaging import image_phantom
from cystgrid.scans.reading import read_scan
from cystgrid.scans.volume import Volume

REDUCTION = 4


@pytest.fixture(scope="module")
def scans():
    """T1 and T2 of a few phantoms, some of one centre."""
    found = {}
    for index in (0, 1, 2, 3, 9):
        phantom = image_phantom(5, index, REDUCTION)
        for name, image in (("t1", phantom.t1), ("t2", phantom.t2)):
            volume = Volume(np.rint(image.voxels), image.affine)
            found[phantom.name, name] = volume.canonical()
    return found


def changed(volume, voxels):
    return Volume(np.asarray(voxels, dtype=np.float32), volume.affine)


def noise(volume):
    random = np.random.default_rng(0)
    return changed(volume, volume.voxels + random.normal(0, volume.voxels.std() / 5, volume.shape))


ALTERATIONS = {
    "noise": noise,
    "rescaled": lambda v: changed(v, 3.7 * v.voxels + 50),
    "8 bits": lambda v: changed(
        v, np.rint(v.voxels / np.percentile(v.voxels, 99) * 255).clip(0, 255)
    ),
    "shifted by a voxel in-plane": lambda v: changed(v, np.roll(v.voxels, 1, axis=1)),
    "shifted by a slice": lambda v: changed(v, np.roll(v.voxels, 1, axis=2)),
    "a margin cut off": lambda v: changed(v, v.voxels[1:-1, 1:-1, 1:-1]),
    "padded": lambda v: changed(v, np.pad(v.voxels, ((3, 3), (4, 4), (0, 0)))),
}


@pytest.mark.parametrize("name", ALTERATIONS)
@pytest.mark.parametrize("modality", ["t1", "t2"])
def test_an_altered_copy_is_found_and_nothing_else(scans, name, modality):
    marks = {key: fingerprint(scan) for key, scan in scans.items()}
    marks["copy", modality] = fingerprint(ALTERATIONS[name](scans["P001", modality]))
    (found,) = find_copies(marks)
    assert found.kind == "nearly the same"
    assert found.patients == ("P001", "copy")


def test_different_patients_are_no_copies(scans):
    assert find_copies({key: fingerprint(scan) for key, scan in scans.items()}) == ()


def test_the_same_voxels_are_found_whatever_the_header_says(scans):
    scan = scans["P001", "t2"]
    other = Volume(scan.voxels, scan.affine @ np.diag([1.0, 1.0, 2.0, 1.0]))
    (found,) = find_copies({("a", "t1"): fingerprint(scan), ("b", "t2"): fingerprint(other)})
    assert found == Copies("same voxels", (("a", "t1"), ("b", "t2")))


def test_a_mirrored_copy_is_found_as_such(scans):
    marks = {key: fingerprint(scan) for key, scan in scans.items()}
    scan = scans["P002", "t1"]
    marks["mirror", "t1"] = fingerprint(changed(scan, scan.voxels[::-1]))
    (found,) = find_copies(marks)
    assert (found.kind, found.patients) == ("mirrored", ("P002", "mirror"))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("axes", ["RAS", "LPS", "SAR"])
def test_how_a_file_stores_an_image_changes_nothing(scans, tmp_path, suffix, axes):
    scan = scans["P001", "t1"]
    image = nib.Nifti1Image(scan.voxels.astype(np.int16), scan.affine)
    image.set_sform(scan.affine, 1)
    image.set_qform(scan.affine, 1)
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(scan.affine), nib.orientations.axcodes2ornt(axes)
    )
    nib.save(image.as_reoriented(turn), tmp_path / f"scan{suffix}")
    assert fingerprint(read_scan(tmp_path / f"scan{suffix}")).exact == fingerprint(scan).exact


def test_scans_without_structure_are_like_nothing():
    marks = {
        (str(n), "t1"): fingerprint(Volume(np.full((9, 9, 9), n, dtype=np.float32), np.eye(4)))
        for n in range(3)
    }
    assert find_copies(marks) == ()


def test_copies_of_copies_are_one_set(scans):
    scan = scans["P001", "t2"]
    again = changed(scan, scan.voxels * 2 + 5)
    marks = {(name, "t2"): fingerprint(scan) for name in "abc"}
    marks["d", "t2"] = fingerprint(noise(again))
    same, near = find_copies(marks)
    assert (same.kind, same.patients) == ("same voxels", ("a", "b", "c"))
    assert (near.kind, near.patients) == ("nearly the same", ("a", "b", "c", "d"))


def test_a_patients_own_scans_may_look_alike_but_not_be_the_same(scans):
    scan = scans["P001", "t1"]
    alike = {("a", "t1"): fingerprint(scan), ("a", "t2"): fingerprint(noise(scan))}
    assert find_copies(alike) == ()
    (found,) = find_copies({("a", "t1"): fingerprint(scan), ("a", "t2"): fingerprint(scan)})
    assert found.kind == "same voxels"


def test_a_stored_fingerprint_is_the_same(scans):
    mark = fingerprint(scans["P001", "t1"])
    back = Fingerprint.from_json(mark.to_json())
    assert back.exact == mark.exact
    assert np.array_equal(back.blocks, mark.blocks)
    assert len(mark.to_json()["blocks"]) < 3000


def test_two_thousand_scans_are_compared_in_seconds():
    random = np.random.default_rng(0)
    blocks = random.integers(-127, 128, (2000, *BLOCKS), dtype=np.int8)
    blocks[1999] = blocks[17]
    marks = {(f"p{n:04d}", "t1"): Fingerprint(str(n), each) for n, each in enumerate(blocks)}
    began = time.monotonic()
    (found,) = find_copies(marks)
    assert found.patients == ("p0017", "p1999")
    assert time.monotonic() - began < 10


def test_a_division_that_parts_copies_is_told():
    copies = (
        Copies("same voxels", (("a", "t1"), ("b", "t1"))),
        Copies("same voxels", (("c", "t1"), ("c", "t2"))),
    )
    assert parted(copies, {"a": 0, "b": 1, "c": 0}) == copies[:1]
    assert parted(copies, {"a": 0, "b": 0, "c": 1}) == ()
    assert parted(copies, {"a": 0, "c": 1}) == ()
