"""Settings that compete: the best on the inner fold wins, whoever asks, and only listed ones."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cystgrid.errors import SettingsError
from cystgrid.training.course import Course, random_state
from cystgrid.training.halving import Rung, epochs_in_all, rungs
from cystgrid.training.search import SearchSettings, search
from cystgrid.training.selection import Epoch, better
from cystgrid.training.settings import TrainingSettings
from cystgrid.training.underway import Fit
from training.conftest import made_up

SPACE = {"learning_rate": (0.1, 0.01, 0.001), "batch": (4, 8)}


def quality(settings):
    """A made-up training: best at 0.01 and 8, by its loss alone."""
    loss = 1 + abs(np.log10(settings.learning_rate) + 2) + (settings.batch != 8) / 10
    for number in range(1, settings.epochs + 1):
        row = Epoch(number, 0.5, float(loss) / number, 0.5)
        yield Fit({"lr": settings.learning_rate}, number, (row,), np.zeros((1, 2)))


def course(settings, after_epoch=lambda: None):
    return Course(lambda saved: made_up(quality(settings)), random_state(), after_epoch)


def run(**settings):
    tried = []

    def train(candidate):
        tried.append((candidate.learning_rate, candidate.batch))
        return course(candidate)

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


@pytest.mark.parametrize("method", ["grid", "halving"])
def test_of_equals_the_first_stays(method):
    space = SearchSettings(method=method, space={"learning_rate": (0.3, 0.2)})
    best, _, _ = search(TrainingSettings(), space, 0, course, lambda new, old: False)
    assert best.state == {"lr": 0.3}


@given(st.integers(1, 40), st.integers(1, 3000), st.integers(2, 5))
def test_rungs_end_with_one_candidate_of_all_epochs_and_cost_about_the_same(n, epochs, eta):
    stages = rungs(n, epochs, eta)
    assert (stages[0].candidates, stages[-1]) == (n, Rung(1, epochs))
    for earlier, later in itertools.pairwise(stages):
        assert later.candidates == max(earlier.candidates // eta, 1) < earlier.candidates
        assert earlier.epochs <= later.epochs <= eta * earlier.epochs
    assert epochs <= epochs_in_all(stages) <= n * epochs
    if n == eta**2 and epochs % n == 0:
        assert epochs_in_all(stages) == epochs + 2 * (epochs - epochs // eta)


def test_halving_trains_the_best_to_the_end_and_says_where_the_others_stopped():
    space = {"learning_rate": (1.0, 0.01, 0.1, 0.0001), "batch": (4, 8)}
    settings = SearchSettings(method="halving", eta=2, space=space)
    recipe, ticks = TrainingSettings(epochs=16), []

    def start(candidate):
        return course(candidate, lambda: ticks.append(1))

    best, chosen, trials = search(
        recipe, settings, 0, start, lambda new, old: better(new.look, old.look, "loss")
    )
    assert (chosen.learning_rate, chosen.batch, best.selected) == (0.01, 8, 16)
    stopped = {(t.values["learning_rate"], t.values["batch"]): t.trained for t in trials}
    assert stopped == {
        (1.0, 4): 2, (1.0, 8): 2, (0.01, 4): 8, (0.01, 8): 16, (0.1, 4): 4, (0.1, 8): 4,
        (0.0001, 4): 2, (0.0001, 8): 2,
    }  # fmt: skip
    assert [trial.epoch for trial in trials] == [trial.trained for trial in trials]
    assert len(ticks) == sum(stopped.values()) == settings.epochs_of(recipe)


def test_halving_before_the_first_look_is_refused():
    settings = SearchSettings(method="halving", space={"learning_rate": (0.1, 0.01, 0.001)})
    settings.check(TrainingSettings(epochs=9, evaluate_every=3))
    with pytest.raises(SettingsError, match="first rung of 3 epochs"):
        settings.check(TrainingSettings(epochs=9, evaluate_every=4))


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"learning_rat": [0.1]}, "settings of"),
        ({"seed": [1, 2]}, "settings of"),
        ({"batch": []}, "at least one"),
        ({"batch": [4, 4]}, "distinct"),
        ({"patience": [0]}, "greater than or equal to 1"),
        ({"batch": [0]}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_searched_is_refused(space, said):
    with pytest.raises(SettingsError, match=said):
        SearchSettings.parse({"space": space}, "study")
