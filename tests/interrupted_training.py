"""Trainings that write one state, after their first step, and no other until they are stopped."""

from cystgrid.training import keeping
from cystgrid.training.job import run_training


def write_first_state(job, tick):
    """Run a training so; workers and nodes import this by its name."""
    keeping.EVERY_SECONDS, keeping.SHARE = 0.0, 1e9
    run_training(job, tick)
