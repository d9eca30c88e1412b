"""One writer a folder; what a killed one left is cleared away by the next."""

import subprocess
import sys

import pytest

from cohorts_in_memory import write_cohort
from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.cohorts import run_prepare
from cystgrid.errors import StoreError
from cystgrid.locking import is_locked, sole_writer
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.pretraining.settings import PretrainSettings
from cystgrid.runs import run_crossval, run_train
from cystgrid.starts import run_pretrain
from cystgrid.study import Study

HOLD = (
    "import sys; from pathlib import Path; from cystgrid.locking import sole_writer\n"
    "with sole_writer(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline().strip() == b"held"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_until_the_first_ends_however_it_ends(holder, tmp_path):
    assert is_locked(tmp_path)
    with pytest.raises(StoreError, match="another process writes into"), sole_writer(tmp_path):
        pass
    holder.kill()
    holder.wait()
    assert not is_locked(tmp_path)
    with sole_writer(tmp_path):
        (tmp_path / "written").touch()


def test_no_verb_writes_into_a_folder_that_another_process_holds(holder, tmp_path):
    before = sorted(tmp_path.iterdir())
    write_cohort(tmp_path.with_name("prepared"), 9)
    study = Study(preparation=PreparationSettings(cell=16, missing_modality="allow"))
    for write in (
        lambda: run_crossval(tmp_path.with_name("prepared"), tmp_path, study, quiet=True),
        lambda: run_train(tmp_path.with_name("prepared"), tmp_path, study, quiet=True),
        lambda: run_pretrain(tmp_path, PretrainSettings(weights="none"), quiet=True),
        lambda: run_prepare(
            write_phantom_cohort(tmp_path.with_name("c"), patients=1, seed=0, reduction=4.0),
            tmp_path, study, quiet=True,
        ),
    ):  # fmt: skip
        with pytest.raises(StoreError, match="another process writes into"):
            write()
    assert sorted(tmp_path.iterdir()) == before


def test_half_written_files_are_cleared_and_others_are_not(tmp_path):
    left = (".run.json.4711-12.tmp", "jobs/vit-early/outer-0/inner-0/.model.safetensors.1.tmp")
    kept = (".mine.tmp", "run.json", ".a.b.tmp", ".a.1-b.tmp")
    for name in (*left, *kept):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with sole_writer(tmp_path):
        assert not [name for name in left if (tmp_path / name).exists()]
    assert all((tmp_path / name).exists() for name in kept)


def test_a_folder_into_which_nothing_was_written_is_not_left_behind(tmp_path):
    with pytest.raises(ValueError, match="no"), sole_writer(tmp_path / "new"):
        raise ValueError("no")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").touch()
    refused = pytest.raises(StoreError, match="a folder that can be written")
    with refused, sole_writer(tmp_path / "file"):
        pass
