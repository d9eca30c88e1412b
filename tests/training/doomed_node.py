"""What the nodes of a test's cluster are given to do; they import it."""

import time
from pathlib import Path

import ray

from cystgrid.training import keeping
from cystgrid.training.job import run_training
from cystgrid.training.state_file import write_state


def start_on_the_doomed_node(job, tick):
    """Begin, be put away once and never end on the node that the run's folder names; else train."""
    run = job.folder.parents[3]
    here = ray.get_runtime_context().get_node_id()
    note(run / "begun", here)
    if here == (run / "doomed").read_text():
        keeping.EVERY_SECONDS, keeping.write_state = 0.0, write_and_wait
    elif job.keep.path.exists():
        note(run / "gone-on", here)
    run_training(job, tick)


def note(path, line):
    with path.open("a") as lines:
        lines.write(f"{line}\n")


def write_and_wait(*state):
    write_state(*state)
    time.sleep(600)


def sweep_when_released(name):
    """Take as long to remove what was shipped as there is no file of this name."""
    while not Path(name).exists():
        time.sleep(0.1)
