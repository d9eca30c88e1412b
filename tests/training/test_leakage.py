"""Copies of one scan on two sides of a fold are refused, wherever the two sides are."""

from dataclasses import replace

import numpy as np
import pytest

from cystgrid.cohort.likeness import Copies, fingerprint
from cystgrid.cohort.splits import InnerFold, OuterFold, Splits, SplitSettings
from cystgrid.errors import CohortError
from cystgrid.scans.volume import Volume
from cystgrid.training.deploy import train_model
from cystgrid.training.leakage import check_copies, check_inner_copies
from cystgrid.training.nested import cross_validate
from cystgrid.training.settings import DeploySettings
from training.conftest import make_patient, make_recipe, write_store

SPLITS = Splits(
    (
        OuterFold(("a", "b"), (InnerFold(("c", "d"), ("e", "f")),)),
        OuterFold(("c", "d"), (InnerFold(("a", "b"), ("e", "f")),)),
    )
)


def copies(*patients, kind="nearly the same"):
    return [Copies(kind, tuple((patient, "t2") for patient in patients), 0.97)]


@pytest.mark.parametrize(
    ("pair", "where"),
    [("ac", "a in test, c in training"), ("ae", "a in test, e in validation"),
     ("ce", "c in training, e in validation")],
)  # fmt: skip
def test_two_sides_are_named(pair, where):
    with pytest.raises(CohortError, match=where) as caught:
        check_copies(copies(*pair), SPLITS)
    assert "outer fold 0, inner fold 0" in str(caught.value)
    assert "correlation 0.970" in str(caught.value)


def test_one_side_always_and_strangers_are_no_matter():
    check_copies(copies("e", "f"), SPLITS)  # together in every fold
    check_copies(copies("a", "stranger"), SPLITS)
    check_copies([], SPLITS)


def test_folds_without_a_test_side():
    folds = [InnerFold(("a", "b"), ("c",))]
    check_inner_copies(copies("a", "b"), folds)
    with pytest.raises(CohortError, match="fold 0: got copies"):
        check_inner_copies(copies("b", "c"), folds)


@pytest.fixture
def twins(tmp_path):
    """Eighteen patients, three of whom have one T2."""
    patients = [make_patient(n) for n in range(18)]
    noise = np.random.default_rng(0).normal(100, 20, (18, 32, 32, 16)).astype(np.float32)
    scans = [fingerprint(Volume(voxels, np.eye(4))) for voxels in noise]
    scans[3] = scans[6] = scans[0]  # three of one class: no fold of two holds them all
    marked = [replace(p, fingerprints={"t2": f}) for p, f in zip(patients, scans, strict=True)]
    return write_store(tmp_path / "prepared", marked)


def test_a_cross_validation_refuses_them_or_is_told_to_allow_them(twins, tmp_path):
    settings = SplitSettings(folds=3)
    with pytest.raises(CohortError, match=r"p00 in .*, p03 in .*, p06 in"):
        cross_validate(twins, tmp_path / "run", make_recipe(), settings, workers=0, quiet=True)
    assert not (tmp_path / "run").exists()
    allowed = settings.model_copy(update={"copies": "allow"})
    done = cross_validate(
        twins, tmp_path / "run", make_recipe(epochs=1), allowed, workers=0, quiet=True
    )
    assert done.is_file()


def test_a_model_to_deploy_refuses_them(twins, tmp_path):
    settings = DeploySettings(folds=3, members=3)
    with pytest.raises(CohortError, match="copies of one scan"):
        train_model(twins, tmp_path / "model", make_recipe(), settings, workers=0, quiet=True)
    assert not (tmp_path / "model").exists()
