"""A worker that is killed costs its job's time, never the job."""

import os
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from cystgrid.errors import StoreError
from cystgrid.processes import RETRIES, each
from cystgrid.training.engine import LocalEngine


def die_first(item, folder, times=1):
    """Killed while an item is worked on for the first times; its square afterwards."""
    tries = len(list(folder.glob(f"{item}-*")))
    (folder / f"{item}-{tries}").touch()
    if item == 2 and tries < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return item * item


def test_what_is_not_done_is_given_out_again(tmp_path):
    found = list(each(partial(die_first, folder=tmp_path), range(5), 2))
    assert sorted(found) == [0, 1, 4, 9, 16], "each result once"


def test_one_that_always_dies_is_an_error_that_says_so(tmp_path):
    work = partial(die_first, folder=tmp_path, times=99)
    with pytest.raises(StoreError, match="died"):
        list(each(work, range(4), 1))
    assert len(list(tmp_path.glob("2-*"))) == RETRIES + 1


@dataclass(frozen=True)
class Job:
    item: int
    folder: Path
    epochs: int = 3
    times: int = 1


def run_job(job, tick):
    tick()
    die_first(job.item, job.folder, job.times)
    for _ in range(job.epochs - 1):
        tick()
    (job.folder / f"done-{job.item}").touch()


def test_a_training_whose_worker_is_killed_is_trained_again(tmp_path):
    counted = []
    LocalEngine(2).run([Job(item, tmp_path) for item in range(4)], run_job, counted.append)
    assert sorted(path.name for path in tmp_path.glob("done-*")) == [f"done-{n}" for n in range(4)]
    assert sum(counted) == 12, "no epoch is counted twice"


def test_trainings_whose_workers_are_killed_again_and_again_are_given_up(tmp_path):
    jobs = [Job(item, tmp_path, times=99) for item in (2, 3)]
    with pytest.raises(StoreError, match=f"without a word .* {RETRIES + 1} times"):
        LocalEngine(1).run(jobs, run_job, lambda steps: None)
