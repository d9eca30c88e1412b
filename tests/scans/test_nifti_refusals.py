"""What a NIfTI file must not get away with; the message names the field at fault."""

import gzip
import re
import tracemalloc

import nibabel as nib
import numpy as np
import pytest

from cystgrid.errors import ScanError
from cystgrid.scans.nifti import read_nifti, write_nifti
from cystgrid.scans.reading import read_scan
from cystgrid.scans.settings import ReadLimits, ReadSettings

HEADER = 348


def edited(oblique, path, **fields):
    """A sound int16 file with some header fields overwritten."""
    write_nifti(oblique, path, dtype="i2")
    content = path.read_bytes()
    header = nib.Nifti1Header(content[:HEADER], check=False)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + content[HEADER:])


def dim(*sizes):
    return [len(sizes), *sizes, *[1] * (7 - len(sizes))]


SHEARED = {
    "qform_code": 0,
    "srow_x": [1, 0.2, 0, 0],
    "srow_y": [0, 1, 0, 0],
    "srow_z": [0, 0, 3, 0],
}
FLIPPED = {"srow_x": [-1, 0, 0, 0], "srow_y": [0, 1, 0, 0], "srow_z": [0, 0, 3, 0]}
FIELDS = {
    "negative size": ({"dim": dim(4, -5, 6)}, "dim"),
    "zero size": ({"dim": dim(4, 0, 6)}, "dim"),
    "no dimensions": ({"dim": [0, 4, 5, 6, 1, 1, 1, 1]}, r"dim\[0\]"),
    "nine dimensions": ({"dim": [9, 4, 5, 6, 1, 1, 1, 1]}, r"dim\[0\]"),
    "two dimensions": ({"dim": dim(4, 30)}, "3 dimensions"),
    "four dimensions": ({"dim": dim(4, 5, 3, 2)}, "4x5x3x2"),
    "32767 cubed": ({"dim": dim(32767, 32767, 32767)}, "voxels.*max_voxels"),
    "RGB": ({"datatype": 128, "bitpix": 24}, "RGB"),
    "complex": ({"datatype": 32, "bitpix": 64}, "complex64"),
    "no such type": ({"datatype": 77}, "no NIfTI type"),
    "wrong bitpix": ({"bitpix": 8}, "bitpix"),
    "infinite slope": ({"scl_slope": np.inf}, "scl_slope"),
    "huge slope": ({"scl_slope": 1e38}, "scl_slope"),
    "slope without intercept": ({"scl_slope": 2, "scl_inter": np.nan}, "scl_inter"),
    "offset NaN": ({"vox_offset": np.nan}, "vox_offset"),
    "offset 1e9": ({"vox_offset": 1e9}, "bytes"),
    "offset in the header": ({"vox_offset": 100}, "vox_offset"),
    "offset with a fraction": ({"vox_offset": 352.5}, "vox_offset"),
    "no form": ({"qform_code": 0, "sform_code": 0}, "qform_code, sform_code"),
    "form code 77": ({"sform_code": 77}, "sform_code"),
    "left-right flip": (FLIPPED, r"[1-9]\d*\.\d\d mm apart at a corner"),
    "zero sform alone": ({"qform_code": 0, "srow_x": 0, "srow_y": 0, "srow_z": 0}, "sform"),
    "NaN sform alone": ({"qform_code": 0, "srow_z": np.nan}, "sform.*not finite"),
    "long quaternion": ({"sform_code": 0, "quatern_b": 2}, "qform.*quaternion"),
    "negative pixdim": ({"sform_code": 0, "pixdim": [1, -1, 1, 1, 0, 0, 0, 0]}, "qform"),
    "zero pixdim": ({"sform_code": 0, "pixdim": [1, 0, 1, 1, 0, 0, 0, 0]}, "spacing"),
    "qfac 7": ({"sform_code": 0, "pixdim": [7, 1, 1, 1, 0, 0, 0, 0]}, "qform.*qfac"),
    "sheared": (SHEARED, "sheared"),
    "metres": ({"xyzt_units": 1}, "metres"),
    "half of a pair": ({"magic": b"ni1"}, "pair"),
    "no magic": ({"magic": b"xyz"}, "magic"),
}


@pytest.mark.parametrize(("fields", "fault"), FIELDS.values(), ids=FIELDS)
def test_impossible_header_is_refused(oblique, tmp_path, fields, fault):
    edited(oblique, tmp_path / "scan.nii", **fields)
    with pytest.raises(ScanError, match=rf"scan\.nii.*{fault}"):
        read_scan(tmp_path / "scan.nii")


def test_an_edit_that_changes_nothing_is_read(oblique, tmp_path):
    """The control for the test above."""
    edited(oblique, tmp_path / "scan.nii", qform_code=1)
    assert np.array_equal(read_scan(tmp_path / "scan.nii").voxels, oblique.voxels)


CONTENTS = {
    "empty": (lambda whole: b"", "empty"),
    "text": (lambda whole: b"patient,label\n" * 100, "not begin like NIfTI"),
    "JSON": (lambda whole: b'{"a": 1}', "not begin like NIfTI"),
    "header cut": (lambda whole: whole[:200], "ends too early"),
    "cut": (lambda whole: whole[:-1], "room for"),
    "trailing": (lambda whole: whole + b"x", "bytes after"),
    "NIfTI-2 of 200 dimensions": (lambda whole: nifti2_of_200(), r"dim\[0\]"),
    "huge extension": (lambda whole: extended(whole, 2**30), "header extension at byte 352"),
    "negative extension": (lambda whole: extended(whole, -16), "header extension at byte 352"),
}


def nifti2_of_200():
    header = nib.Nifti2Header()
    header["dim"][0] = 200
    return header.binaryblock + bytes(4)


def extended(whole, size):
    """The same file with a 32-byte extension that states ``size``."""
    header = nib.Nifti1Header(whole[:HEADER], check=False)
    header["vox_offset"] = 384
    block = np.array([size, 6], "<i4").tobytes() + bytes(24)
    return header.binaryblock + b"\1\0\0\0" + block + whole[352:]


@pytest.mark.parametrize(("change", "fault"), CONTENTS.values(), ids=CONTENTS)
def test_damaged_file_is_refused(oblique, tmp_path, change, fault):
    path = tmp_path / "scan.nii"
    write_nifti(oblique, path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ScanError, match=rf"scan\.nii.*({fault})"):
        read_scan(path)


def test_a_sound_extension_is_skipped(oblique, tmp_path):
    path = tmp_path / "scan.nii"
    write_nifti(oblique, path)
    path.write_bytes(extended(path.read_bytes(), 32))
    assert np.array_equal(read_scan(path).voxels, oblique.voxels)


PACKED = {
    "cut": (lambda packed: packed[:-30], "damaged"),
    "last CRC byte": (lambda packed: packed[:-5] + bytes([packed[-5] ^ 1]) + packed[-4:], "CRC"),
    "trailing": (lambda packed: packed + b"trailing", "damaged"),
    "second member": (lambda packed: packed + gzip.compress(b"more"), "bytes after"),
    "not gzip": (gzip.decompress, "gzip"),
}


@pytest.mark.parametrize(("change", "fault"), PACKED.values(), ids=PACKED)
def test_damaged_gzip_is_refused(oblique, tmp_path, change, fault):
    path = tmp_path / "scan.nii.gz"
    write_nifti(oblique, path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ScanError, match=rf"scan\.nii\.gz.*{fault}"):
        read_scan(path)


def test_a_false_promise_is_refused_before_anything_is_allocated(oblique, tmp_path):
    path = tmp_path / "scan.nii"
    edited(oblique, path, dim=dim(500, 500, 500))
    path.with_suffix(".nii.gz").write_bytes(gzip.compress(path.read_bytes()))
    for name in ("scan.nii", "scan.nii.gz"):
        tracemalloc.start()
        with pytest.raises(ScanError, match="room for the 250000352 bytes"):
            read_scan(tmp_path / name)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**21


@pytest.mark.parametrize("limit", ["max_voxels", "max_file_bytes", "max_inflated_bytes"])
def test_limits_bind(oblique, tmp_path, limit):
    write_nifti(oblique, tmp_path / "scan.nii")
    with pytest.raises(ScanError, match=limit):
        limits = ReadLimits(**{limit: 119 if limit == "max_voxels" else 400})
        read_nifti(tmp_path / "scan.nii", None, ReadSettings(limits=limits))
    read_nifti(tmp_path / "scan.nii", None, ReadSettings(limits=ReadLimits(max_voxels=120)))


ACCEPTED = {
    "void sform beside a qform": ({"srow_x": 0, "srow_y": 0, "srow_z": 0}, "sform.*left out"),
    "NaN sform beside a qform": ({"srow_z": np.nan}, "sform.*left out"),
    "no unit": ({"xyzt_units": 0}, "mm was assumed"),
    "other pixdim": ({"qform_code": 0, "pixdim": [1, 2, 2, 2, 0, 0, 0, 0]}, "differs from pixdim"),
}


@pytest.mark.parametrize(("fields", "note"), ACCEPTED.values(), ids=ACCEPTED)
def test_what_is_assumed_is_noted(oblique, tmp_path, fields, note):
    edited(oblique, tmp_path / "scan.nii", **fields)
    read = read_scan(tmp_path / "scan.nii")
    assert np.allclose(read.affine, oblique.affine, atol=1e-4)
    assert len(read.notes) == 1
    assert re.search(note, read.notes[0])
