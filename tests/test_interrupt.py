"""Ctrl-C: one line, the contract's exit code, and no traceback of any process."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.training.job import STATE
from cystgrid.training.state_file import read_told

INTERRUPTED = 130
FIRST_STATE = (
    "import cystgrid.training.nested as nested; import interrupted_training as own; "
    "nested.run_training = own.write_first_state; "
)
"""Before a command: its trainings write a state after their first step."""

GOES_ON = "stopped; the same command goes on where it was"
STUDY = """
[preparation]
cell = 16
[preparation.n4]
enabled = false
[splits]
folds = 3
turns = 1
[grid]
cells = 4
[models]
names = ["timm:test_vit"]
weights = "none"
[training]
epochs = 100000
batch = 2
"""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("interrupt")
    return write_phantom_cohort(folder, patients=9, seed=4, reduction=2.0, quiet=True)


def start(*words, script=""):
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", f"{script}from cystgrid.cli import main; main()", *map(str, words)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )


def heed_interrupts():
    """A shell starts what it puts in the background deaf to Ctrl-C, and its children inherit it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.skipif(os.name == "nt", reason="process groups are of POSIX systems")
@pytest.mark.parametrize("seconds", [2.0, 3.0, 5.0])
def test_ctrl_c_says_one_line_whenever_it_comes(cohort, tmp_path, seconds):
    command = ("prepare", cohort, "-o", tmp_path / "prepared", "--workers", "2")
    process = start(*command)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the command
    sent = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, said
    assert time.monotonic() - sent < 10, "workers are ended, not waited for"
    assert said.splitlines() == [GOES_ON]


@pytest.fixture(scope="module")
def prepared(cohort):
    """Prepared patients, and a study of trainings that take minutes."""
    study = cohort.with_name("study.toml")
    study.write_text(STUDY)
    words = ("prepare", cohort, "-o", cohort.with_name("prepared"), "--study", study)
    assert start(*words).wait(timeout=120) == 0
    return cohort.with_name("prepared")


@pytest.mark.skipif(os.name == "nt", reason="process groups are of POSIX systems")
@pytest.mark.parametrize("engine", [("--workers", "0"), ("--workers", "2"), ("--engine", "ray")])
def test_ctrl_c_puts_trainings_away_and_they_go_on(prepared, tmp_path, engine):
    if "ray" in engine:
        pytest.importorskip("ray", reason="ray is not installed: no cluster here")
    first = stopped_training(prepared, tmp_path, *engine)
    assert len(first) == (1 if "0" in engine else 2)
    again = stopped_training(prepared, tmp_path, "--workers", "0")  # any engine goes on
    more = {path: taken - first[path] for path, taken in again.items()}
    assert min(first.values()) > 1 and min(more.values()) >= 0 < max(more.values())


def stopped_training(prepared, folder, *engine):
    """Steps that each training had taken when it was put away."""
    began = time.time()
    process = start(*crossval(prepared, folder), *engine, "--quiet", script=FIRST_STATE)
    wait_for(lambda: written(folder, began) >= (1 if "0" in engine else 2), process)
    time.sleep(1.0)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (INTERRUPTED, f"{GOES_ON}\n")
    return states(folder)


@pytest.mark.skipif(os.name == "nt", reason="process groups are of POSIX systems")
def test_a_second_ctrl_c_ends_the_workers_now(prepared, tmp_path):
    process = start(*crossval(prepared, tmp_path), "--workers", "2", script=FIRST_STATE)
    wait_for(lambda: written(tmp_path, 0) == 2, process)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (INTERRUPTED, f"{GOES_ON}\n")
    assert len(states(tmp_path)) == 2, "a state is not sound"


def crossval(prepared, folder):
    study = prepared.with_name("study.toml")
    return "crossval", prepared, "-o", folder / "run", "--study", study


def states(folder):
    """Steps taken, by training."""
    found = sorted(folder.glob(f"run/jobs/*/*/*/{STATE}"))
    return {path: read_told(path)["courses"][0]["taken"] for path in found}


def written(folder, since):
    """How many trainings were put away since then."""
    return sum(path.stat().st_mtime > since for path in folder.glob(f"run/jobs/*/*/*/{STATE}"))


def wait_for(condition, process, seconds=300):
    last = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > last:
            process.kill()
            pytest.fail(str(process.communicate()))
        time.sleep(0.1)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are counted in /proc")
def test_workers_end_with_a_killed_command(cohort, tmp_path):
    process = start("prepare", cohort, "-o", tmp_path / "prepared", "--workers", "2")
    while len(alive := workers_of(process.pid)) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.kill()
    process.wait()
    last = time.monotonic() + 30
    while any(map(running, alive)) and time.monotonic() < last:
        time.sleep(0.1)
    assert not [pid for pid in alive if running(pid)]


def workers_of(parent):
    """Its processes that have begun to work: more threads than the one they start with."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, ppid = stat.read_text().rpartition(")")[2].split()[:2]
            words = (stat.parent / "cmdline").read_bytes()
            threads = len(list((stat.parent / "task").iterdir()))
            if int(ppid) == parent and state != "Z" and b"spawn_main" in words and threads > 1:
                found.append(int(stat.parent.name))
    return found


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
