"""Trainings that stop early or pause: what they keep is what the whole training would have had."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cystgrid.cohort.splits import InnerFold
from cystgrid.preparation.store import Store
from cystgrid.training import fit as fitting
from cystgrid.training.course import Course, random_state
from cystgrid.training.member import Task, train_member
from cystgrid.training.selection import better, look, perfect_look
from training.conftest import made_up, make_recipe

FOLD = InnerFold(tuple(f"p{n:02}" for n in range(9)), tuple(f"p{n:02}" for n in range(9, 15)))
RATES = (3e-3, 1e-3, 3e-4)


def train(prepared, *, model="mobilenet_v2", search=None, **training):
    """A MobileNetV2, by default: it has dropout, which draws from torch's global generator."""
    recipe = make_recipe((model,), search=search, **{"epochs": 4, **training})
    return train_member(Store.open(prepared), Task(FOLD, recipe, model, "early", seed=5))


def same_weights(first, second):
    states = first.member.network.state(), second.member.network.state()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("method", ["halving", "grid"])
def test_the_best_candidate_has_the_bytes_of_the_same_training_alone(prepared, method):
    trained = train(prepared, search={"method": method, "space": {"learning_rate": RATES}})
    chosen = max(trained.trials, key=lambda t: (t.validation_balanced_accuracy, -t.validation_loss))
    if method == "halving":  # one of three goes on
        assert sorted(t.trained for t in trained.trials) == [2, 2, 4]
        chosen = next(t for t in trained.trials if t.trained == 4)
    alone = train(prepared, learning_rate=chosen.values["learning_rate"])
    assert same_weights(trained, alone)
    assert trained.curve == alone.curve
    np.testing.assert_array_equal(trained.validation, alone.validation)
    others = [rate for rate in RATES if rate != chosen.values["learning_rate"]]
    assert not same_weights(trained, train(prepared, learning_rate=others[0]))


def test_patience_ends_a_training_at_a_prefix_of_the_patient_one(prepared):
    patient = train(prepared, model="resnet18", schedule="constant", epochs=8)
    hasty = train(prepared, model="resnet18", schedule="constant", epochs=8, patience=1)
    assert hasty.curve == patient.curve[: len(hasty.curve)]
    last = hasty.curve[-1].epoch
    assert last == 8 or last - hasty.look.epoch == 1
    assert hasty.trials[0].trained == last
    ends = [n for n, row in enumerate(patient.curve) if n and not better(row, best(patient, n), "")]
    assert last == (patient.curve[ends[0]].epoch if ends else 8)


def best(trained, count):
    """Of the first ``count`` looks."""
    found = trained.curve[0]
    for row in trained.curve[1:count]:
        found = row if better(row, found, "") else found
    return found


@given(
    arrays(np.float64, (7, 3), elements=st.floats(0, 1) | st.sampled_from([0.0, 1e-300, 1.0])),
    st.sampled_from(["balanced_accuracy", "loss"]),
)
def test_no_look_is_better_than_the_perfect_one(weights, select):
    targets = np.array([0, 1, 2, 2, 1, 0, 0])
    total = weights.sum(axis=1, keepdims=True)
    probabilities = np.divide(weights, total, out=np.full_like(weights, 1 / 3), where=total > 0)
    assert not better(look(targets, probabilities, 1, 0.0), perfect_look(targets, 3), select)


@pytest.mark.parametrize(("perfect_from", "trained"), [(2, 2), (99, 4)])
def test_a_training_ends_once_its_selection_cannot_change(
    prepared, monkeypatch, perfect_from, trained
):
    def made_up(targets, found, number, train_loss):
        row = perfect_look(np.array([0, 1, 2]), 3)
        short = 0.0 if number >= perfect_from else 0.1
        return dataclasses.replace(
            row, epoch=number, validation_loss=row.validation_loss + short, train_loss=train_loss
        )

    monkeypatch.setattr(fitting, "look", made_up)
    found = train(prepared, model="resnet18")
    assert found.trials[0].trained == len(found.curve) == trained


def test_a_course_draws_from_its_own_generator():
    def draws(count):
        for _ in range(count):
            yield fitting.Fit({}, 0, (perfect_look(np.array([0]), 2),), torch.rand(1).numpy())

    torch.manual_seed(1)
    begin, ticks = random_state(), []
    whole = [fit.validation[0] for fit in draws(3)]
    course = Course(lambda saved: made_up(draws(3)), begin, lambda: ticks.append(1))
    parts = []
    for epoch in (1, 2, 3):
        parts.append(course.until(epoch).validation[0])
        torch.rand(7)  # somebody else's
    assert parts == whole
    assert (course.trained, len(ticks)) == (3, 3)


def test_a_course_ticks_for_epochs_that_it_did_not_need():
    row = dataclasses.replace(perfect_look(np.array([0]), 2), epoch=1)
    training, steps = made_up([fitting.Fit({}, 1, (row,), None)])
    training.ended, ticks = True, []
    course = Course(lambda saved: (training, steps), random_state(), lambda: ticks.append(1))
    course.until(5)
    assert (course.trained, len(ticks)) == (1, 5)
