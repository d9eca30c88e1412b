"""A release has the same bytes wherever it is built, and is no release without the viewer."""

import shutil
import subprocess
import zipfile

import pytest

from release import build, reproduce
from release.lock import ROOT


def test_a_difference_is_named():
    same = {"a.whl": "1", "a.tar.gz": "2"}
    assert reproduce.differing([same, dict(same)]) == []
    assert reproduce.differing([same, {**same, "a.whl": "3"}]) == ["a.whl"]
    assert reproduce.differing([same, {"a.whl": "1"}]) == ["a.tar.gz"]


def test_a_wheel_without_the_viewer_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "cystgrid-1-py3-none-any.whl", "w") as archive:
        archive.writestr("cystgrid/__init__.py", "")
    with pytest.raises(RuntimeError, match=r"got no .*viewer\.js, expected the page's viewer"):
        build._require_viewer(tmp_path)


@pytest.fixture
def commit(tmp_path):
    """The files as they lie here, as the one commit of a repository of its own."""
    pytest.importorskip("hatchling", reason="no hatchling: no release is built")
    for need in ("git", "npm"):
        if shutil.which(need) is None:
            pytest.skip(f"{need} is not here: no release is built")
    if not (ROOT / "src" / build.VIEWER).is_file():
        pytest.skip("npm has not built the viewer here: no release is built")
    root = tmp_path / "repository"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=False, capture_output=True,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("no git repository here: no commit to build a release of")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, root / name)
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "all of it"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    return root


def test_two_builds_in_worlds_that_differ_are_the_same_bytes(commit, tmp_path):
    places = [tmp_path / str(number) for number in range(len(reproduce.WORLDS))]
    builds = [
        reproduce.build_in(world, place, commit)
        for world, place in zip(reproduce.WORLDS, places, strict=True)
    ]
    assert sorted(name.partition("-")[2] for name in builds[0]) == [
        "0.1.0-py3-none-any.whl", "0.1.0.cdx.json", "0.1.0.tar.gz",
    ]  # fmt: skip
    assert reproduce.differing(builds) == []
    done = subprocess.run(
        ["sha256sum", "-c", build.SUMS], cwd=places[0] / "out", capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout
    wheel = next((places[0] / "out").glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert build.VIEWER in names
    assert not [name for name in names if name.startswith(("tests/", "release/"))]
