import gzip
import tracemalloc
from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from cystgrid.errors import ScanError
from cystgrid.scans.nifti import read_nifti, write_nifti
from cystgrid.scans.reading import read_scan
from cystgrid.scans.settings import ReadLimits, ReadSettings
from cystgrid.scans.volume import Volume


def orientations(volume):
    """All 48 ways to lay the same voxels out along whole axes."""
    for order, flips in product(permutations(range(3)), product((1, -1), repeat=3)):
        turn = np.array(list(zip(order, flips, strict=True)))
        voxels = nib.orientations.apply_orientation(volume.voxels, turn)
        yield Volume(voxels, volume.affine @ nib.orientations.inv_ornt_aff(turn, volume.shape))


def write_with_nibabel(volume, path, dtype="<i2"):
    image = nib.Nifti1Image(volume.voxels.astype(dtype), volume.affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def test_48_orientations_are_one_scan(oblique, tmp_path):
    layouts = list(orientations(oblique))
    assert len({layout.axes for layout in layouts}) == 48
    for layout in layouts:
        write_with_nibabel(layout, tmp_path / "scan.nii")
        read = read_scan(tmp_path / "scan.nii")
        assert read.axes == "RAS"
        assert np.array_equal(read.voxels, oblique.voxels)
        assert np.allclose(read.affine, oblique.affine, atol=1e-4)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_big_endian_equals_little_endian(oblique, tmp_path, kind):
    scans = []
    for order in "<>":
        header = kind.header_class(endianness=order)
        header.set_data_dtype(f"{order}i2")
        image = kind(oblique.voxels.astype("i2"), oblique.affine, header)
        nib.save(image, tmp_path / "scan.nii.gz")
        scans.append(read_nifti(tmp_path / "scan.nii.gz", None, ReadSettings()))
    raw = gzip.decompress((tmp_path / "scan.nii.gz").read_bytes())
    assert int.from_bytes(raw[:4], "big") == kind.header_class.sizeof_hdr
    assert np.array_equal(scans[0].voxels, scans[1].voxels)
    assert np.array_equal(scans[0].affine, scans[1].affine)
    assert np.array_equal(scans[0].voxels, oblique.voxels)
    (note,) = set(scans[1].notes) - set(scans[0].notes)
    assert "big-endian" in note


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8"])
def test_what_is_written_is_read(oblique, tmp_path, name, dtype):
    write_nifti(oblique, tmp_path / name, dtype=dtype)
    read = read_nifti(tmp_path / name, None, ReadSettings())
    header = nib.load(tmp_path / name).header
    assert np.array_equal(read.voxels, oblique.voxels)
    assert np.allclose(read.affine, oblique.affine, atol=1e-4)
    assert (int(header["qform_code"]), int(header["sform_code"])) == (1, 1)
    assert read.notes == ()


def write_series(oblique, path):
    """A 4-D file of three different volumes, ``(i, j, k, n)``."""
    voxels = np.stack([oblique.voxels, oblique.voxels[::-1], oblique.voxels * 2], axis=-1)
    image = nib.Nifti1Image(voxels.astype("<i2"), oblique.affine)
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)
    return voxels


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_one_volume_of_a_series(oblique, tmp_path, name):
    voxels = write_series(oblique, tmp_path / name)
    for number in range(3):
        read = read_scan(f"{tmp_path / name}#volume={number}")
        assert np.array_equal(read.voxels, voxels[..., number])
        assert np.allclose(read.affine, oblique.affine, atol=1e-4)
        assert read.notes == (f"Volume {number} of 0 to 2 was taken.",)
    for choice, fault in (("", "3 volumes"), ("#volume=3", "volume: got 3, expected 0 to 2")):
        with pytest.raises(ScanError, match=fault):
            read_scan(f"{tmp_path / name}{choice}")


def test_the_first_volume_of_a_scan_is_the_scan(oblique, tmp_path):
    write_nifti(oblique, tmp_path / "a.nii")
    assert read_nifti(tmp_path / "a.nii", 0, ReadSettings()).notes == ()
    for volume in (1, -1):
        with pytest.raises(ScanError, match="one volume"):
            read_nifti(tmp_path / "a.nii", volume, ReadSettings())


@pytest.mark.parametrize("volume", [0, 1, 2])
def test_damage_outside_the_chosen_volume_is_seen(oblique, tmp_path, volume):
    write_series(oblique, tmp_path / "a.nii")
    whole = (tmp_path / "a.nii").read_bytes()
    packed = gzip.compress(whole)
    damaged = [
        ("a.nii", whole[:-1]),
        ("a.nii", whole + b"x"),
        ("a.nii.gz", packed[:-6] + bytes([packed[-6] ^ 1]) + packed[-5:]),
        ("a.nii.gz", gzip.compress(whole + b"x")),
        ("a.nii.gz", gzip.compress(whole[:-1])),
    ]
    for name, content in damaged:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ScanError, match=r"bytes|gzip|too early"):
            read_nifti(tmp_path / name, volume, ReadSettings())


def test_limits_of_a_series(oblique, tmp_path):
    """Voxels are counted in the volume that is kept, bytes in the file."""
    write_series(oblique, tmp_path / "a.nii.gz")

    def limited(**limits):
        return ReadSettings(limits=ReadLimits(**limits))

    assert read_nifti(tmp_path / "a.nii.gz", 1, limited(max_voxels=120)).shape == (4, 5, 6)
    with pytest.raises(ScanError, match="max_voxels"):
        read_nifti(tmp_path / "a.nii.gz", 1, limited(max_voxels=119))
    with pytest.raises(ScanError, match="max_inflated_bytes"):
        read_nifti(tmp_path / "a.nii.gz", 1, limited(max_inflated_bytes=352 + 3 * 240 - 1))
    read_nifti(tmp_path / "a.nii.gz", 1, limited(max_inflated_bytes=352 + 3 * 240))


def test_only_the_chosen_volume_is_kept_in_memory(tmp_path):
    image = nib.Nifti1Image(np.ones((64, 64, 32, 40), np.int16), np.eye(4))
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / "a.nii.gz")
    tracemalloc.start()
    read = read_nifti(tmp_path / "a.nii.gz", 20, ReadSettings())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * read.voxels.nbytes < image.header["dim"][1:5].prod() * 4 / 2


SPACINGS = st.tuples(*[st.floats(0.2, 20)] * 3)
ANGLES = st.tuples(*[st.floats(-180, 180)] * 3)
ORIGINS = st.tuples(*[st.floats(-500, 500)] * 3)


@settings(max_examples=60, deadline=None)
@given(spacing=SPACINGS, angles=ANGLES, origin=ORIGINS, data=st.data())
def test_any_orthogonal_placement_comes_back(tmp_path_factory, spacing, angles, origin, data):
    """What is written anywhere in space is read there, axes turned to R, A, S."""
    shape = data.draw(st.tuples(*[st.integers(1, 6)] * 3))
    flips = np.array(data.draw(st.tuples(*[st.sampled_from([-1, 1])] * 3)))
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    affine[:3, :3], affine[:3, 3] = turn * (flips * spacing), origin
    voxels = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    scan = Volume(voxels, affine)
    path = tmp_path_factory.getbasetemp() / "placed.nii.gz"
    write_nifti(scan, path)
    read = read_scan(path)
    index = np.argwhere(np.ones(shape))
    at = np.rint(read.index(scan.world(index))).astype(int)
    assert np.array_equal(read.voxels[tuple(at.T)], voxels[tuple(index.T)])
    assert np.abs(read.world(at) - scan.world(index)).max() < 0.01
    assert np.array_equal(read.canonical().voxels, read.voxels)


def test_equal_scans_give_equal_bytes(oblique, tmp_path):
    write_nifti(oblique, tmp_path / "a.nii.gz")
    write_nifti(oblique, tmp_path / "other name.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "other name.nii.gz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nii.gz", "other name.nii.gz"]


def test_writing_refuses_to_lose_anything(oblique, tmp_path):
    with pytest.raises(ValueError, match="int16 cannot hold"):
        write_nifti(oblique.with_voxels(oblique.voxels + 0.5), tmp_path / "a.nii", dtype="i2")
    with pytest.raises(ValueError, match="ends in none of"):
        write_nifti(oblique, tmp_path / "a.img")
    assert list(tmp_path.iterdir()) == []


def test_scale_factor_agrees_with_nibabel(oblique, tmp_path):
    image = nib.Nifti1Image(oblique.voxels.astype("u1"), oblique.affine)
    image.header.set_slope_inter(0.25, -3)
    nib.save(image, tmp_path / "a.nii")
    expected = np.asarray(nib.load(tmp_path / "a.nii").dataobj)
    assert np.allclose(read_nifti(tmp_path / "a.nii", None, ReadSettings()).voxels, expected)
    assert expected.max() > expected.min()


def test_a_flipped_bit_never_gives_other_voxels(oblique, tmp_path):
    path = tmp_path / "scan.nii.gz"
    noise = np.random.default_rng(1).integers(0, 4096, (32, 32, 16)).astype(np.float32)
    write_nifti(Volume(noise, oblique.affine), path, dtype="i2")
    whole, good = path.read_bytes(), read_nifti(path, None, ReadSettings())
    fooled = refused = 0
    for bit in np.random.default_rng(1).choice(8 * len(whole), size=200, replace=False):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        fooled += _nibabel_is_fooled(path, good)
        try:
            read = read_nifti(path, None, ReadSettings())
        except ScanError:
            refused += 1
            continue
        assert np.array_equal(read.voxels, good.voxels)  # a bit of gzip's own header
        assert np.array_equal(read.affine, good.affine)
    assert refused > 150
    assert fooled > 0  # the control: a reader that stops at the last voxel does not notice


def _nibabel_is_fooled(path, good):
    try:
        image = nib.load(path)
        return not np.array_equal(np.asarray(image.dataobj), good.voxels)
    except Exception:
        return False
