"""What is no TOML is told by line and column, with what stands there and what to do."""

import pytest

from cystgrid.errors import SettingsError
from cystgrid.study import Study
from cystgrid.toml_files import read_toml_file


def fault(tmp_path, text):
    path = tmp_path / "study.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        Study.read(path)
    return caught.value


@pytest.mark.parametrize(
    ("text", "place", "got", "do"),
    [
        ("[splits]\nfolds = \n", "line 2, column 9", "'folds =': invalid value", "text in quotes"),
        ("[models]\nvit = tiny\n", "line 2, column 7", "'vit = tiny': invalid", "text in quotes"),
        ("folds: 3\n", "line 1, column 6", "'folds: 3': expected '='", "NAME = VALUE"),
        ("a = 1\na = 2\n", "line 2, ", "'a = 2': cannot overwrite", "each setting once"),
        ("[a]\n[a]\n", "line 2, ", "'[a]': cannot declare", "section] once"),
        ("a = 0,5\n", "line 1, ", "'a = 0,5': expected newline", "decimal with a point"),
        ("a = [1\n", "at its end", "unclosed array", "close the bracket"),
        ("a = 'x\n", "at its end", "expected", "close the quote"),
        ('a = "x\n', "line 1, ", "illegal character", "close the quote"),
    ],
)  # fmt: skip
def test_the_place_and_the_mend_are_told(tmp_path, text, place, got, do):
    error = fault(tmp_path, text)
    assert f"study.toml: {place}" in error.where
    assert got in error.got
    assert error.expected == "a study in TOML"
    assert do in error.do


def test_sound_toml_with_a_wrong_value_is_another_fault(tmp_path):
    error = fault(tmp_path, "[splits]\nfolds = 'x'\n")
    assert "splits.folds" in error.where
    assert "line" not in error.where


def test_long_lines_are_cut_and_passwords_are_not_shown(tmp_path):
    error = fault(tmp_path, "url = http://user:hunter2@host/dicom\n")
    assert "hunter2" not in str(error)
    assert "host" in str(error)
    assert "hunter2" not in str(fault(tmp_path, "password_env = hunter2\n"))
    long = "url = http://user:" + "hunter2" * 20 + "@host\n"
    assert "hunter2" not in str(fault(tmp_path, long))
    assert len(str(fault(tmp_path, "a = " + "x" * 5000))) < 400


def test_a_folder_and_bytes_that_are_no_text_are_said_to_be_such(tmp_path):
    with pytest.raises(SettingsError, match="got a folder, expected a study in TOML"):
        read_toml_file(tmp_path, "a study")
    (tmp_path / "study.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(SettingsError, match="not UTF-8 at position 5"):
        read_toml_file(tmp_path / "study.toml", "a study")
