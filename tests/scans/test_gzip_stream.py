import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cystgrid.errors import ScanError
from cystgrid.scans.gzip_stream import GzipStream


@settings(max_examples=100, deadline=None)
@given(
    parts=st.lists(st.binary(max_size=400), min_size=1, max_size=5),
    counts=st.lists(st.integers(1, 300), min_size=1, max_size=8),
    level=st.sampled_from([0, 1, 9]),
)
def test_pieces_of_any_size_are_the_content(parts, counts, level):
    packed = b"".join(gzip.compress(part, level) for part in parts)
    content, stream = gzip.decompress(packed), GzipStream(io.BytesIO(packed), "file")
    at = 0
    while piece := stream.read(counts[at % len(counts)]):
        assert piece == content[at : at + len(piece)]
        at += len(piece)
    assert at == len(content)
    assert stream.read(10) == b""


def test_content_larger_than_every_buffer():
    content = bytes(range(256)) * 4000 + bytes(2**20)
    stream = GzipStream(io.BytesIO(gzip.compress(content)), "file")
    assert stream.read(len(content)) == content
    assert stream.read(1) == b""


@settings(max_examples=200, deadline=None)
@given(content=st.binary(min_size=1, max_size=200), data=st.data())
def test_a_changed_byte_never_changes_what_is_read(content, data):
    packed = bytearray(gzip.compress(content, mtime=0))
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= data.draw(st.integers(1, 255))
    stream = GzipStream(io.BytesIO(bytes(packed)), "file")
    try:
        found = stream.read(1000)
    except ScanError:
        return
    assert found == content  # the header's time and system, and bits behind the last block


def test_a_stream_that_is_cut_anywhere_is_refused():
    packed = gzip.compress(b"voxels" * 50)
    for length in range(len(packed)):
        with pytest.raises(ScanError, match="ends too early"):
            GzipStream(io.BytesIO(packed[:length]), "file").read(1000)
