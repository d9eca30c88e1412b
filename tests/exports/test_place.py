"""An older export is there until the new one is, however the command between them ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cystgrid.errors import StoreError
from cystgrid.exports.place import RECORD, new_place

KILLED = 9

EXPORT = """
import json, os, sys
from pathlib import Path
from cystgrid.exports.place import new_place

left = int(sys.argv[2])

def kill(event, _):
    global left
    left -= event in ("os.rename", "shutil.rmtree")
    if left == 0:
        os._exit(9)

with new_place(Path(sys.argv[1])) as folder:
    (folder / "model.onnx").write_text("new")
    (folder / "export.json").write_text(json.dumps({"files": ["model.onnx"]}))
    sys.addaudithook(kill)
"""
"""An export that is killed just before it renames or removes something for the so manyeth time."""


def export(folder, text):
    (folder / "model.onnx").write_text(text)
    (folder / RECORD).write_text(json.dumps({"files": ["model.onnx"]}))


@pytest.fixture
def out(tmp_path):
    """An older export."""
    with new_place(tmp_path / "out") as folder:
        export(folder, "old")
    return tmp_path / "out"


def held(out):
    """What an export says, and that nothing lies beside it."""
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert sorted(path.name for path in out.iterdir()) == [RECORD, "model.onnx"]
    return (out / "model.onnx").read_text()


def fail(out):
    """The next export, which ends before it has come to anything."""
    with pytest.raises(ZeroDivisionError), new_place(out):
        raise ZeroDivisionError


def test_a_new_export_takes_the_place_of_the_old_one(out):
    with new_place(out) as folder:
        assert (out / "model.onnx").read_text() == "old"
        export(folder, "new")
    assert held(out) == "new"
    fail(out)
    assert held(out) == "new"


def test_killed_at_any_moment_one_of_both_is_put_back_by_the_next(out):
    found = []
    for turn in range(1, 9):
        command = [sys.executable, "-c", EXPORT, str(out), str(turn)]
        code = subprocess.run(command, check=False).returncode
        fail(out)
        found.append(held(out))
        if code != KILLED:
            break
        with new_place(out) as folder:
            export(folder, "old")
    assert code == 0 and found[0] == "old" and found[-1] == "new"
    assert len(found) > 2


@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt, PermissionError])
def test_stopped_between_two_renames_the_old_one_is_there_at_once(out, monkeypatch, turn, error):
    real, left = Path.rename, [turn]

    def rename(path, target):
        left[0] -= 1
        if left[0] == 0:
            raise error
        return real(path, target)

    with monkeypatch.context() as patch, pytest.raises(error), new_place(out) as folder:
        export(folder, "new")
        patch.setattr(Path, "rename", rename)
    assert held(out) == "old"


def test_two_exports_to_one_folder_are_not_made_at_a_time(out):
    with new_place(out) as folder:
        with pytest.raises(StoreError, match=r"out: got a folder that another process writes"):
            fail(out)
        export(folder, "new")
    assert held(out) == "new"


def test_a_folder_is_found_through_a_link_to_it(out, tmp_path):
    (tmp_path / "link").symlink_to(out)
    with new_place(tmp_path / "link") as folder:
        export(folder, "new")
    (tmp_path / "link").unlink()
    assert held(out) == "new"
