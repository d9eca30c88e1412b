"""``crossval --plan`` on the command line: a table, no folder, and the run's own refusals."""

import os
from datetime import datetime

import pytest
from typer.testing import CliRunner

from cystgrid.cli import app
from cystgrid.cohort.splits import SplitSettings
from cystgrid.planning import duration_text, size_text
from cystgrid.study import Study
from cystgrid.training.nested import cross_validate
from training.conftest import make_patient, write_store

STUDY = """
[splits]
folds = 3
[grid]
cells = 4
[models]
names = ["majority", "site-only"]
"""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    write_store(folder / "prepared", [make_patient(n) for n in range(18)])
    (folder / "study.toml").write_text(STUDY, "utf-8")
    return folder


def crossval(cohort, run, *more):
    asked = ["crossval", cohort / "prepared", "-o", run, "--study", cohort / "study.toml"]
    return CliRunner().invoke(app, [*map(str, asked), "--workers", "0", *more])


def test_a_plan_is_printed_and_nothing_is_written(cohort, tmp_path, monkeypatch):
    run = tmp_path / "run"
    planned = crossval(cohort, run, "--plan", "--quiet")
    assert planned.exit_code == 0, planned.output
    for words in ("majority", "site-only", "machines like this one", "disk: "):
        assert words in planned.output
    assert not run.exists()
    recipe = Study.read(cohort / "study.toml").recipe(("majority",))
    cross_validate(cohort / "prepared", run, recipe, SplitSettings(folds=3), workers=0, quiet=True)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    monkeypatch.setattr("cystgrid.planning._seconds_of_tables", lambda *_, **__: 1.0)
    again = crossval(cohort, run, "--plan")
    done = {row.split("│")[1].strip(): row.split("│")[4].strip()
            for row in again.output.splitlines() if "none" in row}  # fmt: skip
    assert done == {"majority": "6", "site-only": "0"}
    assert "nothing is left" not in again.output
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_of_a_finished_run_nothing_is_left_and_what_it_took_is_said(cohort, tmp_path, monkeypatch):
    monkeypatch.setattr("cystgrid.planning._seconds_of_tables", lambda *_, **__: 1.0)
    run = tmp_path / "run"
    recipe = Study.read(cohort / "study.toml").recipe()
    cross_validate(cohort / "prepared", run, recipe, SplitSettings(folds=3), workers=0, quiet=True)
    records = sorted(run.glob("jobs/*/*/*/job.json"))
    for number, record in enumerate(records):
        moment = datetime(2026, 1, 2, 3, number).timestamp()
        os.utime(record, (moment, moment))
    done = crossval(cohort, run, "--plan")
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert f"nothing is left to train: all {len(records)} trainings are done" in said
    assert "the first ended at 2026-01-02 03:00, the last at 2026-01-02 03:11" in said
    assert "only makes tables and figures anew: 1.0 s" in said
    assert "machines like this one" not in said


def test_what_the_run_would_refuse_the_plan_refuses(cohort, tmp_path):
    (tmp_path / "prepared.json").write_text("{}", "utf-8")
    assert crossval(cohort, tmp_path, "--plan").exit_code == 3
    assert crossval(cohort, tmp_path / "run", "--plan", "--models", "resnet19").exit_code == 2


def test_times_and_sizes_are_in_the_unit_in_which_they_are_read():
    assert [duration_text(s) for s in (0.0123, 1.5, 600, 9000)] == [
        "12 ms", "1.5 s", "10.0 min", "2.5 h",
    ]  # fmt: skip
    assert [size_text(n) for n in (1_400_000, 2_500_000_000)] == ["1 MB", "2.5 GB"]
