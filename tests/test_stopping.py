"""Ctrl-C is answered by one line and code 130 even when it comes while a verb already ends."""

import signal

import pytest
from typer.testing import CliRunner

import cystgrid.verifying.verify as verifying
from cystgrid.cli import app, common

pytestmark = pytest.mark.usefixtures("ctrl_c")

STOPPED = (130, "stopped\n")


def stop(*args, **named):
    raise KeyboardInterrupt


@pytest.mark.parametrize("late", [0, 1])
def test_ctrl_c_and_one_more_while_the_verb_ends(monkeypatch, tmp_path, late):
    told = []

    def fail(code, line, fail=common.fail):
        told.append(line)
        if len(told) <= late:
            raise KeyboardInterrupt
        fail(code, line)

    monkeypatch.setattr(verifying, "verify", stop)
    monkeypatch.setattr(common, "fail", fail)
    done = CliRunner().invoke(app, ["verify", str(tmp_path)])
    assert (done.exit_code, done.output) == STOPPED
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_before_a_verb_has_begun(monkeypatch, tmp_path):
    monkeypatch.setattr(common.TyperGroup, "invoke", stop)
    done = CliRunner().invoke(app, ["verify", str(tmp_path)])
    assert (done.exit_code, done.output) == STOPPED
