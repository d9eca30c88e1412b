"""Studies in SQLite: what a restart finds, and which step follows which."""

import random
import sqlite3
import time
from contextlib import suppress
from statistics import median

import pytest

from cystgrid.errors import StoreError
from cystgrid.page.jobs import Jobs, State
from cystgrid.page.worker import Worker


def added(jobs):
    job, folder = jobs.begin()
    (folder / "scan").write_text("x")
    jobs.add(job, "key")
    return job


@pytest.fixture
def jobs(tmp_path):
    return Jobs(tmp_path)


def state(jobs, job):
    return jobs.get(job).state


def test_the_one_that_has_waited_longest_is_next(jobs):
    one, two = added(jobs), added(jobs)
    assert jobs.next() is None  # nobody asked yet
    assert jobs.queue(two, "key", {})
    assert jobs.queue(one, "key", {"box": "1"})
    assert not jobs.queue(one, "key", {})  # it waits already
    assert jobs.ahead_of(jobs.get(one)) == 1
    assert jobs.next().id == two
    assert jobs.next().id == one
    assert jobs.next() is None
    assert jobs.get(one).request == {"box": "1"}


def test_a_restart_reads_again_what_was_being_read(tmp_path):
    jobs = Jobs(tmp_path)
    names = [added(jobs) for _ in range(5)]
    for name in names[:4]:
        jobs.queue(name, "key", {})
    for _ in range(3):
        jobs.next()
    jobs.progress(names[0], "Grading", 1, 3)
    jobs.cancel(names[1])
    jobs.end(names[2], State.DONE)
    again = Jobs(tmp_path)
    again.resume()
    assert [state(again, name) for name in names] == [
        "queued",
        "cancelled",
        "done",
        "queued",
        "new",
    ]
    assert again.get(names[0]).stage == ""
    assert again.next().id == names[0]


def test_cancelling_ends_what_waits_and_asks_what_runs(jobs):
    waits, runs = added(jobs), added(jobs)
    jobs.queue(runs, "key", {})
    jobs.next()
    jobs.queue(waits, "key", {})
    for name in (waits, runs):
        jobs.cancel(name)
    assert (state(jobs, waits), state(jobs, runs)) == ("cancelled", "cancelling")
    assert not jobs.progress(runs, "Grading", 1, 3)
    jobs.end(runs, State.CANCELLED)
    jobs.end(runs, State.DONE)  # it has ended already
    assert state(jobs, runs) == "cancelled"
    assert jobs.queue(runs, "key", {})  # and may be asked for anew


def test_a_study_is_removed_with_its_files_but_not_under_the_readers_hands(jobs):
    job = added(jobs)
    jobs.queue(job, "key", {})
    jobs.next()
    with pytest.raises(StoreError, match="cancel it first"):
        jobs.delete(job)
    jobs.end(job, State.DONE)
    jobs.delete(job)
    assert jobs.get(job) is None
    assert not jobs.place(job).exists()


@pytest.mark.parametrize("moment", [1, 2])
def test_a_study_that_is_asked_for_while_it_is_removed_stays(tmp_path, jobs, monkeypatch, moment):
    """Asked for from another thread, before each step to the database in turn."""
    job, opened, steps, asked = added(jobs), jobs._open, [], []

    def stepping():
        steps.append(1)
        if len(steps) == moment:
            asked.append(Jobs(tmp_path).queue(job, "key", {}))
        return opened()

    monkeypatch.setattr(jobs, "_open", stepping)
    with suppress(StoreError):
        jobs.delete(job)
    assert (Jobs(tmp_path).get(job) is not None) == any(asked) == jobs.place(job).exists()


def test_images_of_patients_are_for_whoever_started_the_page(jobs):
    job = added(jobs)
    assert jobs.place(job).stat().st_mode & 0o077 == 0


def test_what_is_counted_is_what_the_rows_say(jobs):
    """Against the rows themselves, after every step of a random course."""
    draw = random.Random(3)
    names = [added(jobs) for _ in range(8)]
    steps = [
        lambda name: jobs.queue(name, "key", {}),
        lambda name: jobs.next(),
        lambda name: jobs.end(name, draw.choice([State.DONE, State.FAILED])),
        jobs.cancel,
    ]
    seen = set()
    for _ in range(100):
        draw.choice(steps)(draw.choice(names))
        rows = jobs.all()
        seen |= {job.state for job in rows}
        busy = sorted((job.queued, job.id) for job in rows if job.state.busy)
        assert jobs.kept() == len(rows)
        assert jobs.waiting() == len(busy)
        assert [jobs.ahead_of(job) for job in rows] == [
            busy.index((job.queued, job.id)) if job.state.busy else 0 for job in rows
        ]
        took = [job.ended - job.begun for job in rows if job.state is State.DONE]
        assert jobs.usual_seconds() == (round(median(took), 1) if took else None)
    assert seen == set(State)


class Reader:
    """Stands in for the process: the disk is full at the first study, then there is room."""

    def __init__(self):
        self.asked = []

    def stand_by(self):
        pass

    def interrupt(self):
        pass

    def call(self, folder, job):
        self.asked.append(job.id)
        if len(self.asked) == 1:
            raise sqlite3.OperationalError("database or disk is full")
        Jobs(folder).end(job.id, State.DONE)


def test_a_full_disk_does_not_end_the_queue(jobs):
    one, two = added(jobs), added(jobs)
    for name in (one, two):
        jobs.queue(name, "key", {})
    reader = Reader()
    worker = Worker(jobs, reader)
    worker.start()
    last = time.monotonic() + 20
    while {state(jobs, one), state(jobs, two)} != {State.DONE} and time.monotonic() < last:
        time.sleep(0.05)
    worker.stop()
    assert (state(jobs, one), state(jobs, two)) == (State.DONE, State.DONE)
    assert reader.asked == [one, one, two]
