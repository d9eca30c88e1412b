"""One training: it learns what there is to learn, selects by the rule, and gives the same bytes."""

import dataclasses

import numpy as np
import pytest
import torch

from cystgrid.cohort.splits import InnerFold
from cystgrid.errors import CohortError, SettingsError
from cystgrid.preparation.store import Store
from cystgrid.training.fit import Examples, _refuse_divergence, class_weights
from cystgrid.training.member import Task, channel_positions, load_member, train_member
from cystgrid.training.selection import Epoch, better
from cystgrid.training.settings import TrainingSettings
from training.conftest import CLASSES, make_recipe

FOLD = InnerFold(tuple(f"p{n:02}" for n in range(9)), tuple(f"p{n:02}" for n in range(9, 15)))
TEST = tuple(f"p{n:02}" for n in range(15, 18))


def train(prepared, **training):
    store = Store.open(prepared)
    task = Task(FOLD, make_recipe(**training), "resnet18", "early", seed=5)
    trained = train_member(store, task)
    return store, trained.member, trained


def same_weights(first, second):
    states = first.member.network.state(), second.member.network.state()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_plain_signal_is_learned(prepared):
    store, member, fitted = train(prepared, epochs=15)
    assert fitted.curve[-1].validation_loss < 0.1 < 0.5 < fitted.curve[0].validation_loss
    probabilities = member.probabilities([store.load(p) for p in TEST])
    assert [CLASSES[c] for c in probabilities.argmax(1)] == ["normal", "low", "high"]
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-12)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_seed_gives_the_same_bytes(prepared, precision):
    (_, _, first), (_, _, second) = (train(prepared, precision=precision) for _ in range(2))
    assert first.curve == second.curve
    assert same_weights(first, second)


def test_threads_and_mode_are_put_back(prepared):
    before = torch.get_num_threads()
    train(prepared, threads=2)
    assert torch.get_num_threads() == before
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_kept_weights_are_those_of_the_selected_epoch(prepared):
    """Training on to the selected epoch alone ends with the weights that the long one kept."""
    _, _, long = train(prepared, epochs=6, schedule="constant")
    _, _, short = train(prepared, epochs=long.look.epoch, schedule="constant")
    assert short.look == long.look
    assert same_weights(long, short)
    assert long.look.validation_balanced_accuracy == max(
        row.validation_balanced_accuracy for row in long.curve
    )


def test_evaluating_seldom_changes_the_look_and_not_the_training(prepared):
    _, _, every = train(prepared, epochs=4)
    _, _, seldom = train(prepared, epochs=4, evaluate_every=3)
    assert [row.epoch for row in seldom.curve] == [3, 4]
    assert set(seldom.curve) <= set(every.curve)


def test_selection_takes_accuracy_then_loss_then_the_earlier_epoch():
    base = Epoch(3, 1.0, 0.9, 0.5)
    more_accurate = dataclasses.replace(base, validation_balanced_accuracy=0.6, validation_loss=2.0)
    surer = dataclasses.replace(base, validation_loss=0.8)
    assert better(more_accurate, base, "balanced_accuracy")
    assert not better(more_accurate, base, "loss")
    assert better(surer, base, "balanced_accuracy")
    assert better(surer, base, "loss")
    assert not better(base, base, "balanced_accuracy")
    assert not better(base, base, "loss")


def test_a_diverged_training_is_an_error():
    with pytest.raises(SettingsError, match=r"epoch 7.*lower the learning rate"):
        _refuse_divergence(float("nan"), 7, TrainingSettings())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_member_put_away_answers_the_same(prepared, tmp_path, precision):
    store, member, _ = train(prepared, precision=precision)
    record = member.save(tmp_path, "model")
    card = {"model": "resnet18", "inputs": "early", "modalities": ["t1", "t2"], "pixels": 16}
    again = load_member(card, record, tmp_path, make_recipe())
    patients = [store.load(p) for p in TEST]
    np.testing.assert_array_equal(member.probabilities(patients), again.probabilities(patients))


def test_inputs_that_were_not_prepared_are_refused():
    assert channel_positions(("t1", "t2"), "t2") == (1,)
    with pytest.raises(CohortError, match="prepared data with t2"):
        channel_positions(("t2",), "early")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_validation_probabilities_are_the_selected_networks_own(prepared, precision):
    store, member, trained = train(prepared, precision=precision)
    patients = [store.load(p) for p in FOLD.validation]
    np.testing.assert_array_equal(trained.validation, member.probabilities(patients))
    assert not trained.collapsed


def examples(targets, classes=3):
    return Examples(None, torch.tensor(targets), classes)


def test_class_weights_are_none_or_inverse_frequencies_or_as_given():
    assert class_weights(TrainingSettings(), examples([0, 1, 2])) is None
    balanced = class_weights(TrainingSettings(class_weights="balanced"), examples([0, 0, 0, 1, 2]))
    torch.testing.assert_close(balanced, torch.tensor([5 / 9, 5 / 3, 5 / 3]))
    absent = class_weights(TrainingSettings(class_weights="balanced"), examples([0, 0, 2, 2]))
    torch.testing.assert_close(absent, torch.tensor([1.0, 0.0, 1.0]))
    given = TrainingSettings(class_weights=(1.0, 0.65, 0.45))
    torch.testing.assert_close(class_weights(given, examples([0])), torch.tensor([1.0, 0.65, 0.45]))
    with pytest.raises(SettingsError, match="3 numbers"):
        class_weights(given, examples([0], classes=2))


def test_sgd_and_class_weights_train_too(prepared):
    _, _, plain = train(prepared, optimizer="sgd")
    _, _, weighted = train(prepared, optimizer="sgd", class_weights=(5.0, 1.0, 1.0))
    assert plain.curve != weighted.curve
