"""The catalogue must fail on a cystgrid that misbehaves: one control for each promise."""

import re
import sys

import pytest

from catalogue import misbehaviour, promises, running
from catalogue.framework import CASES, meet
from catalogue.promises import broken, cost
from cystgrid.scans.settings import ReadLimits

BY_NAME = {one.name: one for one in CASES}

CONTROLS = {
    "a wrong volume instead of a refusal": ("8", misbehaviour.invent, "exit code 0, expected 4"),
    "a voxel changed": ("17a", misbehaviour.alter, "crop_sha256 differs"),
    "a scan moved": ("17a", misbehaviour.move, "affine differs"),
    "a fix without a word": ("18c", misbehaviour.keep_quiet, "not among the flags"),
    "a half-prepared patient": ("8", misbehaviour.litter, "PREPARED holds .*half"),
    "a file beside the scans": ("8", misbehaviour.litter_beside, "files beside .*cache"),
    "a file's name": ("8", misbehaviour.gossip, "stderr shows 'Qzsecret'"),
    "another fault than there is": ("8", misbehaviour.gossip, "'-22' is not said"),
    "a library's chatter": ("8", misbehaviour.chatter, "2 lines for 1 patients"),
    "a bug": ("8", misbehaviour.bug, "exit code 1, expected 4"),
    "a crash": ("8", misbehaviour.crash, "crashed or hung: exit code -9"),
}


@pytest.mark.parametrize(("name", "before", "noticed"), CONTROLS.values(), ids=CONTROLS)
def test_misbehaviour_is_noticed(tmp_path, name, before, noticed):
    found = broken(BY_NAME[name], meet(BY_NAME[name], tmp_path, before))
    assert any(re.search(noticed, sentence) for sentence in found), found


def test_a_hang_is_ended_and_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "GIVEN_UP_AFTER", 1.5)
    found = broken(BY_NAME["8"], meet(BY_NAME["8"], tmp_path, misbehaviour.hang))
    assert any("hung: exit code None" in sentence for sentence in found), found


def test_time_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(promises, "MAX_SECONDS", 0.9 * misbehaviour.SLOW_SECONDS)
    run = meet(BY_NAME["8"], tmp_path, misbehaviour.dawdle).run
    assert any(re.search(r"it took \d+ s", sentence) for sentence in cost(run))


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_peak_memory_is_measured(tmp_path):
    """Against a small limit, so that the control need not take gigabytes."""
    small = ReadLimits(max_inflated_bytes=2**20)
    honest = meet(BY_NAME["8"], tmp_path / "honest").run
    greedy = meet(BY_NAME["8"], tmp_path / "greedy", misbehaviour.hog).run
    assert not [sentence for sentence in cost(honest, small) if "MB" in sentence]
    assert [sentence for sentence in cost(greedy, small) if "MB" in sentence]
