"""Run lengths: what pydicom writes is whole; any cut, any other size, any longer run is not."""

import numpy as np
import pytest
from pydicom.pixels.encoders.native import _encode_frame

from cystgrid.scans.dicom_rle import HEADER, check_segments


class Runner:
    def __init__(self, shape, bytes_a_pixel):
        self.rows, self.columns = shape
        self.samples_per_pixel, self.bits_allocated = 1, 8 * bytes_a_pixel

    def get_option(self, name, default=None):
        return default


def frame(bytes_a_pixel=2, shape=(16, 24), seed=0):
    """Noise beside runs, as pydicom encodes them."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 200, shape, dtype=f"<u{bytes_a_pixel}")
    image[:, : shape[1] // 2] = 7
    return bytes(_encode_frame(image.tobytes(), Runner(shape, bytes_a_pixel)))


@pytest.mark.parametrize("bytes_a_pixel", [1, 2, 4])
def test_what_an_encoder_writes_is_whole(bytes_a_pixel):
    for seed in range(5):
        check_segments(frame(bytes_a_pixel, seed=seed), 16 * 24, bytes_a_pixel)


@pytest.mark.parametrize("change", [-1, 1, 24])
def test_another_number_of_pixels_does_not_fit(change):
    with pytest.raises(ValueError, match="another length"):
        check_segments(frame(), 16 * 24 + change, 2)


def test_every_cut_is_found():
    whole = frame()
    for length in range(len(whole) - 2):
        with pytest.raises(ValueError, match=r"header|another length"):
            check_segments(whole[:length], 16 * 24, 2)


def test_a_longer_last_run_is_found():
    segment = bytes([2, 9, 9, 9, 1, 5])  # the last run says two literal bytes and has one
    content = HEADER.pack(1, HEADER.size, *[0] * 14) + segment
    with pytest.raises(ValueError, match="another length"):
        check_segments(content, 5, 1)
    check_segments(content + b"\x05", 5, 1)


def test_a_header_of_other_segments_is_found():
    with pytest.raises(ValueError, match="header"):
        check_segments(frame(2), 16 * 24, 1)
