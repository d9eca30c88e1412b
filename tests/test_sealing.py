"""A sealed file is read as it was written, or not at all."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cystgrid.errors import StoreError
from cystgrid.sealing import read_sealed, write_sealed

VALUE = {"schema": 1, "rows": [0.1, 1e-05, -0.0, 3], "name": "Ünal \u2028", "none": None}


def read(path):
    return read_sealed(path, expected="a card", do="restore it")


def test_what_is_written_is_read(tmp_path):
    write_sealed(tmp_path / "card.json", VALUE)
    assert read(tmp_path / "card.json") == VALUE


def test_no_bit_of_it_can_be_flipped_and_no_byte_cut_off(tmp_path):
    path = tmp_path / "card.json"
    write_sealed(path, VALUE)
    good = path.read_bytes()
    for place in range(0, 8 * len(good), 3):
        bad = bytearray(good)
        bad[place // 8] ^= 1 << place % 8
        path.write_bytes(bad)
        with pytest.raises(StoreError, match=r"card\.json"):
            read(path)
    for length in range(0, len(good), 5):
        path.write_bytes(good[:length])
        with pytest.raises(StoreError):
            read(path)


@settings(max_examples=30)
@given(st.text() | st.none() | st.lists(st.integers()) | st.dictionaries(st.text(), st.floats()))
def test_any_other_json_is_refused(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "other.json"
    path.write_text(json.dumps(value))
    with pytest.raises(StoreError):
        read(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"gone\.json: got no such file, expected a card; restore"):
        read(tmp_path / "gone.json")
