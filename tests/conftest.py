"""What several parts' tests share."""

import os
import signal
from pathlib import Path

import pytest

REAL_DATA = "CYSTGRID_REAL_DATA"

os.environ.setdefault("OMP_NUM_THREADS", "1")
"""Tests run side by side, one process a core (``make test``): more threads only wait."""

LONGEST = ("proofs/test_null.py", "test_manual.py", "faults/test_faults.py", "test_readme.py")
"""Files with tests of a minute and more."""


def pytest_collection_modifyitems(items):
    """The longest first: what is begun last is short, and all processes end at about one time."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONGEST))


@pytest.fixture(scope="session")
def real_data():
    """Folder of real scans, for tests that read them."""
    folder = os.environ.get(REAL_DATA)
    if not folder:
        pytest.skip(f"{REAL_DATA} is not set: no real scans here")
    return Path(folder)


@pytest.fixture(scope="session")
def real_weights(real_data):
    """Folder of real pretrained weights, beside the real scans."""
    folder = real_data.parent / "weights"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder.name} beside {REAL_DATA}: no real weights here")
    return folder


@pytest.fixture(scope="session")
def report_run(tmp_path_factory):
    """A run with tables, beside what it was trained on; every name in it is hostile to a page."""
    from report_runs import write_run  # torch, for those alone who ask

    return write_run(tmp_path_factory.mktemp("report"))


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="the long versions of tests/proofs")


def pytest_terminal_summary(terminalreporter):
    """The figures that the proofs have seen, also of tests in other processes."""
    reports = [report for group in terminalreporter.stats.values() for report in group]
    seen = [
        f"{report.nodeid.rpartition('::')[2]}: {text}"
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, text in report.user_properties
        if name == "figure"
    ]
    if seen:
        terminalreporter.section("figures")
        for line in sorted(seen):
            terminalreporter.write_line(line)


@pytest.fixture
def ctrl_c():
    """Ctrl-C as a terminal's program has it: a shell's job in the background would ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def no_workers(monkeypatch):
    """A command that is not told how many worker processes to begin begins none.

    For tests of what many commands say and write: to begin workers is most of the time they take,
    and a core that is free has another test.
    """
    for module in ("processes", "planning", "training.engine"):
        monkeypatch.setattr(
            f"cystgrid.{module}.worker_count", lambda wanted, threads=1: wanted or 0
        )
