"""Settings that compete: the best on the inner fold wins, whoever asks, and only listed ones."""

import itertools

import numpy as np
import pytest

from cystgrid.errors import SettingsError
from cystgrid.training.fit import Fit
from cystgrid.training.search import SearchSettings, search
from cystgrid.training.selection import Epoch, better
from cystgrid.training.settings import TrainingSettings

SPACE = {"learning_rate": (0.1, 0.01, 0.001), "batch": (4, 8)}


def quality(settings):
    """A made-up training: best at 0.01 and 8, by its loss alone."""
    loss = 1 + abs(np.log10(settings.learning_rate) + 2) + (settings.batch != 8) / 10
    row = Epoch(3, 0.5, float(loss), 0.5)
    return Fit({}, 3, (row,), np.zeros((1, 2)))


def run(**settings):
    tried = []

    def train(candidate):
        tried.append((candidate.learning_rate, candidate.batch))
        return quality(candidate)

    found = search(
        TrainingSettings(epochs=7), SearchSettings(**settings), 5, train,
        lambda new, old: better(new.look, old.look, "balanced_accuracy"),
    )  # fmt: skip
    return tried, found


def test_a_grid_tries_every_combination_once_and_keeps_the_best():
    tried, (_, chosen, trials) = run(space=SPACE)
    assert tried == list(itertools.product(*SPACE.values()))
    assert (chosen.learning_rate, chosen.batch, chosen.epochs) == (0.01, 8, 7)
    assert len(trials) == SearchSettings(space=SPACE).count == 6
    assert min(trials, key=lambda trial: trial.validation_loss).values == {
        "learning_rate": 0.01, "batch": 8,
    }  # fmt: skip


def test_without_a_space_the_recipe_alone_is_trained():
    tried, (_, chosen, trials) = run()
    assert len(tried) == len(trials) == 1
    assert chosen == TrainingSettings(epochs=7)
    assert trials[0].values == {}


def test_optuna_draws_within_the_space_the_same_every_time_and_trains_none_twice():
    pytest.importorskip("optuna")
    tried, (_, chosen, trials) = run(method="optuna", trials=12, space=SPACE)
    assert len(trials) == 12
    assert len(set(tried)) == len(tried) <= 6
    assert set(tried) <= set(itertools.product(*SPACE.values()))
    assert (chosen.learning_rate, chosen.batch) == (0.01, 8)
    assert run(method="optuna", trials=12, space=SPACE)[0] == tried


def test_of_equals_the_first_stays():
    def train(candidate):
        return Fit({"lr": candidate.learning_rate}, 1, (Epoch(1, 0.0, 1.0, 0.5),), np.zeros((1, 2)))

    space = SearchSettings(space={"learning_rate": (0.3, 0.2)})
    best, _, _ = search(
        TrainingSettings(), space, 0, train, lambda new, old: better(new.look, old.look, "loss")
    )
    assert best.state == {"lr": 0.3}


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"learning_rat": [0.1]}, "settings of"),
        ({"seed": [1, 2]}, "settings of"),
        ({"batch": []}, "at least one"),
        ({"batch": [4, 4]}, "distinct"),
        ({"batch": [0]}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_searched_is_refused(space, said):
    with pytest.raises(SettingsError, match=said):
        SearchSettings.parse({"space": space}, "study")
