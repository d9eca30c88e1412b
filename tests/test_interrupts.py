"""Ctrl-C is answered at once, but never within an import: half an extension is no module."""

import signal
import sys
import time

import pytest

from cystgrid.interrupts import interrupt_after_imports, interrupt_noted, none_lost

pytestmark = pytest.mark.usefixtures("ctrl_c")

SLOW = """
import signal, time
signal.raise_signal(signal.SIGINT)
until = time.monotonic() + 0.3
while time.monotonic() < until:
    time.sleep(0.01)
WHOLE = True
"""


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """Name of a module in whose import Ctrl-C comes."""
    (tmp_path / "slow_extension.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "slow_extension", raising=False)
    signal.signal(signal.SIGINT, interrupt_after_imports)
    return "slow_extension"


def test_an_import_ends_before_ctrl_c_is_answered(slow):
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        module = __import__(slow)
        assert module.WHOLE
        time.sleep(10)
    assert module.WHOLE
    assert time.monotonic() - began < 5


def test_elsewhere_it_is_answered_at_once(slow):
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
        time.sleep(10)
    assert time.monotonic() - began < 1


def test_work_that_notes_it_gives_the_answer_back(slow):
    with pytest.raises(KeyboardInterrupt), interrupt_noted() as asked:
        signal.raise_signal(signal.SIGINT)
        assert asked()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is interrupt_after_imports


class Finalized:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        self.unreached = True


def test_one_that_comes_while_an_object_is_finalized_is_not_lost(slow, monkeypatch, capfd):
    monkeypatch.setattr(sys, "unraisablehook", none_lost)
    with pytest.raises(KeyboardInterrupt):
        del [Finalized()][0]
        time.sleep(10)
    assert capfd.readouterr().err == ""
