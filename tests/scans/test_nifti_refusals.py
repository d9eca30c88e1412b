"""What a NIfTI file must not get away with; the message names the field at fault."""

import gzip
import re
import tracemalloc
import zlib

import nibabel as nib
import numpy as np
import pytest

from cystgrid.errors import ScanError
from cystgrid.scans.geometry import corner_distance
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
    "four dimensions": ({"dim": dim(4, 5, 3, 2)}, "4x5x3x2, 2 volumes.*FILE#volume=N"),
    "five dimensions": ({"dim": dim(4, 5, 3, 1, 2)}, "4x5x3x1x2, 5 dimensions"),
    "RGBA": ({"datatype": 2304, "bitpix": 32}, "RGBA"),
    "tiny slope": ({"scl_slope": 1e-30}, "scl_slope"),
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
    "left-right flip": (FLIPPED, r"[1-9]\d*\.\d\d mm apart at a corner and mirrored.*nifti_form"),
    "zero sform alone": ({"qform_code": 0, "srow_x": 0, "srow_y": 0, "srow_z": 0}, "sform"),
    "NaN sform alone": ({"qform_code": 0, "srow_z": np.nan}, "sform.*not finite"),
    "long quaternion": ({"sform_code": 0, "quatern_b": 2}, "qform.*quaternion"),
    "long quaternion beside a sform": ({"quatern_b": 2}, "qform.*quaternion.*nifti_form"),
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
    "extension of odd size": (lambda whole: extended(whole, 24), "header extension at byte 352"),
    "thousands of extensions": (lambda whole: many_extensions(whole), "more than 1000"),
    "gzip": (gzip.compress, "compressed by gzip whose name does not say so.*rename"),
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


def many_extensions(whole):
    header = nib.Nifti1Header(whole[:HEADER], check=False)
    header["vox_offset"] = 352 + 16 * 5000
    block = np.array([16, 6], "<i4").tobytes() + bytes(8)
    return header.binaryblock + b"\1\0\0\0" + block * 5000 + whole[352:]


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
    "cut": (lambda packed: packed[:-30], "gzip.*ends too early"),
    "without its length": (lambda packed: packed[:-4], "gzip.*ends too early"),
    "a CRC byte": (lambda packed: packed[:-5] + bytes([packed[-5] ^ 1]) + packed[-4:], "gzip"),
    "a length byte": (lambda packed: packed[:-1] + bytes([packed[-1] ^ 1]), "gzip"),
    "trailing text": (lambda packed: packed + b"trailing", "behind the gzip stream"),
    "trailing zeros": (lambda packed: packed + bytes(512), "behind the gzip stream"),
    "trailing first byte of gzip": (lambda packed: packed + b"\x1f", "gzip.*ends too early"),
    "a bit of the header": (lambda packed: with_a_bad_dim(packed), "gzip.*data check"),
    "second member": (lambda packed: packed + gzip.compress(b"more"), "bytes after"),
    "members without end": (lambda packed: packed + gzip.compress(b"") * 70_000, "65536"),
    "reserved flags": (lambda packed: packed[:3] + b"\xe0" + packed[4:], "gzip"),
    "another method": (lambda packed: packed[:2] + b"\x07" + packed[3:], "gzip"),
    "plain": (gzip.decompress, "gzip has not compressed.*rename"),
    "text": (lambda packed: b"patient,label", "gzip has not compressed"),
    "gzip of nothing": (lambda packed: gzip.compress(b""), "not begin like NIfTI"),
}


@pytest.mark.parametrize(("change", "fault"), PACKED.values(), ids=PACKED)
def test_damaged_gzip_is_refused(oblique, tmp_path, change, fault):
    path = tmp_path / "scan.nii.gz"
    write_nifti(oblique, path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ScanError, match=rf"scan\.nii\.gz.*{fault}"):
        read_scan(path)


def with_a_bad_dim(packed):
    """A negative size that comes from damage, as the checksum tells."""
    content = bytearray(gzip.decompress(packed))
    content[43] ^= 0x80
    return gzip.compress(content)[:-8] + packed[-8:]


def with_header_parts(packed):
    """A gzip header with extra field, name, comment and its own checksum (RFC 1952, 2.3)."""
    start = b"\x1f\x8b\x08\x1e" + bytes(4) + b"\0\xff" + b"\x04\0ABCDscan.nii\0a comment\0"
    return start + (zlib.crc32(start) & 0xFFFF).to_bytes(2, "little") + packed[10:]


def in_members(packed):
    content = gzip.decompress(packed)
    pieces = [content[n : n + 100] for n in range(0, len(content), 100)]
    return b"".join(gzip.compress(piece) for piece in [b"", *pieces, b""])


@pytest.mark.parametrize("change", [with_header_parts, in_members])
def test_any_legal_gzip_is_read(oblique, tmp_path, change):
    path = tmp_path / "scan.nii.gz"
    write_nifti(oblique, path)
    packed = change(path.read_bytes())
    assert gzip.decompress(packed) == gzip.decompress(path.read_bytes())
    path.write_bytes(packed)
    assert np.array_equal(read_scan(path).voxels, oblique.voxels)


def test_a_damaged_gzip_header_is_refused_where_it_has_a_checksum(oblique, tmp_path):
    path = tmp_path / "scan.nii.gz"
    write_nifti(oblique, path)
    packed = bytearray(with_header_parts(path.read_bytes()))
    packed[13] ^= 1
    path.write_bytes(packed)
    with pytest.raises(ScanError, match="gzip"):
        read_scan(path)


def peak_of_refusal(path, fault):
    """Bytes that Python allocated at most while ``path`` was being refused."""
    tracemalloc.start()
    try:
        with pytest.raises(ScanError, match=fault):
            read_scan(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


ZEROS = 16 * 2**20


@pytest.mark.parametrize(
    ("sizes", "fault"), [((1024, 1024, 512), "max_voxels"), ((4, 5, 6), "bytes after")]
)
def test_a_gzip_bomb_is_not_inflated(oblique, tmp_path, sizes, fault):
    """2 GiB in 2 MB, behind a header that tells of it, and behind one that does not."""
    edited(oblique, tmp_path / "scan.nii", dim=dim(*sizes), datatype=16, bitpix=32)
    header = (tmp_path / "scan.nii").read_bytes()[:352]
    path = tmp_path / "bomb.nii.gz"
    zeros = gzip.compress(bytes(ZEROS))
    path.write_bytes(gzip.compress(header) + zeros * (2**31 // ZEROS))
    assert peak_of_refusal(path, fault) < 2**21


def test_a_false_promise_is_refused_before_anything_is_allocated(oblique, tmp_path):
    path = tmp_path / "scan.nii"
    edited(oblique, path, dim=dim(500, 500, 500))
    path.with_suffix(".nii.gz").write_bytes(gzip.compress(path.read_bytes()))
    for name in ("scan.nii", "scan.nii.gz"):
        assert peak_of_refusal(tmp_path / name, "room for the 250000352 bytes") < 2**21


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
    "no scale": ({"scl_slope": np.nan, "scl_inter": np.nan}, None),
    "one volume in 7 dimensions": ({"dim": dim(4, 5, 6, 1, 1, 1, 1)}, None),
    "other pixdim": ({"qform_code": 0, "pixdim": [1, 2, 2, 2, 0, 0, 0, 0]}, "differs from pixdim"),
}


@pytest.mark.parametrize(("fields", "note"), ACCEPTED.values(), ids=ACCEPTED)
def test_what_is_assumed_is_noted(oblique, tmp_path, fields, note):
    edited(oblique, tmp_path / "scan.nii", **fields)
    read = read_scan(tmp_path / "scan.nii")
    assert np.allclose(read.affine, oblique.affine, atol=1e-4)
    assert np.array_equal(read.voxels, oblique.voxels)
    assert len(read.notes) == (note is not None)
    assert re.search(note or "", " ".join(read.notes))


@pytest.mark.parametrize(
    ("form", "other", "broken"),
    [("sform", "qform", {"quatern_b": 2}), ("qform", "sform", {"srow_x": 0})],
)
def test_the_chosen_form_is_taken(oblique, tmp_path, form, other, broken):
    path, settings = tmp_path / "scan.nii", ReadSettings(nifti_form=form)
    edited(oblique, path, **FLIPPED)
    header = nib.load(path).header
    chosen = {"sform": header.get_sform(), "qform": header.get_qform()}
    read = read_nifti(path, None, settings)
    assert np.allclose(read.affine, chosen[form], atol=1e-6)
    apart = corner_distance(chosen["sform"], chosen["qform"], read.shape)
    assert any(f"{other} lies up to {apart:.2f} mm elsewhere" in note for note in read.notes)

    edited(oblique, path)  # the control: where they agree, nothing is noted
    assert read_nifti(path, None, settings).notes == ()
    edited(oblique, path, **broken)
    note = read_nifti(path, None, settings).notes[0]
    assert note.startswith(f"The {other} holds")
    edited(oblique, path, **{f"{other}_code": 0})
    assert np.allclose(read_nifti(path, None, settings).affine, oblique.affine, atol=1e-4)


@pytest.mark.parametrize(
    ("form", "fields", "fault"),
    [
        ("sform", {"sform_code": 0}, "sform_code: got 0, not set"),
        ("qform", {"qform_code": 0}, "qform_code: got 0, not set"),
        ("sform", {"srow_x": np.nan}, "sform: got numbers that are not finite"),
        ("sform", {"srow_x": 0, "srow_y": 0, "srow_z": 0}, "sform: got a voxel spacing of 0"),
        ("qform", {"quatern_b": 2}, "qform: got an impossible rotation"),
        ("sform", {"sform_code": 0, "qform_code": 0}, "qform_code, sform_code: got 0 and 0"),
    ],
)
def test_a_chosen_form_that_is_missing_or_broken_is_refused(oblique, tmp_path, form, fields, fault):
    edited(oblique, tmp_path / "scan.nii", **fields)
    with pytest.raises(ScanError, match=fault):
        read_scan(tmp_path / "scan.nii", ReadSettings(nifti_form=form))


def test_no_refusal_shows_a_name_once_it_is_renamed(oblique, tmp_path):
    """Every refusal of this file, of a path whose parts may each hold a person's name."""
    folder = tmp_path / "Secret^Person" / "b#19350412"
    refusals = 0
    for fields, _ in FIELDS.values():
        edited(oblique, folder / "Secret.nii", **fields)
        refusals += shows_no_name(folder / "Secret.nii")
    for kind, changes in (("nii", CONTENTS), ("nii.gz", PACKED)):
        for change, _ in changes.values():
            path = folder / f"Secret.{kind}"
            write_nifti(oblique, path)
            path.write_bytes(change(path.read_bytes()))
            refusals += shows_no_name(path)
    many = oblique.with_voxels(np.full(oblique.shape, np.nan))
    nib.save(nib.Nifti1Image(many.voxels, many.affine), folder / "Secret.nii")
    refusals += shows_no_name(folder / "Secret.nii")
    huge = oblique.voxels.astype("f8") * 1e300
    nib.save(nib.Nifti1Image(huge, oblique.affine), folder / "Secret.nii")
    refusals += shows_no_name(folder / "Secret.nii")
    refusals += shows_no_name(folder / "Secret.nii", ReadLimits(max_file_bytes=1))
    (folder / "Secret.nii").unlink()
    (folder / "Secret.nii").mkdir()
    refusals += shows_no_name(folder / "Secret.nii")
    assert refusals == len(FIELDS) + len(CONTENTS) + len(PACKED) + 4


def shows_no_name(path, limits=None):
    with pytest.raises(ScanError) as caught:
        read_scan(path, ReadSettings(limits=limits or ReadLimits()))
    named = caught.value.naming(lambda path: "X")
    text = str(named)
    shown = [part for part in ("Secret", "1935", str(path.parents[2])) if part in text]
    assert not shown, text
    assert "X" in text
    assert str(path) in str(caught.value)  # the control
    return 1
