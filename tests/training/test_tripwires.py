"""Nothing about a test patient touches anything fitted: voxels poisoned, labels flipped."""

import numpy as np
import pytest
import torch

from cystgrid.cohort.splits import InnerFold
from cystgrid.preparation.store import Store
from cystgrid.training.member import Task, train_member
from training.conftest import CLASSES, make_patient, make_recipe, write_store

TRAIN, VALIDATION, TEST = range(9), range(9, 15), range(15, 18)
FOLD = InnerFold(tuple(f"p{n:02}" for n in TRAIN), tuple(f"p{n:02}" for n in VALIDATION))


def fitted(folder):
    task = Task(FOLD, make_recipe(), "resnet18", "early", seed=1)
    return train_member(Store.open(folder), task)


@pytest.mark.parametrize("poison", [float("nan"), 1e9])
def test_poisoned_test_voxels_change_no_landmark_no_epoch_and_no_weight(prepared, tmp_path, poison):
    people = [make_patient(n, voxels=poison if n in TEST else None) for n in range(18)]
    clean, other = fitted(prepared), fitted(write_store(tmp_path, people))
    np.testing.assert_array_equal(clean.member.standard, other.member.standard)
    assert clean.look == other.look
    assert clean.curve == other.curve
    states = clean.member.network.state(), other.member.network.state()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_the_tripwire_itself_trips(prepared, tmp_path):
    """The control: the same poison in a training or a validation patient must be seen."""
    for victim in (TRAIN[0], VALIDATION[0]):
        people = [make_patient(n, voxels=1e9 if n == victim else None) for n in range(18)]
        other = fitted(write_store(tmp_path / str(victim), people))
        assert fitted(prepared).curve != other.curve


def test_flipped_test_labels_change_no_prediction(prepared, tmp_path):
    flipped = {"normal": "high", "low": "normal", "high": "low"}
    people = [
        make_patient(n, label=flipped[CLASSES[n % 3]] if n in TEST else None) for n in range(18)
    ]
    folder = write_store(tmp_path, people)
    answers = []
    for place in (prepared, folder):
        store = Store.open(place)
        answers.append(fitted(place).member.probabilities([store.load(f"p{n:02}") for n in TEST]))
    np.testing.assert_array_equal(*answers)
