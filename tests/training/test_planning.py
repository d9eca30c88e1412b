"""A plan counts what is left, measures the study's own trainings, and writes nothing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cystgrid.cohort.splits import SplitSettings
from cystgrid.models.published import to_fetch
from cystgrid.models.settings import ModelSettings
from cystgrid.training.design import design
from cystgrid.training.engine import LocalEngine
from cystgrid.training.nested import cross_validate
from cystgrid.training.planning import makespan, plan_trainings
from cystgrid.training.trial import Cost
from training.conftest import make_recipe

SPLITS = SplitSettings(folds=3)
CONTROLS = ("majority", "site-only")


@pytest.fixture(autouse=True)
def _short_trials(monkeypatch):
    monkeypatch.setattr("cystgrid.training.planning.LONGEST_TRIAL", 0.5)


def planned(prepared, run, recipe):
    return plan_trainings(design(prepared, run, recipe, SPLITS), LocalEngine(0), quiet=True)


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=12), st.integers(1, 5), st.floats(0, 5))
def test_no_schedule_is_shorter_than_its_work_or_longer_than_one_job_more(jobs, slots, start):
    found = makespan(jobs, slots, start) - start
    assert max(max(jobs), sum(jobs) / slots) <= found + 1e-9
    assert found <= sum(jobs) / slots + max(jobs) + 1e-9
    assert math.isclose(makespan(jobs, 1, start), start + sum(jobs))


def test_every_training_of_every_model_is_planned_and_the_folder_stays_away(prepared, tmp_path):
    run = tmp_path / "run"
    plan = planned(prepared, run, make_recipe(("resnet18", *CONTROLS)))
    assert [(each.pair[0], each.left, each.done) for each in plan.pairs] == [
        ("resnet18", 6, 0), ("majority", 6, 0), ("site-only", 6, 0),
    ]  # fmt: skip
    assert not run.exists()
    network, majority, _ = plan.pairs
    assert network.step > 0 == majority.step
    assert network.disk > 6 * 4 * 11_000_000 > majority.disk  # a ResNet18 has 11 million weights
    assert all(cost.whole for each in plan.pairs for cost in each.costs)
    assert plan.seconds(1) > sum(network.seconds) > plan.seconds(6) > max(network.seconds)


def test_what_is_done_is_not_planned_again(prepared, tmp_path):
    recipe = make_recipe(CONTROLS)
    cross_validate(prepared, tmp_path, make_recipe(CONTROLS[:1]), SPLITS, workers=0, quiet=True)
    before = sorted(tmp_path.rglob("*"))
    plan = planned(prepared, tmp_path, recipe)
    assert [(each.left, each.done) for each in plan.pairs] == [(0, 6), (6, 0)]
    assert plan.pairs[0].costs == () == plan.pairs[0].seconds
    assert sorted(tmp_path.rglob("*")) == before


def test_a_cost_grows_with_epochs_looks_and_patients(prepared, tmp_path):
    cost = Cost(1, 0.0, 5.0, 1.0, 0.01, 0.1, 0.02, 0.5, 0.03, 0.6, 0, 0, 0, whole=True)

    def seconds(**training):
        recipe = make_recipe(("resnet18",), epochs=4, **training)
        job = design(prepared, tmp_path, recipe, SPLITS).trainings(LocalEngine(0).site)[0]
        assert [*map(len, (job.fold.train, job.fold.validation, job.test))] == [6, 6, 6]
        return cost.seconds(job)

    begin_and_end = 1.5 + 0.01 * 12 + 0.03 * 6
    assert math.isclose(seconds(), begin_and_end + 4 * (0.1 * 6 + 0.02 * 6))
    assert math.isclose(seconds(evaluate_every=3), begin_and_end + 4 * 0.1 * 6 + 2 * 0.02 * 6)


def test_weights_that_are_not_here_are_named_with_their_size_and_not_fetched(
    prepared, tmp_path, monkeypatch
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)
    names = ("vit_tiny", "resnet18", "incept-inn", "cnn-svm", "majority")
    models = ModelSettings(names=names, weights="hub")
    found = {each.model: each for each in to_fetch(models, names)}
    assert list(found) == ["vit_tiny", "resnet18", "incept-inn", "cnn-svm"]
    assert found["resnet18"].source.startswith("download.pytorch.org/models/resnet18")
    assert found["cnn-svm"].source.startswith("download.pytorch.org/models/alexnet")
    assert found["vit_tiny"].source.endswith("vit_tiny_patch16_224.augreg_in21k")
    assert 22e6 < found["vit_tiny"].size < 45e6
    assert not to_fetch(models.model_copy(update={"weights": "none"}), names)
    plan = planned(prepared, tmp_path / "run", make_recipe(models={"weights": "hub"}))
    assert [each.model for each in plan.fetch] == ["resnet18"]
    assert not list(tmp_path.iterdir())
    assert plan.pairs[0].costs


@pytest.mark.parametrize("model", ["cnn-svm", "hussein-cca"])
def test_a_model_without_epochs_is_tried_with_some_of_every_class(prepared, tmp_path, model):
    plan = planned(prepared, tmp_path, make_recipe((model,)))
    assert plan.pairs[0].step == 0 < min(plan.pairs[0].seconds)
