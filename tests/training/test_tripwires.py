"""Nothing about a test patient touches anything fitted: voxels poisoned, labels flipped."""

import numpy as np
import pytest
import torch

from cystgrid.cohort.splits import InnerFold
from cystgrid.preparation.store import Store
from cystgrid.training.member import train_member
from training.conftest import CLASSES, make_patient, make_recipe, write_store

TRAIN, VALIDATION, TEST = range(9), range(9, 15), range(15, 18)
FOLD = InnerFold(tuple(f"p{n:02}" for n in TRAIN), tuple(f"p{n:02}" for n in VALIDATION))


def fitted(folder):
    return train_member(Store.open(folder), FOLD, make_recipe(), "resnet18", "early", seed=1)


@pytest.mark.parametrize("poison", [float("nan"), 1e9])
def test_poisoned_test_voxels_change_no_landmark_no_epoch_and_no_weight(prepared, tmp_path, poison):
    people = [make_patient(n, voxels=poison if n in TEST else None) for n in range(18)]
    (clean, clean_fit), (other, other_fit) = fitted(prepared), fitted(write_store(tmp_path, people))
    np.testing.assert_array_equal(clean.standard, other.standard)
    assert clean_fit.selected == other_fit.selected
    assert clean_fit.curve == other_fit.curve
    assert all(torch.equal(clean_fit.state[k], other_fit.state[k]) for k in clean_fit.state)


def test_the_tripwire_itself_trips(prepared, tmp_path):
    """The control: the same poison in a training or a validation patient must be seen."""
    for victim in (TRAIN[0], VALIDATION[0]):
        people = [make_patient(n, voxels=1e9 if n == victim else None) for n in range(18)]
        _, clean = fitted(prepared)
        _, other = fitted(write_store(tmp_path / str(victim), people))
        assert clean.curve != other.curve


def test_flipped_test_labels_change_no_prediction(prepared, tmp_path):
    flipped = {"normal": "high", "low": "normal", "high": "low"}
    people = [
        make_patient(n, label=flipped[CLASSES[n % 3]] if n in TEST else None) for n in range(18)
    ]
    folder = write_store(tmp_path, people)
    answers = []
    for place in (prepared, folder):
        store = Store.open(place)
        member, _ = fitted(place)
        answers.append(member.probabilities([store.load(f"p{n:02}") for n in TEST]))
    np.testing.assert_array_equal(*answers)
