"""Protocols beside the plain one: peers', centres, repeats, searches, fusions, absent scans."""

import json

import numpy as np
import pandas as pd
import pytest

from cystgrid.cohort.splits import SplitSettings
from cystgrid.errors import CohortError, StoreError
from cystgrid.training.nested import cross_validate
from training.conftest import make_patient, make_recipe, write_store

PROBABILITIES = ["p_normal", "p_low", "p_high"]


def run(prepared, folder, recipe=None, splits=None, **options):
    return cross_validate(
        prepared, folder, recipe or make_recipe(epochs=2), splits or SplitSettings(folds=3),
        workers=0, quiet=True, **options,
    )  # fmt: skip


def records(folder, pattern="*/*/*"):
    return [json.loads(p.read_text()) for p in sorted(folder.glob(f"jobs/{pattern}/job.json"))]


@pytest.fixture(scope="module")
def peers(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("peers")
    run(prepared, folder, protocol="peer")
    return folder


def test_the_peers_protocol_selects_on_the_test_fold_and_changes_no_honest_byte(
    prepared, peers, tmp_path
):
    honest = run(prepared, tmp_path)
    assert (peers / "predictions.csv").read_bytes() == honest.read_bytes()
    assert not (tmp_path / "predictions-peer.csv").exists()
    leaky = records(peers, "*/*/peer")
    assert len(leaky) == 3
    for record in leaky:
        assert record["validation"] == record["test"]
        assert len(record["train"]) + len(record["test"]) == 18
    table = pd.read_csv(peers / "predictions-peer.csv")
    assert sorted(table["patient"]) == [f"p{n:02}" for n in range(18)]
    one = table[table["outer_fold"] == 1].set_index("patient")
    own = pd.read_csv(peers / "jobs/resnet18-early/outer-1/peer/predictions.csv")
    np.testing.assert_array_equal(one.loc[own["patient"], PROBABILITIES], own[PROBABILITIES])


def test_a_later_honest_call_keeps_the_peers_figures(prepared, peers):
    before = (peers / "predictions-peer.csv").read_bytes()
    run(prepared, peers)
    assert (peers / "predictions-peer.csv").read_bytes() == before


def test_inner_validation_predictions_are_by_models_that_never_trained_on_them(peers):
    table = pd.read_csv(peers / "validation.csv")
    assert len(table) == 3 * 12  # in each outer fold every other patient validates once
    for record in records(peers, "*/*/inner-*"):
        place = (table["outer_fold"] == record["outer"]) & (table["inner_fold"] == record["inner"])
        assert set(table[place]["patient"]) == set(record["validation"])
        assert not set(table[place]["patient"]) & {*record["train"], *record["test"]}
    truth = [("normal", "low", "high")[int(name[1:]) % 3] for name in table["patient"]]
    assert table["label"].tolist() == truth


def test_who_they_are_is_written_beside(peers):
    table = pd.read_csv(peers / "patients.csv", keep_default_na=False)
    assert list(table.columns) == ["patient", "center", "sex", "age", "modalities"]
    assert set(table["modalities"]) == {"t1+t2"}
    assert len(table) == 18


def test_each_centre_is_tested_once_by_models_of_the_others(prepared, tmp_path):
    splits = SplitSettings(by="center", inner=2, turns=1)
    table = pd.read_csv(run(prepared, tmp_path, splits=splits))
    assert table.groupby("outer_fold")["center"].nunique().tolist() == [1, 1]
    assert sorted(table["patient"]) == [f"p{n:02}" for n in range(18)]


def test_repeats_are_rows_of_their_own(prepared, tmp_path):
    splits = SplitSettings(folds=3, turns=1, repeats=2)
    table = pd.read_csv(run(prepared, tmp_path, splits=splits))
    assert table.groupby("patient")["repeat"].apply(sorted).map(tuple).unique().tolist() == [(0, 1)]
    assert sorted(table["outer_fold"].unique()) == list(range(6))


def test_a_search_is_decided_by_each_inner_fold_alone(prepared, tmp_path):
    search = {"space": {"learning_rate": [1e-6, 1e-3]}}
    recipe = make_recipe(epochs=2, search=search)
    run(prepared, tmp_path, recipe, SplitSettings(folds=3, turns=1))
    for record in records(tmp_path):
        scores = [t["validation_balanced_accuracy"] for t in record["trials"]]
        assert [t["values"]["learning_rate"] for t in record["trials"]] == [1e-6, 1e-3]
        assert record["selected"]["validation_balanced_accuracy"] == max(scores)


def test_merged_labels_make_two_classes_of_three(prepared, tmp_path):
    cohort = {"classes": ("healthy", "cyst"), "exclude": (),
              "merge": {"healthy": ["normal"], "cyst": ["low", "high"]}}  # fmt: skip
    recipe = make_recipe(epochs=1, cohort=cohort)
    table = pd.read_csv(run(prepared, tmp_path, recipe, SplitSettings(folds=3, turns=1)))
    assert list(table.columns[-2:]) == ["p_healthy", "p_cyst"]
    assert table["label"].value_counts().to_dict() == {"cyst": 12, "healthy": 6}


def test_excluded_labels_are_left_out(prepared, tmp_path):
    recipe = make_recipe(epochs=1, cohort={"classes": ("normal", "low"), "exclude": ("high",)})
    table = pd.read_csv(run(prepared, tmp_path, recipe, SplitSettings(folds=3, turns=1)))
    assert len(table) == 12


def test_a_label_that_the_study_does_not_know_is_refused(prepared, tmp_path):
    recipe = make_recipe(cohort={"classes": ("normal", "low"), "exclude": ()})
    with pytest.raises(CohortError, match="high"):
        run(prepared, tmp_path, recipe)


CLASSICAL = ("majority", "site-only", "features-forest")


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    path = tmp_path_factory.mktemp("features") / "features.csv"
    rows = {f"p{n:02}": (n % 3 + (n % 5) / 10, n) for n in range(18)}
    path.write_text(
        "patient,size,noise\n" + "".join(f"{p},{a},{b}\n" for p, (a, b) in rows.items())
    )
    return path


@pytest.fixture(scope="module")
def classical(prepared, features, tmp_path_factory):
    folder = tmp_path_factory.mktemp("classical")
    models = {"features": {"file": str(features), "columns": ("size",)},
              "fusions": (("features-forest", "site-only"),)}  # fmt: skip
    run(prepared, folder, make_recipe(CLASSICAL, models=models))
    return folder


def test_models_without_epochs_run_through_the_same_folds(classical):
    table = pd.read_csv(classical / "predictions.csv")
    assert set(table["model"]) == {*CLASSICAL, "features-forest+site-only"}
    assert set(table["inputs"]) == {"none"}
    forest = table[table["model"] == "features-forest"]
    assert (forest["predicted"] == forest["label"]).mean() > 0.9  # size gives the class away
    assert not list(classical.glob("jobs/*/*/*/curve.csv"))


def test_a_fusion_learns_on_inner_folds_and_says_what_on(classical):
    learned = json.loads((classical / "decision.json").read_text())[
        "features-forest+site-only-none"
    ]
    table = pd.read_csv(classical / "predictions.csv")
    for fold in learned:
        tested = set(table[table["outer_fold"] == fold["outer"]]["patient"])
        assert not tested & set(fold["patients"])
        assert fold["weight"] > 0.5  # the one that knows something


def test_a_damaged_estimator_is_found(prepared, features, classical):
    path = classical / "jobs/features-forest-none/outer-0/inner-0/model.estimator"
    good, before = path.read_bytes(), (classical / "predictions.csv").read_bytes()
    path.write_bytes(good[:-3])
    models = {"features": {"file": str(features), "columns": ("size",)},
              "fusions": (("features-forest", "site-only"),)}  # fmt: skip
    run(prepared, classical, make_recipe(CLASSICAL, models=models))
    assert path.read_bytes() == good
    assert (classical / "predictions.csv").read_bytes() == before


def test_another_table_of_features_is_refused(prepared, features, classical, tmp_path):
    other = tmp_path / "features.csv"
    other.write_text(features.read_text().replace("p00,0.0", "p00,0.1"))
    models = {"features": {"file": str(other), "columns": ("size",)}}
    with pytest.raises(StoreError, match="features"):
        run(prepared, classical, make_recipe(CLASSICAL, models=models))


def lacking(number, modality):
    patient = make_patient(number)
    patient.crop[modality] = np.nan
    patient.percentiles[modality] = np.nan
    return patient


@pytest.fixture(scope="module")
def gaps(tmp_path_factory):
    """Six of eighteen patients have no T1."""
    people = [lacking(n, 0) if n < 6 else make_patient(n) for n in range(18)]
    return write_store(tmp_path_factory.mktemp("gaps"), people)


@pytest.mark.parametrize("absent", ["zero", "learned"])
def test_a_patient_without_t1_is_graded_on_both(gaps, tmp_path, absent):
    recipe = make_recipe(epochs=2, models={"absent": absent})
    table = pd.read_csv(run(gaps, tmp_path, recipe, SplitSettings(folds=3, turns=1)))
    assert len(table) == 18
    assert np.isfinite(table[PROBABILITIES]).all(axis=None)
    who = pd.read_csv(tmp_path / "patients.csv")
    assert who["modalities"].value_counts().to_dict() == {"t1+t2": 12, "t2": 6}


def test_on_t1_alone_those_without_are_neither_trained_on_nor_scored(gaps, tmp_path):
    recipe = make_recipe(epochs=1, models={"inputs": ("t1",)})
    table = pd.read_csv(run(gaps, tmp_path, recipe, SplitSettings(folds=3, turns=1)))
    assert sorted(table["patient"]) == [f"p{n:02}" for n in range(6, 18)]
    for record in records(tmp_path):
        assert not {f"p{n:02}" for n in range(6)} & {*record["train"], *record["validation"]}
