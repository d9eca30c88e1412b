"""Cases 38 to 44: how a DICOM file is encoded, and what is hidden in it."""

import shutil
import warnings
import zlib
from pathlib import Path

from pydicom import Dataset, dcmread, dcmwrite
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.pixels import get_decoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEG2000MCLossless,
    JPEGLSLossless,
    MediaStorageDirectoryStorage,
    RLELossless,
)

from catalogue.dicom_image_cases import IMAGE, spoiled
from catalogue.framework import Made, case, cases_of, real
from catalogue.sound import (
    SECRET,
    SECRET_DATE,
    slice_path,
    write_slices,
)

TAG = r"\([0-9A-F]{4},[0-9A-F]{4}\)"
PRIVATE = b"\xdf\x7f\x10\x10"
"""A private tag, little-endian, right before the pixels', where tags must stand in order."""


def repacked(folder: Path, change) -> Path:
    """The series with the file of one image rewritten by ``change(path)``."""
    write_slices(folder)
    change(slice_path(folder, IMAGE))
    return folder


def declared(path: Path, syntax: str) -> None:
    """Write another transfer syntax of the same length into the file's meta information."""
    old = dcmread(path).file_meta.TransferSyntaxUID.encode()
    content = path.read_bytes()
    at = content.index(old)
    new = syntax.encode().ljust(len(old) + len(old) % 2, b"\0")
    path.write_bytes(content[:at] + new + content[at + len(new) :])


@case(38, "refuse", "declares big-endian, is little-endian", rf"{TAG}|parsed")
def false_big_endian(folder):
    return repacked(folder, lambda path: declared(path, ExplicitVRBigEndian))


def packed(folder: Path, argument: tuple[str, bytes]) -> Path:
    syntax, content = argument

    def change(dataset):
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = encapsulate([content])
        dataset["PixelData"].is_undefined_length = True

    return spoiled(folder, change)


def hide_decoders() -> None:
    """As if no package were installed that decodes JPEG-LS."""
    get_decoder(JPEGLSLossless)._available.clear()


GARBAGE = b"garbage!" * 9
JPEG_LS = (
    b"\xff\xd8\xff\xf7\0\x0b\x0c" + bytes([0, 22, 0, 24]) + b"\1\1\x11\0"
    b"\xff\xda\0\x08\1\1\0\0\0\0" + bytes(64) + b"\xff\xd9"
)
"""A stream whose headers promise 24 x 22 pixels of 12 bits (ISO 14495-1, C.2)."""

cases_of(
    {
        "a": ("refuse", "JPEG 2000 garbage", (JPEG2000Lossless, GARBAGE), "PixelData", "JPEG 2000"),
        "b": ("refuse", "RLE garbage", (RLELossless, GARBAGE), "PixelData", "RLE"),
        "d": (
            "refuse",
            "a transfer syntax that nothing decodes",
            (JPEG2000MCLossless, GARBAGE),
            r"TransferSyntaxUID \(0002,0010\)",
            "JPEG 2000 Part 2",
        ),
    },
    packed,
    39,
)
cases_of(
    {
        "c": (
            "refuse",
            "JPEG-LS, its codec not installed",
            (JPEGLSLossless, JPEG_LS),
            r"TransferSyntaxUID \(0002,0010\)",
            "JPEG-LS",
            "pip install",
        )
    },
    packed,
    39,
    before=hide_decoders,
)

BOMB_MEBIBYTES = 1024


def deflated(path: Path, mebibytes: int) -> None:
    """The same image, deflated, with a private element of zeros before its pixels."""
    dataset = dcmread(path)
    meta = dataset.file_meta
    meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    pixels = Dataset()
    pixels.PixelData = dataset.PixelData
    pixels["PixelData"].VR = "OW"
    del dataset.PixelData
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(_encoded(dataset))
    if mebibytes:
        size = mebibytes * 2**20
        start = PRIVATE + b"OB\0\0" + size.to_bytes(4, "little")
        body += packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
        block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
        body += block * mebibytes
    body += packer.compress(_encoded(pixels)) + packer.flush()
    empty = Dataset()
    empty.file_meta = meta
    empty.SOPClassUID, empty.SOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    dcmwrite(path, empty, enforce_file_format=True)
    whole = path.read_bytes()
    path.write_bytes(whole[: _data_set_at(whole)] + body)


def _encoded(dataset: Dataset) -> bytes:
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_dataset(stream, dataset)
    return stream.getvalue()


def _data_set_at(content: bytes) -> int:
    """The byte after the file meta information, by its group length (PS3.10 7.1)."""
    return 144 + int.from_bytes(content[140:144], "little")


@case(40, "refuse", "deflated data set, 1 MB for 1 GiB", "inflate|deflate", letter="a")
def deflate_bomb(folder):
    return repacked(folder, lambda path: deflated(path, BOMB_MEBIBYTES))


@case(40, "choose", "a sound deflated data set", letter="b")
def deflate_sound(folder):
    return repacked(folder, lambda path: deflated(path, 0))


def inserted(path: Path, element: bytes) -> None:
    """Put the bytes of an element before the pixels."""
    content = path.read_bytes()
    at = content.rindex(b"\xe0\x7f\x10\x00")
    path.write_bytes(content[:at] + element + content[at:])


DEPTH = 5000


@case(41, "refuse", "sequences nested 5000 deep", "nest|parsed")
def nested(folder):
    start = PRIVATE + b"SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    return repacked(folder, lambda path: inserted(path, start * DEPTH + end * DEPTH))


@case(42, "refuse", "an element of length 0xFFFFFFFE", "length|parsed|PixelData|Rows", letter="a")
def endless_element(folder):
    element = PRIVATE + b"OB\0\0\xfe\xff\xff\xff"
    return repacked(folder, lambda path: inserted(path, element))


@case(42, "refuse", "the same as a file's first element", "length|parsed|SOPClassUID", letter="b")
def endless_first_element(folder):
    def change(path):
        content = path.read_bytes()
        at = _data_set_at(content)
        element = b"\x08\x00\x01\x00OB\0\0\xfe\xff\xff\xff"
        path.write_bytes(content[:at] + element + content[at:])

    return repacked(folder, change)


SOUND = ("GH064.dcm", "GH1261.dcm", "GH1339.dcm", "mr_brucker.dcm")
"""Of the real odd files: MR images with nothing wrong that matters."""


@case(42, "refuse", "real malformed files", letter="c", real=True, page=False)
def real_malformed(folder):
    rows = []
    for path in sorted(real("malformed_dicom").iterdir()):
        if path.is_file() and path.name not in SOUND:
            (folder / str(len(rows))).mkdir()
            copied = shutil.copy(path, folder / str(len(rows)) / f"{SECRET}-{path.name}")
            rows.append({"t2": str(copied)})
    return Made(rows)


def dicomdir(folder: Path, reference: list[str]) -> Path:
    """A DICOMDIR whose one record points somewhere (PS3.3 F.3)."""
    record = Dataset()
    record.OffsetOfTheNextDirectoryRecord = record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    record.RecordInUseFlag = 0xFFFF
    record.DirectoryRecordType = "IMAGE"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no such file ids (PS3.10 8.2): that is the point
        record.ReferencedFileID = reference
    dataset = dcmread(_any_slice(folder))
    meta = dataset.file_meta
    meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    content = Dataset()
    content.file_meta = meta
    content.SOPClassUID, content.SOPInstanceUID = MediaStorageDirectoryStorage, "1.2.9"
    content.FileSetID = SECRET.upper()
    content.DirectoryRecordSequence = [record]
    (folder / "disc").mkdir()
    dcmwrite(folder / "disc" / "DICOMDIR", content, enforce_file_format=True)
    return folder / "disc"


def _any_slice(folder: Path) -> Path:
    """A sound series that lies outside of the disc's folder."""
    write_slices(folder / "outside")
    return slice_path(folder / "outside", IMAGE)


OUTSIDE = "ReferencedFileID|no MR image"
cases_of(
    {
        "a": ("refuse", "DICOMDIR that points to `../`", ["..", "outside"], OUTSIDE),
        "b": ("refuse", "DICOMDIR that points to `/etc/passwd`", ["", "etc", "passwd"], OUTSIDE),
    },
    dicomdir,
    43,
)


@case(43, "refuse", "DICOMDIR given as the scan", "SOPClassUID|ReferencedFileID|no MR", letter="c")
def dicomdir_itself(folder):
    return dicomdir(folder, ["..", "outside"]) / "DICOMDIR"


@case(43, "refuse", "a link to a folder outside of the scan's", "link|no MR image", letter="d")
def link_out(folder):
    write_slices(folder / "outside")
    (folder / "disc").mkdir()
    (folder / "disc" / "series").symlink_to(folder / "outside", target_is_directory=True)
    return folder / "disc"


EXECUTABLE = b"MZ" + SECRET.encode() + b"\x7fELF" + SECRET_DATE.encode()


@case(44, "fix", "an executable in the preamble")
def executable_preamble(folder):
    def change(path):
        path.write_bytes(EXECUTABLE.ljust(128, b"\x90") + path.read_bytes()[128:])

    return repacked(folder, change)
