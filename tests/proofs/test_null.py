"""Where there is nothing to learn nothing is found, but by who splits wrongly."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cohorts_in_memory import CLASSES, write_cohort, write_store
from controls import window_splits
from cystgrid.cohort.splits import SplitSettings
from cystgrid.preparation.store import Store
from cystgrid.training.outcome import PEERS
from proofs.conftest import CHANCE, FAST, SMALL, balanced_accuracy, band, recipe, run

PEOPLE, RUNS, LONG_RUNS = 30, 20, 40
MARKED, SCANS = 18, 6
WIDE = SplitSettings(folds=3, inner=4, turns=1)
"""Half of all scans train: nearly every scan then has one of its own person's among them."""


def permuted(seed):
    labels = [CLASSES[n % 3] for n in range(PEOPLE)]
    return list(np.random.default_rng(seed).permutation(labels))


def cohort(folder, seed):
    """What is seen is told from other people's labels: the images hold classes, not these."""
    return write_cohort(folder, PEOPLE, labels=permuted(seed), watermark=1.0, seed=seed)


def accuracies(tmp_path, runs, names=(FAST,), split=None, **training):
    found = {name: [] for name in names}
    for seed in range(runs):
        prepared = cohort(tmp_path / f"{seed}", seed)
        if split is not None:
            prepared = split(prepared, tmp_path / f"{seed}-windows")
        table = run(prepared, tmp_path / f"run-{seed}", recipe(names, cells=1, **training))
        for name in names:
            found[name].append(balanced_accuracy(table[table["model"] == name]))
    return found


def test_permuted_labels_are_not_learned(tmp_path, figure, long):
    names = (FAST, "vit_tiny", "cnn-svm") if long else (FAST,)
    for name, values in accuracies(tmp_path, LONG_RUNS if long else RUNS, names).items():
        mean, width = band(values)
        figure(f"{name}: mean balanced accuracy {mean:.3f} over {len(values)} runs, "
               f"chance {CHANCE:.3f}, 3 standard errors {width:.3f}")  # fmt: skip
        assert abs(mean - CHANCE) < width


@pytest.mark.parametrize("honest", [True, False])
def test_splitting_by_window_fails_that_test_and_by_patient_does_not(
    tmp_path, figure, honest, long
):
    def split(prepared, folder):
        return window_splits(prepared, folder, honest=honest)

    (values,) = accuracies(tmp_path, RUNS if long else 3, split=split, epochs=10).values()
    mean, width = band(values)
    figure(f"windows split by {'patient' if honest else 'window'}: {mean:.3f}, "
           f"chance {CHANCE:.3f}, 3 standard errors {width:.3f}")  # fmt: skip
    assert (abs(mean - CHANCE) < max(width, 0.08)) == honest


def test_a_persons_mark_is_no_help_by_patient_and_all_of_it_by_window(tmp_path, figure):
    labels = list(np.random.default_rng(5).permutation([CLASSES[n % 3] for n in range(MARKED)]))
    together = write_cohort(
        tmp_path / "together", MARKED, labels=labels, scans=SCANS, signal=0.0, watermark=2.0
    )
    store = Store.open(together)
    people = [replace(store.load(name), group=name) for name in store.patients]
    apart = write_store(tmp_path / "apart", people, pixels=16)
    how = recipe((SMALL,), cells=1, epochs=12)
    honest, leaking = (
        balanced_accuracy(run(prepared, tmp_path / f"run-{prepared.name}", how, WIDE))
        for prepared in (together, apart)
    )
    figure(f"by patient {honest:.2f}, by window {leaking:.2f}")
    assert leaking > 0.9  # 3 in 100 scans have no other one of their person in training
    assert abs(honest - CHANCE) < 3 * np.sqrt(CHANCE * (1 - CHANCE) / MARKED)


def test_twenty_settings_on_noise_flatter_themselves_and_not_the_nested_result(
    tmp_path, figure, long
):
    space = {"learning_rate": tuple(float(rate) for rate in np.geomspace(1e-5, 1e-2, 20))}
    how = recipe((SMALL,), cells=1, epochs=2, batch=16, search={"space": space})
    nested, tuned = [], []
    for seed in range(12 if long else 4):
        labels = permuted(seed)
        prepared = write_cohort(tmp_path / f"{seed}", PEOPLE, labels=labels, signal=0.0, seed=seed)
        folder = tmp_path / f"run-{seed}"
        nested.append(balanced_accuracy(run(prepared, folder, how)))
        tuned += best_validations(folder)
    mean, width = band(nested)
    flattered, spread = band(tuned)
    figure(f"nested {mean:.3f} ± {width:.3f}, best of 20 on its own validation fold "
           f"{flattered:.3f} ± {spread:.3f}, chance {CHANCE:.3f}")  # fmt: skip
    assert abs(mean - CHANCE) < max(
        width, 3 * np.sqrt(CHANCE * (1 - CHANCE) / (PEOPLE * len(nested)))
    )
    assert flattered - spread > CHANCE + 0.05


def test_an_epoch_chosen_on_the_test_fold_flatters_on_random_labels(tmp_path, figure, long):
    honest, peer = [], []
    for seed in range(12 if long else 2):
        labels, folder = permuted(seed), tmp_path / f"run-{seed}"
        prepared = write_cohort(tmp_path / f"{seed}", PEOPLE, labels=labels, signal=0.0, seed=seed)
        how = recipe(cells=1, epochs=10, evaluate_every=1)
        honest.append(balanced_accuracy(run(prepared, folder, how, protocol="peer")))
        peer.append(balanced_accuracy(pd.read_csv(folder / PEERS)))
    (mean, width), (flattered, spread) = band(honest), band(peer)
    figure(f"nested {mean:.3f} ± {width:.3f}, epoch chosen on the test fold {flattered:.3f} ± "
           f"{spread:.3f}, chance {CHANCE:.3f}")  # fmt: skip
    assert flattered > mean + 0.05
    assert not long or abs(mean - CHANCE) < width < flattered - CHANCE


def best_validations(folder):
    records = [json.loads(path.read_text()) for path in folder.glob("jobs/*/*/*/job.json")]
    return [record["selected"]["validation_balanced_accuracy"] for record in records]


def test_a_site_effect_is_shown_by_the_centre_alone(tmp_path, figure):
    names = ("site-only", "majority")
    found = {}
    for site in (0.0, 0.8):
        prepared = write_cohort(tmp_path / f"{site}", 60, centers=3, site=site, seed=3)
        table = run(prepared, tmp_path / f"run-{site}", recipe(names))
        found[site] = {name: balanced_accuracy(table[table["model"] == name]) for name in names}
    figure(f"centre alone {found[0.8]['site-only']:.2f} with a site effect, "
           f"{found[0.0]['site-only']:.2f} without")  # fmt: skip
    assert found[0.8]["site-only"] > 0.7
    assert found[0.0]["site-only"] < CHANCE + 0.15
    assert all(found[site]["majority"] == pytest.approx(CHANCE) for site in found)
