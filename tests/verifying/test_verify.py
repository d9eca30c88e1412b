"""Every byte of every artefact is looked at; what is not sound is named with what it costs."""

import random

import pytest
import torch
from filelock import FileLock
from typer.testing import CliRunner

from cystgrid.cli import app
from cystgrid.errors import StoreError
from cystgrid.provenance import sha256_file
from cystgrid.sealing import write_sealed
from cystgrid.training.state_file import write_state
from cystgrid.verifying.findings import State
from cystgrid.verifying.looking import file_names
from cystgrid.verifying.verify import verify

FOLDERS = ("prepared", "run", "model", "start")
FIRST = "run/jobs/site-only-none/outer-0/inner-0"
VIT = "jobs/timm:test_vit-early/outer-0/inner-0"


def verdict(folder):
    return verify(folder, quiet=True)


def flip(path, place=None):
    content = bytearray(path.read_bytes())
    place = len(content) // 2 if place is None else place
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_sound_folder_is_sound_and_every_file_of_it_is_looked_at(made, name):
    found = verdict(made / name)
    assert {each.state for each in found.findings} == {State.SOUND}
    assert sorted(each.name for each in found.findings) == file_names(made / name)


@pytest.mark.parametrize("name", FOLDERS)
def test_looking_writes_nothing(made, name):
    before = {path: path.stat().st_mtime_ns for path in (made / name).rglob("*")}
    verdict(made / name)
    assert {path: path.stat().st_mtime_ns for path in (made / name).rglob("*")} == before


@pytest.mark.parametrize("name", FOLDERS)
def test_every_file_is_found_by_any_bit_and_by_its_end(copy, name):
    lot = random.Random(name)
    for each in file_names(copy / name):
        path = copy / name / each
        good = path.read_bytes()
        flip(path, lot.randrange(len(good)))
        assert [found.name for found in verdict(copy / name).lost] == [each]
        path.write_bytes(good[: lot.randrange(len(good))])
        assert [found.name for found in verdict(copy / name).lost] == [each]
        path.write_bytes(good)
    assert not verdict(copy / name).lost


@pytest.mark.parametrize("name", FOLDERS)
def test_every_file_is_missed_when_it_is_gone(copy, name):
    """But the last record: without it a folder is one that was stopped before its end."""
    for each in set(file_names(copy / name)) - {"SHA256SUMS"}:
        path = copy / name / each
        good = path.read_bytes()
        path.unlink()
        assert [(found.name, found.state) for found in verdict(copy / name).lost] == [
            (each, State.MISSING)
        ]
        path.write_bytes(good)


@pytest.mark.parametrize(
    ("card", "under_way"),
    [
        ("model/model.json", "model/.member-0.json"),
        ("start/start.json", "start/state.safetensors"),
    ],
)
def test_a_card_that_is_not_written_yet_is_not_lost(copy, card, under_way):
    path = copy / card
    path.unlink()
    with FileLock(path.parent / ".lock"):
        assert not verdict(path.parent).lost
    if card.startswith("model"):
        write_sealed(copy / under_way, {"member": {"weights": "member-0.safetensors",
                     "sha256": sha256_file(copy / "model/member-0.safetensors")}})  # fmt: skip
    else:
        write_state(copy / under_way, {"key": "k"}, {"a": torch.rand(9)})
    found = {each.name: each.state for each in verdict(path.parent).findings}
    assert found[path.name] is State.UNFINISHED and not verdict(path.parent).lost


def test_a_number_that_reads_the_same_is_altered_all_the_same(copy):
    path = copy / FIRST / "job.json"
    text = path.read_text()
    assert '"outer": 0,' in text
    path.write_text(text.replace('"outer": 0,', '"outer": -0,'))
    assert [each.name for each in verdict(copy / "run").lost] == [f"{FIRST[4:]}/job.json"]


def test_what_is_lost_is_named_with_what_it_costs(copy):
    weights = "jobs/timm:test_vit-early/outer-1/inner-0/model.safetensors"
    (copy / "run" / weights).unlink()
    (found,) = verdict(copy / "run").lost
    assert (found.state, found.name) == (State.MISSING, weights)
    assert found.artefact == "training timm:test_vit-early, outer 1, inner 0"
    assert found.cost == "this training of 2 epochs is repeated: cystgrid crossval"


def test_a_training_in_another_s_place_is_damage(copy):
    first, second = copy / FIRST, copy / FIRST.replace("outer-0", "outer-1")
    first.rename(copy / "aside")
    second.rename(first)
    (copy / "aside").rename(second)
    assert [each.why.partition(",")[0] for each in verdict(copy / "run").lost] == [
        "another training"
    ] * 2


def test_a_run_without_its_last_record_is_unfinished_and_not_lost(copy):
    (copy / "run/SHA256SUMS").unlink()
    (copy / FIRST / "job.json").unlink()
    found = verdict(copy / "run")
    assert not found.lost
    states = {each.name: each.state for each in found.findings}
    assert states["SHA256SUMS"] is State.UNFINISHED
    assert states[f"{FIRST[4:]}/job.json"] is State.UNFINISHED
    assert states[f"{FIRST[4:]}/model.estimator"] is states["predictions.csv"] is State.UNKNOWN


@pytest.mark.parametrize(
    ("state", "artefact", "goes_on"),
    [
        (f"run/{VIT}/state.safetensors", "training timm:test_vit-early, outer 0, inner 0", True),
        ("model/.member-0.state.safetensors", "member member-0", False),
    ],
)
def test_the_state_of_a_training_under_way_is_looked_at(copy, state, artefact, goes_on):
    path = copy / state
    (copy / "run/SHA256SUMS").unlink()
    (copy / f"run/{VIT}/job.json").unlink()
    write_state(path, {"key": "k", "courses": [{"trained": 7}]}, {"0/a": torch.rand(9)})
    found = {each.name: each for each in verdict(copy / state.partition("/")[0]).findings}
    name = state.partition("/")[2]
    assert (found[name].state, found[name].artefact) == (State.SOUND, f"{artefact}, under way")
    if goes_on:
        record = found[name.replace("state.safetensors", "job.json")]
        assert record.state is State.UNFINISHED
        assert record.cost == "cystgrid crossval goes on with it: after 7 whole epochs"
    flip(path)
    (lost,) = verdict(copy / state.partition("/")[0]).lost
    assert (lost.name, lost.state) == (name, State.DAMAGED)
    assert "begins again" in lost.cost


def test_a_state_beside_a_finished_training_was_left_by_a_kill(copy):
    write_state(copy / f"run/{VIT}/state.safetensors", {"key": "k", "courses": []}, {})
    found = verdict(copy / "run")
    assert not found.lost
    (left,) = [each for each in found.findings if each.state is State.UNKNOWN]
    assert left.artefact == "left by a killed command"


@pytest.mark.parametrize("name", [*FOLDERS])
def test_a_folder_that_lost_the_file_that_names_it_is_still_known(copy, name):
    card = {"run": "run.json", "model": "model.json", "prepared": "prepared.json"}.get(name)
    (copy / name / (card or "start.json")).unlink()
    found = verdict(copy / name)
    assert card is None or found.what == verdict(copy / name).what
    assert [each.state for each in found.lost] == [State.MISSING]
    done = CliRunner().invoke(app, ["verify", str(copy / name)])
    assert done.exit_code == 3 and "1 missing" in " ".join(done.output.split())


def test_foreign_files_are_named_and_cost_nothing(copy):
    (copy / "model/notes.txt").write_text("mine")
    (copy / "model/.model.json.77.tmp").write_text("half")
    found = verdict(copy / "model")
    assert not found.lost
    told = {each.name: each.artefact for each in found.findings if each.state is State.UNKNOWN}
    assert told == {
        "notes.txt": "no artefact on record",
        ".model.json.77.tmp": "left by a killed command",
    }


def test_no_link_out_of_the_folder_is_followed(copy, tmp_path):
    outside = tmp_path / "outside"
    path = copy / "run/predictions.csv"
    path.rename(outside)
    path.symlink_to(outside)
    (found,) = verdict(copy / "run").lost
    assert found.name == "predictions.csv" and "a link that leads out" in found.why


def test_a_folder_that_is_written_into_is_looked_at_and_said_to_be_locked(copy):
    assert not verdict(copy / "run").locked
    with FileLock(copy / "run/.lock"):
        assert verdict(copy / "run").locked


def test_what_is_nothing_of_ours_is_refused(tmp_path):
    for folder, got in ((tmp_path, "nothing of ours"), (tmp_path / "gone", "no such folder")):
        with pytest.raises(StoreError, match=got):
            verdict(folder)
    (tmp_path / "predictions.json").write_text("{}")
    with pytest.raises(StoreError, match="answers for patients"):
        verdict(tmp_path)


def test_the_verb_says_it_and_its_exit_code_too(copy):
    folders = [str(copy / name) for name in FOLDERS]
    sound = CliRunner().invoke(app, ["verify", *folders])
    assert (sound.exit_code, sound.output.count(" sound")) == (0, 4), sound.output
    flip(copy / "prepared/patients/p003/crop.npy")
    found = CliRunner().invoke(app, ["verify", *folders])
    assert found.exit_code == 3
    said = " ".join(found.output.split())
    assert "patient p003" in said and "1 damaged" in said and "prepared again" in said
    quiet = CliRunner().invoke(app, ["verify", "--quiet", folders[1]])
    assert (quiet.exit_code, quiet.output) == (0, "")
