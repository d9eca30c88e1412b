"""A process that is watched: what it is asked, how it dies, who takes its place."""

import os
import signal
import threading
import time

import pytest

from cystgrid.errors import StoreError
from cystgrid.page.watched import DiedError, Watched


def take_up(folder):
    """Told the folder's name; doubles a number, or waits so many seconds for a negative one."""
    if folder.name == "none":
        raise StoreError(folder, got="nothing", expected="a model", do="train one")

    def work(number):
        if number < 0:
            time.sleep(-number)
        return 2 * number

    return folder.name, work


@pytest.fixture
def process(tmp_path):
    with Watched(take_up, tmp_path) as one:
        yield one


def test_it_is_told_of_the_model_and_answers_in_turn(process, tmp_path):
    assert process.told == tmp_path.name
    found = {}
    threads = [
        threading.Thread(target=lambda number=number: found.update({number: process.call(number)}))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: 2 * number for number in range(20)}


def test_a_killed_one_says_so_and_another_takes_its_place(process):
    first = process.number
    asking = threading.Timer(0.5, os.kill, (first, signal.SIGKILL))
    asking.start()
    with pytest.raises(DiedError):
        process.call(-60)
    assert process.number is None
    with pytest.raises(DiedError):
        process.call(1)
    process.stand_by()
    assert process.number not in (None, first)
    assert process.call(4) == 8


def test_what_it_does_is_ended_and_what_does_nothing_stays(process):
    first = process.number
    process.interrupt()
    assert process.number == first
    threading.Timer(0.5, process.interrupt).start()
    with pytest.raises(DiedError):
        process.call(-60)
    assert process.number is None


def test_it_has_ended_for_everybody_who_waited_for_that(process):
    """Who interrupts it and who was waiting for its answer see its end at the same time."""
    for _ in range(5):
        process.stand_by()
        enders = [threading.Timer(0.2, process.interrupt) for _ in range(4)]
        for ender in enders:
            ender.start()
        with pytest.raises(DiedError):
            process.call(-60)
        assert process.number is None
        for ender in enders:
            ender.join()


def test_one_that_cannot_be_started_is_tried_again(process, monkeypatch):
    process.stop()

    def no_memory(self):
        raise OSError(12, "Cannot allocate memory")

    with monkeypatch.context() as patch:
        patch.setattr("multiprocessing.process.BaseProcess.start", no_memory)
        for _ in range(2):
            with pytest.raises(DiedError):
                process.stand_by()
        assert process.number is None
    process.stand_by()
    assert process.call(4) == 8


def test_no_model_is_an_error_of_the_start(tmp_path):
    process = Watched(take_up, tmp_path / "none")
    with pytest.raises(StoreError, match="train one"):
        process.stand_by()


def test_it_ends_with_its_owner(tmp_path):
    with Watched(take_up, tmp_path) as process:
        number = process.number
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
