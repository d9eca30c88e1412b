"""Warnings that would repeat a header's values: hidden in the thread that reads it, in no other."""

import threading
import warnings

import pytest
from pydicom import Dataset

from cystgrid.pacs import rows
from cystgrid.quiet import quietly
from cystgrid.scans import dicom_tags


def test_within_it_nothing_is_shown_and_afterwards_everything(recwarn):
    for _ in range(2):  # a filter of somebody's may have come before ours
        warnings.simplefilter("always")
        with quietly():
            warnings.warn("a name", stacklevel=1)
            with pytest.raises(KeyError), quietly():
                raise KeyError
            warnings.warn("a name", stacklevel=1)
        warnings.warn("told", stacklevel=1)
    assert [str(each.message) for each in recwarn] == ["told", "told"]


def test_filters_do_not_grow():
    with quietly():
        pass
    before = len(warnings.filters)
    for _ in range(5):
        warnings.filterwarnings("ignore", message="something that nobody says")
        with quietly():
            pass
    assert len(warnings.filters) == before + 1


def by_archive(header):
    return rows.value_of(header, "PatientID")


def by_scan(header):
    return dicom_tags.value(header, "PatientID", None)


class Slow(Dataset):
    """A header in which every step is waited for."""

    def __init__(self, entered, leave):
        super().__init__()
        self.PatientID = "Quimby"
        self.steps = entered, leave

    def told(self):
        entered, leave = self.steps
        entered.set()
        assert leave.wait(20)
        warnings.warn("Quimby", stacklevel=1)

    def get(self, *asked):
        self.told()
        return super().get(*asked)

    def __getitem__(self, tag):
        self.told()
        return super().__getitem__(tag)


@pytest.mark.parametrize("read", [by_archive, by_scan])
def test_two_threads_that_are_within_it_at_once_show_nothing_and_leave_nothing_hidden(read):
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        entered, leave = [[threading.Event() for _ in range(2)] for _ in range(2)]
        threads = [
            threading.Thread(target=read, args=(Slow(*each),))
            for each in zip(entered, leave, strict=True)
        ]
        for thread, event in zip(threads, entered, strict=True):
            thread.start()
            assert event.wait(20)
        warnings.warn("in this thread", stacklevel=1)
        for thread, event in zip(threads, leave, strict=True):  # the first in is the first out
            event.set()
            thread.join()
        warnings.warn("afterwards", stacklevel=1)
    assert [str(each.message) for each in shown] == ["in this thread", "afterwards"]
