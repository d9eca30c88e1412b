"""The face of the package: few names, none imported early, hostile text shown as text."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import cystgrid
from cohorts_in_memory import write_cohort
from cystgrid.cohort.manifest import Manifest, Patient
from cystgrid.errors import CohortError, StoreError, UsageError
from cystgrid.exports.cases import cases_for
from cystgrid.face import html
from cystgrid.face.cohorts import Cohort
from cystgrid.face.models import Model
from cystgrid.face.prepared import Grid
from cystgrid.face.results import Result
from cystgrid.face.scans import Scan
from cystgrid.provenance import NOTICE
from cystgrid.service import Service

HOSTILE = "<script>alert('x')</script>"


def test_fifteen_names_and_no_more():
    assert len(cystgrid.__all__) == 15
    for name in cystgrid.__all__:
        assert getattr(cystgrid, name).__doc__
    with pytest.raises(AttributeError, match="nothing"):
        _ = cystgrid.nothing


def test_nothing_heavy_is_imported_with_the_package():
    code = (
        "import cystgrid, sys; print([m for m in ('torch', 'pandas', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_cohort_shows_its_rows_cut_and_escaped(tmp_path):
    people = tuple(
        Patient(f"p{n}", label=HOSTILE, t1=f"/home/{HOSTILE}/scan", center=HOSTILE)
        for n in range(html.ROWS + 5)
    )
    cohort = Cohort(Manifest(tmp_path / "cohort.csv", people), (("q", HOSTILE),))
    shown = cohort._repr_html_()
    assert "<script" not in shown and "&lt;script&gt;" in shown
    assert "/home/" not in shown and "... and 5 more" in shown
    assert repr(cohort) == f"Cohort: {html.ROWS + 5} patients"  # no path, which may name a person
    assert len(cohort) == len(list(cohort)) == html.ROWS + 5
    assert cohort["p3"] is people[3]
    with pytest.raises(CohortError, match="patient 'nobody'"):
        cohort["nobody"]


def test_a_study_shows_what_was_chosen():
    assert "every default" in cystgrid.Study()._repr_html_()
    shown = cystgrid.Study(training={"epochs": 7}, cohort={"classes": ("a", HOSTILE)})
    assert "training.epochs" in shown._repr_html_() and "<script" not in shown._repr_html_()


def test_a_scan_shows_its_middle_slices():
    voxels = np.zeros((8, 10, 12), np.float32)
    voxels[4, 5, 6] = 1
    shown = Scan(voxels, np.diag([1.0, 2.0, 3.0, 1.0]), "here", (HOSTILE,))._repr_html_()
    assert "data:image/png" in shown and "8 x 10 x 12" in shown and "<script" not in shown
    flat = Scan(np.ones((4, 4, 4), np.float32), np.eye(4))
    assert "data:image/png" in flat._repr_html_()


def test_prepared_patients_and_a_grid(tmp_path):
    prepared = cystgrid.open_prepared(write_cohort(tmp_path / "p", patients=12))
    assert len(prepared) == 12 and "... and 2 more" in prepared._repr_html_()
    grid = prepared.grid("p003", cells=4)
    assert grid.values.shape == (2, 32, 32)
    np.testing.assert_array_equal(grid.values[0, :16, :16], prepared["p003"].crop[0, 1])
    with pytest.raises(StoreError, match="patient 'nobody'"):
        prepared.grid("nobody")
    patient = replace(cases_for(2, 4, 16)[0].prepared, patient=HOSTILE)
    shown = Grid(patient, ("t1", "t2"), 4)._repr_html_()
    assert "data:image/png" in shown and "<script" not in shown


def test_results_of_anybody_with_intervals(tmp_path):
    rng = np.random.default_rng(0)
    lines = ["model,patient,label,p_a,p_b"]
    for number in range(24):
        p = 0.5 * (number % 2) + 0.5 * rng.random()
        lines.append(f"{HOSTILE.replace(',', '')},q{number},{'ab'[number % 2]},{1 - p:.4f},{p:.4f}")
    (tmp_path / "predictions.csv").write_text("\n".join(lines) + "\n")
    result = cystgrid.tables(tmp_path / "predictions.csv", tmp_path / "out")
    shown = result._repr_html_()
    first = result.tables["table1"].iloc[0]
    low, high = first["pooled_auc_low"], first["pooled_auc_high"]
    assert f"{first['pooled_auc']:.2f} ({low:.2f} to {high:.2f})" in shown
    assert "<script" not in shown and NOTICE in shown
    assert isinstance(result, Result)


def test_a_model_says_what_it_cannot_do(tmp_path):
    class NoNetwork:
        name, inputs, classes, members, calibration = HOSTILE, "none", ("a", "b"), (1,), None

    model = Model(tmp_path, Service(NoNetwork(), ()))
    assert "<script" not in model._repr_html_() and NOTICE in model._repr_html_()
    with pytest.raises(UsageError, match="no network"):
        model.explain(t1="x")
    for given in ({}, {"cohort": "c.csv", "t1": "x"}):
        with pytest.raises(UsageError, match="both or neither"):
            model.predict(**given)


def test_pretraining_refuses_unknown_settings(tmp_path):
    from cystgrid.errors import SettingsError

    with pytest.raises(SettingsError, match="grid"):
        cystgrid.pretrain(tmp_path, gridz=3)
