"""The same image in every encoding: transfer syntaxes, bit depths, codecs, deflated data sets."""

import logging
import re
import threading
import zlib
from contextlib import nullcontext

import gdcm
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread, dcmwrite
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from cystgrid.errors import ScanError
from cystgrid.scans import dicom_codecs
from cystgrid.scans.dicom import read_dicom
from cystgrid.scans.reading import read_scan
from cystgrid.scans.settings import ReadLimits, ReadSettings
from cystgrid.scans.volume import Volume

ROWS, COLUMNS = 40, 36
UNCOMPRESSED = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big-endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}
DEPTHS = [(8, 8, False), (16, 12, False), (16, 16, True), (16, 12, True), (32, 20, False)]


@pytest.fixture
def smooth() -> Volume:
    """36 x 40 x 3 smooth integers from 0 to 200."""
    i, j, k = np.indices((COLUMNS, ROWS, 3))
    voxels = np.rint(100 + 60 * np.sin(i / 9) + 40 * np.cos(j / 7 + k))
    return Volume(voxels.astype(np.float32), np.diag([1.5, 1.5, 4.0, 1.0]))


def stored_as(allocated, stored, signed):
    """An edit for ``write_slices``: the voxels, less 100 where signed, in that many bits."""

    def edit(k, dataset, voxels):
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = allocated, stored, stored - 1
        dataset.PixelRepresentation = int(signed)
        kind = f"<{'i' if signed else 'u'}{allocated // 8}"
        dataset.PixelData = (voxels[:, :, k].T - 100 * signed).astype(kind).tobytes()
        dataset["PixelData"].VR = "OB" if allocated == 8 else "OW"

    return edit


def rewritten(path, syntax):
    dataset = dcmread(path)
    if syntax == ExplicitVRBigEndian:
        kind = f"u{dataset.BitsAllocated // 8}"
        swapped = np.frombuffer(dataset.PixelData, dtype=f"<{kind}").astype(f">{kind}")
        dataset.PixelData = swapped.tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    dcmwrite(path, dataset, enforce_file_format=True)


@pytest.mark.parametrize("syntax", UNCOMPRESSED.values(), ids=UNCOMPRESSED)
@pytest.mark.parametrize("depth", DEPTHS, ids=str)
def test_uncompressed_twins_are_equal(smooth, tmp_path, write_slices, syntax, depth):
    edit = stored_as(*depth)
    paths = write_slices(tmp_path, smooth, lambda k, dataset: edit(k, dataset, smooth.voxels))
    plain = read_scan(tmp_path)
    assert np.array_equal(plain.voxels, smooth.voxels - 100 * depth[2])
    for path in paths:
        rewritten(path, syntax)
    if syntax == ExplicitVRBigEndian and depth[0] == 8:
        with pytest.raises(ScanError, match="big-endian"):
            read_scan(tmp_path)
        return
    twin = read_scan(tmp_path)
    assert np.array_equal(twin.voxels, plain.voxels)
    assert twin.notes == plain.notes == ()


def by_pydicom(syntax, **options):
    def compress(path):
        dataset = dcmread(path)
        dataset.compress(syntax, **options)
        dcmwrite(path, dataset, enforce_file_format=True)

    return compress


def jpeg_lossless(path):
    """gdcm writes some elements of its own, so only its pixels are taken."""
    reader, writer = gdcm.ImageReader(), gdcm.ImageWriter()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    packed = path.with_suffix(".packed")
    reader.SetFileName(str(path))
    writer.SetFileName(str(packed))
    assert reader.Read()
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    dataset = dcmread(path)
    dataset["PixelData"] = dcmread(packed)["PixelData"]
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    packed.unlink()
    dcmwrite(path, dataset, enforce_file_format=True)


def jpeg_baseline(path):
    dataset = dcmread(path)
    stored = np.frombuffer(dataset.PixelData, dtype=np.uint8).reshape(ROWS, COLUMNS)
    packed = path.with_suffix(".jpg")
    Image.fromarray(stored).save(packed, quality=95)
    dataset.PixelData = encapsulate([packed.read_bytes()])
    dataset["PixelData"].is_undefined_length = True
    packed.unlink()
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dcmwrite(path, dataset, enforce_file_format=True)


LOSSLESS = {
    "JPEG 2000": by_pydicom(JPEG2000Lossless),
    "JPEG-LS": by_pydicom(JPEGLSLossless),
    "RLE": by_pydicom(RLELossless),
    "JPEG lossless": jpeg_lossless,
}
LOSSY = {
    "JPEG 2000": (by_pydicom(JPEG2000, j2k_cr=[4]), "01", (8, 8, False), 20),
    "JPEG-LS": (by_pydicom(JPEGLSNearLossless, jls_error=2), "00", (16, 12, False), 2),
    "JPEG baseline": (jpeg_baseline, "00", (8, 8, False), 8),
}


@pytest.mark.parametrize("codec", LOSSLESS)
@pytest.mark.parametrize("depth", DEPTHS[:4], ids=str)
def test_lossless_codecs_give_the_voxels_back(smooth, tmp_path, write_slices, codec, depth):
    edit = stored_as(*depth)
    paths = write_slices(tmp_path, smooth, lambda k, dataset: edit(k, dataset, smooth.voxels))
    for path in paths:
        LOSSLESS[codec](path)
    read = read_scan(tmp_path)
    assert np.array_equal(read.voxels, smooth.voxels - 100 * depth[2])
    assert read.notes == ()


@pytest.mark.parametrize("codec", LOSSY)
def test_loss_is_noted_and_small(smooth, tmp_path, write_slices, codec):
    compress, stated, depth, tolerance = LOSSY[codec]
    edit = stored_as(*depth)

    def lossy(k, dataset):
        edit(k, dataset, smooth.voxels)
        dataset.LossyImageCompression = stated

    for path in write_slices(tmp_path, smooth, lossy):
        compress(path)
    read = read_scan(tmp_path)
    assert 0 < np.abs(read.voxels - smooth.voxels).max() <= tolerance
    assert read.notes == ("The images were compressed with loss before they were stored.",)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless], ids=str)
def test_frames_of_a_compressed_file_are_chosen_one_by_one(
    smooth, tmp_path, write_enhanced, syntax
):
    def edit(dataset):
        for index, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            frame.MREchoSequence[0].EffectiveEchoTime = 1.0 + index // 3

    path = tmp_path / "scan.dcm"
    write_enhanced(path, smooth, [0, 1, 2, 2, 0, 1], edit)
    by_pydicom(syntax)(path)
    for volume in (0, 1):
        assert np.array_equal(read_scan(f"{path}#volume={volume}").voxels, smooth.voxels)


@pytest.mark.parametrize("codec", ["JPEG 2000", "JPEG-LS", "JPEG lossless"])
def test_an_image_of_another_size_is_refused_before_it_is_decoded(
    smooth, tmp_path, write_slices, codec, monkeypatch
):
    edit = stored_as(16, 12, False)
    for path in write_slices(tmp_path, smooth, lambda k, d: edit(k, d, smooth.voxels)):
        LOSSLESS[codec](path)
        content = path.read_bytes()
        size = {  # where the image states its own columns and rows
            "JPEG 2000": ((COLUMNS << 32 | ROWS).to_bytes(8), (65000 << 32 | 65000).to_bytes(8)),
        }.get(codec, ((ROWS << 16 | COLUMNS).to_bytes(4), b"\xfd\xe8\xfd\xe8"))
        assert size[0] in content
        path.write_bytes(content.replace(*size))
    for decode in ("_by_us", "_by_library"):
        monkeypatch.setattr(dicom_codecs, decode, lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(ScanError, match="65000 x 65000 x 1 pixels in the image itself"):
        read_scan(tmp_path)


@pytest.mark.parametrize("codec", LOSSLESS)
def test_fragments_that_lost_or_gained_bytes_are_refused(smooth, tmp_path, write_slices, codec):
    edit = stored_as(16, 12, False)
    for path in write_slices(tmp_path, smooth, lambda k, d: edit(k, d, smooth.voxels)):
        LOSSLESS[codec](path)
    content = path.read_bytes()
    middle = len(content) - 300
    for damaged in (
        content[:middle] + content[middle + 2 :],
        content[:middle] + content[middle - 2 :],
        content[:-8],
    ):
        path.write_bytes(damaged)
        with pytest.raises(ScanError, match="PixelData"):
            read_scan(tmp_path)


@pytest.mark.parametrize("other", [False, True], ids=["its own", "another's"])
def test_a_decoder_that_warns_is_not_trusted(smooth, tmp_path, write_slices, monkeypatch, other):
    """One that decodes another image in another thread may warn of that."""
    for path in write_slices(tmp_path, smooth):
        by_pydicom(JPEG2000Lossless)(path)
    decode = dicom_codecs.get_decoder(JPEG2000Lossless).iter_array

    def warn():
        logging.getLogger("openjpeg.decode").warning("a tile is cut short")

    def warning(*arguments, **options):
        for image in decode(*arguments, **options):
            if other:
                thread = threading.Thread(target=warn)
                thread.start()
                thread.join()
            else:
                warn()
            yield image

    monkeypatch.setattr(dicom_codecs.get_decoder(JPEG2000Lossless), "iter_array", warning)
    with nullcontext() if other else pytest.raises(ScanError, match="damaged"):
        read_scan(tmp_path)


def test_a_missing_codec_is_named_with_its_package(smooth, tmp_path, write_slices, monkeypatch):
    for path in write_slices(tmp_path, smooth):
        by_pydicom(JPEGLSLossless)(path)
    monkeypatch.setattr(get_decoder(JPEGLSLossless), "_available", {})
    with pytest.raises(ScanError, match=r"JPEG-LS Lossless.*no installed.*pip install pyjpegls"):
        read_scan(tmp_path)


def with_inflated(path, change):
    """Rewrite a deflated file's data set by ``change(bytes) -> bytes``."""
    content = path.read_bytes()
    at = 144 + int.from_bytes(content[140:144], "little")
    inflated = change(zlib.decompress(content[at:], -zlib.MAX_WBITS))
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    path.write_bytes(content[:at] + packer.compress(inflated) + packer.flush())


def deflated_series(folder, volume, write_slices):
    paths = write_slices(folder, volume)
    for path in paths:
        rewritten(path, DeflatedExplicitVRLittleEndian)
    return paths


def test_inflating_stops_at_its_limit(smooth, tmp_path, write_slices):
    bomb = deflated_series(tmp_path, smooth, write_slices)[1]
    size = 64 * 2**20
    zeros = b"\xdf\x7f\x10\x10OB\0\0" + size.to_bytes(4, "little") + bytes(size)
    at_pixels = re.compile(b"\xe0\x7f\x10\x00O[BW]")
    with_inflated(bomb, lambda inflated: at_pixels.sub(lambda m: zeros + m[0], inflated, count=1))
    assert bomb.stat().st_size < 2**17
    settings = ReadSettings(limits=ReadLimits(max_inflated_bytes=2**20))
    with pytest.raises(ScanError, match="deflated data set of more than 1048576 bytes"):
        read_dicom(tmp_path, None, None, settings)
    assert np.array_equal(read_scan(tmp_path).voxels, smooth.voxels)  # within the default limit


DEFLATE_DAMAGE = {
    "cut": (lambda content: content[:-100], "ends too early"),
    "followed": (lambda content: content + b"more", "bytes after the end"),
    "no deflate": (lambda content: content[:400] + b"\xff" * 200, "damaged"),
}


@pytest.mark.parametrize(("change", "fault"), DEFLATE_DAMAGE.values(), ids=DEFLATE_DAMAGE)
def test_damaged_deflated_files_are_refused(smooth, tmp_path, write_slices, change, fault):
    path = deflated_series(tmp_path, smooth, write_slices)[0]
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ScanError, match=fault):
        read_scan(tmp_path)
