import pytest
from hypothesis import given
from hypothesis import strategies as st

from cystgrid.errors import ScanError
from cystgrid.scans.reference import Reference, path_part


@pytest.mark.parametrize(
    ("after", "chosen"),
    [
        ("", {}),
        ("#1.2.840.113619.2.5", {"series": "1.2.840.113619.2.5"}),
        ("#volume=0", {"volume": 0}),
        ("#label=3", {"labels": (3,)}),
        ("#label=3+40", {"labels": (3, 40)}),
        ("#1.2.3&volume=2", {"series": "1.2.3", "volume": 2}),
        ("#volume=2&1.2.3", {"series": "1.2.3", "volume": 2}),
        ("#label=4&volume=1", {"volume": 1, "labels": (4,)}),
    ],
)
def test_choices(tmp_path, after, chosen):
    path = tmp_path / "scan.nii.gz"
    path.touch()
    assert Reference.parse(f"{path}{after}") == Reference(path, **chosen)
    assert path_part(f"{path}{after}") == path
    assert path_part(f"{tmp_path}/gone{after}") == tmp_path / "gone"


@pytest.mark.parametrize(
    "after",
    ["", "5", "volume=", "volume=-1", "volume=1.5", "volume=1&volume=1", "1.2&1.3", "label=0",
     "label=3,4", "label=+3", "Volume=1", "volume=1&", "1.2.x", " 1.2", f"volume={'9' * 200}",
     f"label={'9' * 10}", "volume=٣", "label=1\n"],
)  # fmt: skip
def test_what_is_no_choice_is_refused_and_not_repeated(tmp_path, after):
    """What stands behind the mark may be anything, a name too."""
    path = tmp_path / "Secret"
    path.mkdir()
    with pytest.raises(ScanError, match="the part after '#': got something that is no choice") as e:
        Reference.parse(f"{path}#{after}")
    assert str(e.value.naming(lambda path: "X")).startswith("X: the part after '#': got something")


def test_what_exists_is_no_choice(tmp_path):
    (tmp_path / "patient#1.2").mkdir()
    (tmp_path / "patient#1.2" / "scan#volume=3").touch()
    whole = tmp_path / "patient#1.2" / "scan#volume=3"
    assert Reference.parse(whole) == Reference(whole)
    assert Reference.parse(f"{whole}#volume=1") == Reference(whole, volume=1)
    assert path_part(whole) == whole


@pytest.mark.parametrize("text", ["Secret", "Secret#1.2.3", "Secret/x.nii#volume=1", "x" * 300])
def test_nothing_there(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScanError, match=r"got (nothing there|a path that cannot)") as caught:
        Reference.parse(text)
    assert str(caught.value.naming(lambda path: "X")).startswith("X: got")


def test_a_reference_is_its_own_reference(tmp_path):
    reference = Reference(tmp_path, series="1.2", volume=3)
    assert Reference.parse(reference) is reference


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text):
    try:
        found = Reference.parse(text)
    except ScanError:
        return
    assert found.path.exists()
