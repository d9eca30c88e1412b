"""What a DICOM series must not get away with; the message names the tag, and never a person."""

import re
import shutil

import numpy as np
import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataelem import RawDataElement
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import (
    JPEG2000Lossless,
    JPEG2000MCLossless,
    JPEGLosslessSV1,
    RLELossless,
)

from cystgrid.errors import ScanError
from cystgrid.scans.reading import read_scan

SECRET = re.compile("doe|secret", re.IGNORECASE)
IMAGE = 2
"""The image that most damage is done to."""


def refusal(reference):
    """The message as anybody may see it, of every path only the end of the file's name."""
    with pytest.raises(ScanError) as caught:
        read_scan(reference)
    message = str(caught.value.naming(lambda path: path.name[-7:]))
    assert not SECRET.search(message)
    return message


def only(change):
    return lambda k, dataset: change(dataset) if k == IMAGE else None


def without(keyword):
    return only(lambda dataset: dataset.pop(keyword))


def put(**values):
    return only(lambda dataset: dataset.update(values))


def raw(keyword, kind, content):
    """An element as a careless program writes it, past every check."""
    tag = Tag(keyword)
    element = RawDataElement(tag, kind, len(content), content, 0, False, True)
    return only(lambda dataset: dataset.__setitem__(tag, element))


def moved(k_moved, along, by):
    """Images from ``k_moved`` on, or all in proportion if it is None, moved along a direction."""

    def edit(k, dataset):
        cosines = np.reshape(np.array(dataset.ImageOrientationPatient, dtype=float), (2, 3))
        direction = np.cross(*cosines) if along == "normal" else cosines[0]
        share = k if k_moved is None else float(k >= k_moved)
        position = np.array(dataset.ImagePositionPatient, dtype=float) + share * by * direction
        dataset.ImagePositionPatient = [f"{x:.8f}" for x in position]

    return edit


def packed(syntax, content):
    def edit(dataset):
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = encapsulate([content])
        dataset["PixelData"].is_undefined_length = True

    return only(edit)


CASES = {
    "no position": (without("ImagePositionPatient"), "ImagePositionPatient (0020,0032)"),
    "no orientation": (without("ImageOrientationPatient"), "ImageOrientationPatient (0020,0037)"),
    "no pixel spacing": (without("PixelSpacing"), "PixelSpacing (0028,0030)"),
    "spacing nan": (raw("PixelSpacing", "DS", b"nan\\nan "), "PixelSpacing (0028,0030)"),
    "spacing text": (raw("PixelSpacing", "DS", b"a\\Doe "), "PixelSpacing (0028,0030)"),
    "spacing of one number": (raw("PixelSpacing", "DS", b"1 "), "PixelSpacing (0028,0030)"),
    "position text": (raw("ImagePositionPatient", "DS", b"Doe\\1\\2 "), "ImagePositionPatient"),
    "skewed directions": (
        lambda k, d: d.update({"ImageOrientationPatient": [1, 0, 0, 0.1, 1, 0]}),
        "right angles",
    ),
    "zero directions": (
        lambda k, d: d.update({"ImageOrientationPatient": [0] * 6}),
        "ImageOrientationPatient (0020,0037)",
    ),
    "zero spacing": (lambda k, d: d.update({"PixelSpacing": [0, 0]}), "(0028,0030): got 0 and 0"),
    "one other direction": (
        put(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        "ImageOrientationPatient (0020,0037): got another value",
    ),
    "one other spacing": (put(PixelSpacing=[2, 2]), "PixelSpacing (0028,0030): got another value"),
    "one other patient": (put(PatientID="Doe2"), "PatientID (0010,0020): got another value"),
    "one other frame": (put(FrameOfReferenceUID="1.9"), "FrameOfReferenceUID (0020,0052): got"),
    "one other size": (put(Rows=4, Columns=5), "Rows (0028,0010): got another value"),
    "duplicate": (moved(IMAGE, "normal", -3.5), "2 images at one position"),
    "uneven by 2 %": (moved(IMAGE, "normal", 0.07), "a gap of 3.570 mm"),
    "a slice left out": (moved(IMAGE, "normal", 3.5), "1 missing slice(s)"),
    "tilted gantry": (moved(None, "row", 0.1), "tilted gantry"),
    "one image aside": (only(lambda d: moved(0, "row", 2.0)(0, d)), "2.00 mm beside the line"),
    "no rows": (put(Rows=0), "Rows (0028,0010): got 0"),
    "65535 rows": (lambda k, d: d.update({"Rows": 65535}), "PixelData (7FE0,0010)"),
    "65535 rows and columns": (put(Rows=65535, Columns=65535), "max_voxels"),
    "several frames": (put(NumberOfFrames="2"), "NumberOfFrames (0028,0008)"),
    "-1 frames": (put(NumberOfFrames="-1"), "NumberOfFrames (0028,0008)"),
    "1e9 frames": (put(NumberOfFrames="1000000000"), "NumberOfFrames (0028,0008)"),
    "12 bits allocated": (put(BitsAllocated=12), "BitsAllocated (0028,0100)"),
    "20 bits stored": (put(BitsStored=20), "BitsStored (0028,0101)"),
    "high bit 15": (put(HighBit=15), "HighBit (0028,0102)"),
    "sign 3": (put(PixelRepresentation=3), "PixelRepresentation (0028,0103)"),
    "values beyond their bits": (put(BitsStored=4, HighBit=3), "BitsStored (0028,0101): got"),
    "colour": (put(SamplesPerPixel=3), "SamplesPerPixel (0028,0002)"),
    "palette": (put(PhotometricInterpretation="PALETTE COLOR"), "PhotometricInterpretation"),
    "no pixels": (without("PixelData"), "PixelData (7FE0,0010): got nothing"),
    "few pixels": (put(PixelData=bytes(38)), "PixelData (7FE0,0010): got 38 bytes"),
    "slope 0": (put(RescaleSlope="0", RescaleIntercept="0"), "RescaleSlope (0028,1053)"),
    "slope 1e38": (
        lambda k, d: d.update({"RescaleSlope": "1e38", "RescaleIntercept": "0"}),
        "voxel values up to",
    ),
    "one rescaled": (put(RescaleSlope="2", RescaleIntercept="0"), "RescaleSlope (0028,1053): got"),
    "one inverted": (put(PhotometricInterpretation="MONOCHROME1"), "PhotometricInterpretation"),
    "one signed": (put(PixelRepresentation=1), "PixelRepresentation (0028,0103): got another"),
    "modality table": (put(ModalityLUTSequence=[Dataset()]), "ModalityLUTSequence (0028,3000)"),
    "no series": (without("SeriesInstanceUID"), "SeriesInstanceUID (0020,000E)"),
    "JPEG 2000 garbage": (packed(JPEG2000Lossless, b"garbage!" * 9), "JPEG 2000"),
    "RLE garbage": (packed(RLELossless, b"garbage!" * 9), "RLE Lossless"),
    "JPEG Lossless": (packed(JPEGLosslessSV1, b"garbage!" * 9), "JPEG Lossless"),
    "intercept alone": (put(RescaleIntercept="3"), "RescaleSlope (0028,1053): got nothing"),
    "unknown syntax": (
        packed(JPEG2000MCLossless, b"garbage!" * 9),
        "TransferSyntaxUID (0002,0010): got 1.2.840.10008.1.2.4.92",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "fault"), CASES.values(), ids=CASES)
def test_impossible_series_is_refused(oblique, tmp_path, write_slices, edit, fault):
    write_slices(tmp_path, oblique, edit)
    assert fault in refusal(tmp_path)


def test_a_missing_slice_is_named_with_its_gap_and_neighbours(oblique, tmp_path, write_slices):
    paths = write_slices(tmp_path, oblique)
    paths[3].unlink()
    message = refusal(tmp_path)
    assert "a gap of 7.000 mm" in message
    assert {path.name[-7:] for path in (paths[2], paths[4])} <= set(
        re.findall(r"\d{3}\.dcm", message)
    )


def test_the_same_image_twice_has_nothing_to_tell_it_apart(oblique, tmp_path, write_slices):
    paths = write_slices(tmp_path, oblique)
    shutil.copy(paths[0], tmp_path / "copy")
    assert "nothing to tell apart" in refusal(tmp_path)


def test_two_echoes_are_named_as_the_cause(oblique, tmp_path, write_slices):
    write_slices(tmp_path / "a", oblique)
    write_slices(tmp_path / "b", oblique, lambda k, dataset: setattr(dataset, "EchoTime", "120"))
    assert "2 images at one position" in (message := refusal(tmp_path))
    assert "differ in EchoTime" in message


def test_several_series_are_listed_without_free_text(oblique, tmp_path, write_slices):
    write_slices(tmp_path / "a", oblique)
    write_slices(tmp_path / "b", oblique, series="1.2.3")
    message = refusal(tmp_path)
    for line in ("1.2.3 (number 5 t2 tse, 6 images of 4 x 5)", "1.2.826.0.1.3680043.8.498.1 ("):
        assert line in message
    assert "series 9.9 among them" in refusal(f"{tmp_path}#9.9")
    assert np.array_equal(read_scan(f"{tmp_path}#1.2.3").voxels, oblique.voxels)


def test_a_folder_without_mr_is_refused(tmp_path):
    (tmp_path / "README").write_text("hello")
    assert "no MR image (1 x file that is not DICOM)" in refusal(tmp_path)


def big_endian_declared(content):
    little, big = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0"
    assert little in content
    return content.replace(little, big)


def impossible_length(content):
    at = content.index(b"\x08\x00\x16\x00UI")  # SOPClassUID turned to OB with a reserved length
    return content[:at] + b"\x08\x00\x16\x00OB\0\0\xfe\xff\xff\xff" + content[at + 8 :]


def endless(content):
    """A private element before the pixels, longer than any file."""
    at = content.rindex(b"\xe0\x7f\x10\x00")
    return content[:at] + b"\xdf\x7f\x10\x10OB\0\0\xfe\xff\xff\xff" + content[at:]


def element_twice(content):
    """A second RescaleSlope, after the first; the last one would count."""
    at = content.rindex(b"\xe0\x7f\x10\x00")
    slope = b"\x28\x00\x53\x10DS\x02\x00"
    return content[:at] + slope + b"1 " + slope + b"2 " + content[at:]


def element_out_of_order(content):
    at = content.rindex(b"\xe0\x7f\x10\x00")
    return content[:at] + b"\x08\x00\x08\x00CS\x02\x00A " + content[at:]


def end_of_item(content):
    """What ends an item, where there is none: all after it would go unseen."""
    at = content.index(b"\x28\x00\x10\x00US")
    return content[:at] + b"\xfe\xff\x0d\xe0\0\0\0\0" + content[at:]


def more_in_the_pixels(content):
    """Some bytes of an image twice: it is shifted, and its end pushed out of it."""
    return content[:-20] + content[-24:]


def two_bytes_more(content):
    return content + bytes(2)


def other_kind_declared(content):
    """The file says that it is no MR image; its data set says it is one."""
    kind = b"1.2.840.10008.5.1.4.1.1.4\0"
    at = content.index(kind)
    return content[:at] + kind.replace(b".4\0", b".5\0") + content[at + len(kind) :]


def nested(content):
    at = content.index(b"\xe0\x7f\x10\x00")
    level = b"\xdf\x7f\x10\x10SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return content[:at] + level * 5000 + content[at:]


DAMAGE = {
    "empty": lambda content: b"",
    "no DICM prefix": lambda content: bytes(200) + content,
    "cut in the meta": lambda content: content[:200],
    "cut in the header": lambda content: content[:500],
    "cut in the pixels": lambda content: content[:-7],
    "big-endian declared": big_endian_declared,
    "impossible length": impossible_length,
    "element longer than any file": endless,
    "element twice": element_twice,
    "element out of order": element_out_of_order,
    "item's end outside of an item": end_of_item,
    "sequences 5000 deep": nested,
    "more bytes in the pixels": more_in_the_pixels,
    "two bytes after the pixels": two_bytes_more,
    "another kind declared": other_kind_declared,
}


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE)
def test_damaged_file_is_refused(oblique, tmp_path, write_slices, change):
    path = write_slices(tmp_path, oblique)[0]
    path.write_bytes(change(path.read_bytes()))
    assert path.name[-7:] in refusal(tmp_path)


def frames_without_position(dataset):
    del dataset.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence


def too_few_groups(dataset):
    del dataset.PerFrameFunctionalGroupsSequence[1]


def two_echoes(dataset):
    for index, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        frame.MREchoSequence[0].EffectiveEchoTime = 80.0 + index // 6
    dataset.SeriesNumber = "7"


ENHANCED = {
    "frame without position": (range(6), frames_without_position, "ImagePositionPatient"),
    "too few groups": (range(6), too_few_groups, "got 5 items, expected one for each of 6"),
    "two echoes": ([*range(6), *range(6)], two_echoes, "differ in EffectiveEchoTime"),
    "frame left out": ([0, 1, 3, 4, 5], None, "1 missing slice(s)"),
    "1e9 frames": (range(6), lambda d: d.update({"NumberOfFrames": "1000000000"}), "NumberOf"),
    "-1 frames": (range(6), lambda d: d.update({"NumberOfFrames": "-1"}), "NumberOfFrames"),
}


@pytest.mark.parametrize(("order", "edit", "fault"), ENHANCED.values(), ids=ENHANCED)
def test_impossible_enhanced_file_is_refused(oblique, tmp_path, write_enhanced, order, edit, fault):
    write_enhanced(tmp_path / "scan.dcm", oblique, order, edit)
    assert fault in refusal(tmp_path)


def test_a_rewritten_series_is_read(oblique, tmp_path, write_slices):
    """The control for the damage above: reading and writing alone change nothing."""
    for path in write_slices(tmp_path, oblique):
        dcmwrite(path, dcmread(path))
    assert np.array_equal(read_scan(tmp_path).voxels, oblique.voxels)
