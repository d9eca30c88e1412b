import pickle
from pathlib import Path

import pytest

from cystgrid.errors import CohortError, CystgridError, ScanError, path_text

KINDS = [CystgridError, *CystgridError.__subclasses__()]


def error(kind=ScanError):
    """One of each way to put a path into a message."""
    return kind(
        f"{path_text('/data/Doe/t2.nii')}: dim",
        got=f"{path_text(Path('/data/Doe/t1.nii'))} and 3 volumes",
        expected=f"one, not {path_text('a b#c.nii')}",
        do=f"open {path_text('/data/Doe')}",
    )


def test_a_message_shows_its_paths_and_no_marks():
    assert str(error()) == (
        "/data/Doe/t2.nii: dim: got /data/Doe/t1.nii and 3 volumes, expected one, not a b#c.nii; "
        "open /data/Doe"
    )
    assert (error().where, error().do) == ("/data/Doe/t2.nii: dim", "open /data/Doe")


def test_naming_replaces_every_path_and_nothing_else():
    seen = []
    named = error().naming(lambda path: seen.append(path) or "p07 t2")
    assert str(named) == (
        "p07 t2: dim: got p07 t2 and 3 volumes, expected one, not p07 t2; open p07 t2"
    )
    assert seen == [
        Path(p) for p in ("/data/Doe/t2.nii", "/data/Doe/t1.nii", "a b#c.nii", "/data/Doe")
    ]


def test_a_path_as_where_is_marked_by_itself():
    found = ScanError(Path("/Doe/x.nii"), got="a", expected="b", do="c")
    assert str(found) == "/Doe/x.nii: got a, expected b; c"
    assert str(found.naming(lambda path: "X")) == "X: got a, expected b; c"
    plain = ScanError("/Doe/x.nii", got="a", expected="b", do="c")
    assert plain.naming(lambda path: "X").where == "/Doe/x.nii"  # the control: text is no path


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_the_way_between_processes(kind):
    found = pickle.loads(pickle.dumps(error(kind)))
    assert type(found) is kind
    assert str(found) == str(error())
    assert "Doe" not in str(found.naming(lambda path: "X"))


def test_naming_keeps_the_kind_and_may_be_repeated():
    named = error(CohortError).naming(lambda path: "X")
    assert type(named) is CohortError
    assert str(named.naming(lambda path: "Y")) == str(named)


def test_marking_twice_is_marking_once():
    assert path_text(path_text("/a")) == path_text("/a")


def test_marks_inside_a_path_do_not_end_it():
    """A path may hold any character, the marks' own too."""
    text = path_text("/Doe\ue001/Secret\ue000")
    named = ScanError(text, got="a", expected="b", do="c").naming(lambda path: "X")
    assert str(named) == "X: got a, expected b; c"
