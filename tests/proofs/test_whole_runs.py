"""Whole runs, with what the outer test fold holds changed: nothing that is fitted may notice."""

import json

import numpy as np
import pytest

from cohorts_in_memory import CLASSES, write_cohort
from proofs.conftest import recipe, run

PEOPLE = 24
LABELS = [CLASSES[n % 3] for n in range(PEOPLE)]


@pytest.fixture(scope="module", autouse=True)
def small():
    """Small images, for the time they take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cystgrid.models.extraction.PIXELS", 64)
        yield


@pytest.fixture(scope="module")
def how(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "features.csv"
    rng = np.random.default_rng(0)
    lines = [f"p{n:03},{n % 3 + rng.random():.6f}\n" for n in range(PEOPLE)]
    path.write_text("patient,size\n" + "".join(lines))
    models = {
        "features": {"file": str(path), "columns": ("size",)},
        "fusions": (("cnn-svm", "features-forest"),),
    }
    names = ("resnet18", "cnn-svm", "features-forest", "site-only")
    search = {"space": {"learning_rate": (1e-4, 1e-3)}}
    return recipe(names, models=models, search=search, epochs=2)


@pytest.fixture(scope="module")
def clean(how, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    table = run(write_cohort(folder / "prepared", PEOPLE, labels=LABELS), folder / "run", how)
    return folder / "run", table


def fitted(folder):
    """All that the trainings of outer fold 0 decided: weights, landmarks, epochs, settings."""
    found = {}
    for path in sorted(folder.glob("jobs/*/outer-0/*/job.json")):
        record = json.loads(path.read_text())
        kept = ("sha256", "standard", "selected", "selected_epoch", "trials", "train", "validation")
        found[str(path.parent.relative_to(folder))] = {name: record[name] for name in kept}
    decided = json.loads((folder / "decision.json").read_text())
    found["fusion"] = [w for fold in decided.values() for w in fold if w["outer"] == 0]
    return found


def outer_zero(table):
    return sorted(table[table["outer_fold"] == 0]["patient"].unique())


@pytest.mark.parametrize("poison", [float("nan"), 1e9])
def test_poisoned_test_voxels_change_nothing_that_is_fitted(how, clean, tmp_path, poison):
    folder, table = clean
    victims = {int(name[1:]): poison for name in outer_zero(table)}
    prepared = write_cohort(tmp_path / "prepared", PEOPLE, labels=LABELS, voxels=victims)
    run(prepared, tmp_path / "run", how)
    assert fitted(tmp_path / "run") == fitted(folder)


def test_the_tripwire_trips_for_a_patient_that_may_be_seen(how, clean, tmp_path):
    folder, table = clean
    seen = next(n for n in range(PEOPLE) if f"p{n:03}" not in outer_zero(table))
    prepared = write_cohort(tmp_path / "prepared", PEOPLE, labels=LABELS, voxels={seen: 1e9})
    run(prepared, tmp_path / "run", how)
    assert fitted(tmp_path / "run") != fitted(folder)


def test_flipped_test_labels_change_no_prediction_of_theirs(how, clean, tmp_path):
    """Within the given folds: who is tested, and by whom, stays as it was."""
    from cystgrid.cohort.splits import read_splits

    folder, table = clean
    flip = {"normal": "high", "low": "normal", "high": "low"}
    victims = outer_zero(table)
    labels = [flip[label] if f"p{n:03}" in victims else label for n, label in enumerate(LABELS)]
    prepared = write_cohort(tmp_path / "prepared", PEOPLE, labels=labels)
    given = read_splits(folder / "splits.json")
    after = run(prepared, tmp_path / "run", how, given=given)
    columns = ["model", "patient", "p_normal", "p_low", "p_high"]
    before, now = (
        frame[frame["outer_fold"] == 0][columns].sort_values(columns[:2]).reset_index(drop=True)
        for frame in (table, after)
    )
    assert before.equals(now)
    assert fitted(tmp_path / "run") == fitted(folder)


def test_every_fit_names_its_patients_and_none_of_them_is_tested(clean):
    folder, table = clean
    places = list(folder.glob("jobs/*/outer-*/inner-*/job.json"))
    assert len(places) == 4 * 3
    for path in places:
        record = json.loads(path.read_text())
        sides = [set(record[name]) for name in ("train", "validation", "test")]
        assert all(sides)
        assert sum(map(len, sides)) == len(set.union(*sides)) == PEOPLE
    for fold in json.loads((folder / "decision.json").read_text())["cnn-svm+features-forest-early"]:
        met = set(table[table["outer_fold"] == fold["outer"]]["patient"])
        assert fold["patients"]
        assert not met & set(fold["patients"])
