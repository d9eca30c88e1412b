"""Classical models: what they learn, what they must not see, and what they put away."""

import numpy as np
import pandas as pd
import pytest
import torch

from cystgrid.errors import StoreError
from cystgrid.grids.tiling import tile
from cystgrid.models.classical import Cases, load_estimator, spread
from cystgrid.models.controls import Majority, SiteOnly
from cystgrid.models.extraction import ExtractorSetting
from cystgrid.models.persistence import dump_sklearn, load_sklearn
from cystgrid.models.registry import MODELS, ModelSettings, build_estimator
from cystgrid.models.selection import choose
from cystgrid.models.svm import COSTS, fit_svm

CLASSICAL = tuple(name for name, entry in MODELS.items() if entry.family == "classical")
ON_IMAGES = tuple(name for name in CLASSICAL if MODELS[name].sees == "image")
QUICK = tuple(name for name in CLASSICAL if name not in ON_IMAGES)
SETTINGS = ModelSettings(names=CLASSICAL, weights="none", extractor="mobilenet_v2",
                         features={"file": "f.csv", "columns": ["a"]})  # fmt: skip
TRAIN, VALIDATION, TEST = range(12), range(12, 18), range(18, 24)
TARGETS = np.arange(24) % 3


def make_cases(positions, *, signal=1.0, seed=0, absent=()):
    """Patients whose class shows in feature, in brightness and in the pattern of their grids."""
    rng = np.random.default_rng(seed)
    classes = np.arange(24) % 3
    features = pd.DataFrame(
        {"a": signal * classes + rng.normal(0, 0.2, 24), "b": rng.normal(size=24)},
        index=[f"p{n:02}" for n in range(24)],
    )
    features.iloc[4, 1] = np.nan
    slices = torch.from_numpy(rng.random((24, 2, 4, 16, 16), dtype=np.float32)) * 0.4
    for patient, kind in enumerate(classes):
        width = (2, 5, 8)[kind]
        slices[patient, :, :, 8 - width : 8 + width, 8 - width : 8 + width] += 0.6 * signal
    for patient in absent:
        slices[patient, 0] = torch.nan
    chosen = list(positions)
    return Cases(
        tuple(features.index[chosen]),
        tuple(f"c{n % 2}" for n in chosen),
        tile(slices[chosen]),
        features.iloc[chosen],
    )


def fitted(name, train=tuple(TRAIN), *, seed=1, targets=TARGETS, cases=make_cases, **options):
    estimator = build_estimator(SETTINGS, name, MODELS[name].inputs[0], cells=4)
    order = list(train)
    estimator.fit(cases(order, **options), targets[order], cases(VALIDATION, **options),
                  targets[list(VALIDATION)], 3, seed)  # fmt: skip
    return estimator


@pytest.fixture(scope="module", autouse=True)
def small():
    """Small images and forests, for the time they take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cystgrid.models.extraction.PIXELS", 64)
        patch.setattr("cystgrid.models.feature_models.TREES", 40)
        yield


@pytest.fixture(scope="module")
def made(small):
    """Each model, fitted once."""
    return {name: fitted(name) for name in CLASSICAL}


@pytest.mark.parametrize("name", CLASSICAL)
def test_probabilities_are_a_row_a_patient_and_sum_to_one(made, name):
    found = made[name].probabilities(make_cases(TEST))
    assert found.shape == (6, 3)
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("name", ON_IMAGES)
def test_a_plain_signal_is_learned(made, name):
    found = made[name].probabilities(make_cases(TEST)).argmax(axis=1)
    assert (found == TARGETS[list(TEST)]).mean() >= 5 / 6


@pytest.mark.parametrize("name", ["features-forest", "features-boosting"])
def test_a_plain_signal_in_a_table_is_learned_and_noise_is_not(name):
    rng, targets = np.random.default_rng(0), np.arange(90) % 3
    parts = slice(0, 50), slice(50, 70), slice(70, 90)
    found = {}
    for signal in (0.0, 2.0):
        table = pd.DataFrame(rng.normal(size=(90, 4)) + signal * targets[:, None])
        cases = [
            Cases(("p",) * len(table[p]), ("",) * len(table[p]), None, table[p]) for p in parts
        ]
        model = build_estimator(SETTINGS, name, "none", cells=4)
        model.fit(cases[0], targets[:50], cases[1], targets[50:70], 3, 0)
        found[signal] = (model.probabilities(cases[2]).argmax(axis=1) == targets[70:]).mean()
    assert found[0.0] < 0.65 < 0.75 < found[2.0]


@pytest.mark.parametrize("name", CLASSICAL)
def test_what_is_put_away_and_taken_up_answers_the_same(made, name):
    again = load_estimator(name, made[name].dump())
    shown = make_cases(TEST)
    np.testing.assert_array_equal(again.probabilities(shown), made[name].probabilities(shown))


@pytest.mark.parametrize("name", CLASSICAL)
def test_the_order_of_rows_changes_no_byte(made, name):
    """Neither of training patients nor of those that are graded."""
    reversed_fit = fitted(name, tuple(reversed(TRAIN)))
    assert reversed_fit.dump() == made[name].dump()
    straight = made[name].probabilities(make_cases(TEST))
    turned = reversed_fit.probabilities(make_cases(list(reversed(TEST))))
    np.testing.assert_array_equal(turned[::-1], straight)


@pytest.mark.parametrize("name", ["features-forest"])
def test_another_seed_draws_another_model(made, name):
    assert fitted(name, seed=2).dump() != made[name].dump()


@pytest.mark.parametrize("name", ON_IMAGES)
def test_who_else_is_graded_changes_nothing(made, name):
    together = made[name].probabilities(make_cases(TEST))
    alone = np.concatenate([made[name].probabilities(make_cases([n])) for n in TEST])
    np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize("name", ON_IMAGES)
def test_an_absent_scan_is_black(made, name):
    absent = make_cases(TEST, absent=[18])
    black = Cases(absent.patients, absent.centers, absent.grids.nan_to_num(0.0))
    assert absent.grids.isnan().any()
    np.testing.assert_array_equal(made[name].probabilities(absent), made[name].probabilities(black))


@pytest.mark.parametrize("name", QUICK)
def test_models_without_images_never_look_at_one(made, name):
    shown = make_cases(TEST)
    blind = Cases(shown.patients, shown.centers, None, shown.features)
    np.testing.assert_array_equal(made[name].probabilities(blind), made[name].probabilities(shown))


def test_validation_patients_choose_and_train_nothing():
    """Their labels may change which setting is kept, never what a kept setting answers."""
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(15, 3)), np.arange(15) % 3
    validation = rng.normal(size=(12, 3))
    by_cost = {}
    for seed in range(8):
        labels = np.random.default_rng(seed).permutation(np.arange(12) % 3)
        svm = fit_svm(features, targets, validation, labels, 3)
        answers = svm.probabilities(validation)
        np.testing.assert_array_equal(by_cost.setdefault(svm.cost, answers), answers)
    assert len(by_cost) > 1, "the choice never changed: the test tests nothing"
    assert set(by_cost) <= set(COSTS)


def test_choosing_goes_by_accuracy_then_loss_then_the_first():
    targets = np.array([0, 1])
    answers = {
        "right": np.array([[0.6, 0.4], [0.4, 0.6]]),
        "surer": np.array([[0.9, 0.1], [0.1, 0.9]]),
        "wrong": np.array([[0.1, 0.9], [0.1, 0.9]]),
        "same": np.array([[0.9, 0.1], [0.1, 0.9]]),
    }
    assert choose(["wrong", "right"], answers.__getitem__, targets) == "right"
    assert choose(["right", "surer", "same"], answers.__getitem__, targets) == "surer"


@pytest.mark.parametrize("counts", [(6, 0, 0), (5, 4, 0), (5, 4, 1), (1, 1, 1)])
def test_machines_live_with_rare_and_missing_classes(counts):
    targets = np.repeat(np.arange(3), counts)
    features = np.random.default_rng(0).normal(size=(len(targets), 3)) + 5 * targets[:, None]
    svm = fit_svm(features, targets, features, targets, 3)
    found = svm.probabilities(features)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)
    assert (found[:, [n for n in range(3) if counts[n] == 0]] == 0).all()
    assert (found.argmax(axis=1) == targets).mean() > 0.8


def test_majority_is_the_training_shares():
    model = Majority()
    targets = np.array([0, 1, 1, 1])
    model.fit(make_cases(range(4)), targets, make_cases([]), np.array([], dtype=int), 3, 0)
    assert model.probabilities(make_cases([7, 8])).tolist() == [[0.25, 0.75, 0.0]] * 2


def test_site_only_counts_by_centre_with_one_more_of_each_class():
    """Worked by hand: c0 has classes 0, 0, 2; c1 has 1. Another centre gets all four."""
    model = SiteOnly()
    cases = Cases(("a", "b", "c", "d"), ("c0", "c0", "c1", "c0"))
    model.fit(cases, np.array([0, 0, 1, 2]), Cases((), ()), np.array([], dtype=int), 3, 0)
    found = model.probabilities(Cases(("x", "y", "z"), ("c1", "c0", "new")))
    wanted = [[1 / 4, 2 / 4, 1 / 4], [3 / 6, 1 / 6, 2 / 6], [3 / 7, 2 / 7, 2 / 7]]
    np.testing.assert_allclose(found, wanted)


def test_the_forests_median_is_that_of_training_patients():
    """A missing value is answered like the training median, whatever others are graded with it."""
    model = fitted("features-forest")
    train = make_cases(TRAIN).features
    missing = pd.DataFrame({"a": [np.nan, 99.0], "b": [0.1, 0.1]}, index=["x", "y"])
    filled = missing.fillna(float(train["a"].median()))
    found = [
        model.probabilities(Cases(("x", "y"), ("", ""), None, table)) for table in (missing, filled)
    ]
    np.testing.assert_array_equal(found[0], found[1])


def test_features_in_another_order_are_refused():
    model = fitted("features-boosting")
    shown = make_cases(TEST)
    with pytest.raises(ValueError, match=r"features \['b', 'a'\], fitted on \['a', 'b'\]"):
        model.probabilities(Cases(shown.patients, shown.centers, None, shown.features[["b", "a"]]))


def test_projections_are_the_largest_and_smallest_of_the_slices(monkeypatch):
    estimator = build_estimator(SETTINGS, "hussein-cca", "early", cells=4)
    seen = []

    class Still:
        def features(self, images):
            images = torch.stack(list(images))
            seen.append(images)
            return np.zeros((len(images), images.shape[1], 5))

    estimator.extractor = Still()
    slices = torch.rand(3, 2, 4, 8, 8)
    vectors = estimator.vectors(Cases(("a", "b", "c"), ("",) * 3, tile(slices)))
    assert vectors.shape == (3, 2, 10)
    wanted = [
        slices[:, 0].amax(1),
        slices[:, 0].amin(1),
        slices[:, 1].amax(1),
        slices[:, 1].amin(1),
    ]
    torch.testing.assert_close(seen[0], torch.stack(wanted, dim=1))


def test_canonical_variates_find_what_modalities_share():
    """A source in both modalities' features comes out as one variate of each, highly correlated."""
    estimator = build_estimator(SETTINGS, "hussein-cca", "early", cells=4)
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(60, 1))
    vectors = np.stack(
        [shared * rng.normal(size=(1, 12)) + 0.3 * rng.normal(size=(60, 12)) for _ in range(2)], 1
    )
    estimator.fit_vectors(vectors[:40], np.zeros(40))
    variates = estimator.reduced(vectors[40:])
    first, second = variates[:, 0], variates[:, variates.shape[1] // 2]
    assert abs(np.corrcoef(first, second)[0, 1]) > 0.8
    assert abs(np.corrcoef(first, shared[40:, 0])[0, 1]) > 0.8


def test_the_pretrained_network_is_used_with_its_real_weights(real_weights):
    path = real_weights / "mobilenet_v2.safetensors"
    setting = ExtractorSetting("mobilenet_v2", str(path), unit=True, cells=1)
    images = torch.rand(2, 1, 32, 32)
    found = [setting.build(seed).features(images) for seed in (0, 1)]
    np.testing.assert_array_equal(*found)
    assert found[0].shape == (2, 1, 1280)
    assert found[0].std() > 0.1


def test_global_randomness_is_left_as_it_was():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    ExtractorSetting("mobilenet_v2", "none", unit=False, cells=1).build(9)
    assert torch.equal(torch.rand(3), wanted)


class _Foreign:
    """A class that is none of scikit-learn's."""


@pytest.mark.parametrize("name", CLASSICAL)
def test_damaged_content_is_refused(made, name):
    content = made[name].dump()
    with pytest.raises(StoreError, match="a fitted model"):
        load_estimator(name, content[: len(content) // 2])


def test_classes_that_nobody_vouched_for_are_never_built():
    import skops.io

    with pytest.raises(StoreError, match="UntrustedTypesFoundException"):
        load_sklearn(skops.io.dumps({"part": _Foreign()}))
    assert load_sklearn(dump_sklearn({"part": [1, "two"]})) == {"part": [1, "two"]}


def test_networks_are_no_estimators():
    with pytest.raises(ValueError, match="vit_tiny is a network model"):
        load_estimator("vit_tiny", b"")


def test_classes_unseen_have_no_probability():
    found = spread(np.array([[0.2, 0.8]]), (0, 2), 4)
    assert found.tolist() == [[0.2, 0.0, 0.8, 0.0]]
