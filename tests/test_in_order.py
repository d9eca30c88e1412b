"""Work given to processes comes back in order, is not piled up, and fails as it would here."""

import os
import threading
import time

import pytest

from cystgrid import processes
from cystgrid.errors import StoreError
from cystgrid.processes import AHEAD, in_order

ITEMS = tuple(range(12))


def slow_first(item):
    """The first of a batch takes longest."""
    time.sleep(0.2 if item == 0 else 0)
    return item * item


def refuse_seven(item):
    if item == 7:
        raise ValueError(f"{item} is refused")
    return item


def die(item):
    os._exit(9)


def touch(path):
    path.touch()
    return path.name


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_are_in_the_order_of_the_items(workers):
    with in_order(slow_first, ITEMS, workers) as found:
        assert list(found) == [item * item for item in ITEMS]


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_raised_comes_at_its_place(workers):
    with (
        pytest.raises(ValueError, match="7 is refused"),
        in_order(refuse_seven, ITEMS, workers) as found,
    ):
        taken = []
        for item in found:
            taken.append(item)
    assert taken == list(range(7))


def test_a_worker_that_dies_is_an_error_that_says_so():
    with pytest.raises(StoreError, match="died"), in_order(die, ITEMS, 1) as found:
        list(found)


def test_no_more_is_begun_than_stays_ahead(tmp_path):
    paths = [tmp_path / str(number) for number in range(AHEAD + 5)]
    with in_order(touch, paths, 1) as found:
        for taken, name in enumerate(found, start=1):
            assert name == str(taken - 1)
            assert len(list(tmp_path.iterdir())) <= min(taken + AHEAD, len(paths))
    assert len(list(tmp_path.iterdir())) == len(paths)


def test_leaving_early_ends_the_workers(monkeypatch):
    pools = []
    genuine = processes.stop
    monkeypatch.setattr(processes, "stop", lambda pool: (pools.append(pool), genuine(pool)))
    with in_order(slow_first, ITEMS, 1) as found:
        assert next(found) == 0
    (pool,) = pools
    with pytest.raises(RuntimeError, match=r"shutdown|not usable"):
        pool.submit(slow_first, 1)


@pytest.mark.parametrize("last", [0, 1, 5])
def test_when_it_is_left_no_thread_of_the_pool_s_is_at_work(last):
    """Such a thread closes a pipe that Python writes to at exit: a traceback beside ours."""
    before = set(threading.enumerate())
    with in_order(slow_first, ITEMS, 2) as found:
        for _ in range(last):
            next(found)
    assert set(threading.enumerate()) <= before
