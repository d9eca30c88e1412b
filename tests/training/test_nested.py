"""Nested cross-validation: everyone predicted once by strangers, resumable, the same everywhere."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cystgrid.cohort.splits import SplitSettings
from cystgrid.errors import CohortError, StoreError, WeightsError
from cystgrid.training import engine
from cystgrid.training import job as jobs
from cystgrid.training.nested import cross_validate
from cystgrid.training.site import this_site
from training.conftest import make_patient, make_recipe, write_store

SPLITS = SplitSettings(folds=3)


def run(prepared, folder, recipe=None, **options):
    options = {"workers": 0, "quiet": True, **options}
    return cross_validate(prepared, folder, recipe or make_recipe(), SPLITS, **options)


@pytest.fixture(scope="module")
def finished(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, run(prepared, folder).read_bytes()


def test_every_patient_is_predicted_once_by_models_that_never_saw_it(finished):
    folder, content = finished
    table = pd.read_csv(folder / "predictions.csv")
    assert sorted(table["patient"]) == [f"p{n:02}" for n in range(18)]
    jobs = [json.loads(p.read_text()) for p in folder.glob("jobs/*/*/*/job.json")]
    assert len(jobs) == 3 * 2
    for job in jobs:
        sides = [set(job[side]) for side in ("train", "validation", "test")]
        assert sum(map(len, sides)) == len(set.union(*sides)) == 18
        fold = table[table["outer_fold"] == job["outer"]]
        assert set(fold["patient"]) == set(job["test"])
    assert content.startswith(b"model,inputs,outer_fold,patient,center,label,predicted,p_normal,")


def test_an_outer_prediction_is_the_mean_of_its_inner_models(finished):
    folder, _ = finished
    columns = ["p_normal", "p_low", "p_high"]
    table = pd.read_csv(folder / "predictions.csv").set_index("patient")
    inner = [
        pd.read_csv(folder / f"jobs/resnet18-early/outer-1/inner-{j}/predictions.csv")
        for j in range(2)
    ]
    mean = np.mean([frame[columns] for frame in inner], axis=0)
    np.testing.assert_allclose(table.loc[inner[0]["patient"], columns], mean, atol=1e-12)


def test_running_again_trains_nothing(prepared, finished, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("a finished training was repeated")

    folder, content = finished
    monkeypatch.setattr(jobs, "train_member", never)
    assert run(prepared, folder).read_bytes() == content


@pytest.mark.parametrize(
    "damage", ["model.safetensors", "predictions.csv", "curve.csv", "job.json"]
)
def test_a_damaged_training_is_found_and_repeated(prepared, finished, damage):
    folder, content = finished
    path = folder / "jobs/resnet18-early/outer-0/inner-1" / damage
    good = path.read_bytes()
    for bad in (good[:-9], bytes([good[0] ^ 1]) + good[1:]):
        path.write_bytes(bad)
        assert run(prepared, folder).read_bytes() == content
        if damage != "job.json":
            assert path.read_bytes() == good


def test_worker_processes_change_no_byte(prepared, finished, tmp_path):
    assert run(prepared, tmp_path, workers=2).read_bytes() == finished[1]


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(prepared, finished, tmp_path):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from pathlib import Path; from training.test_nested import run;"
        "run(Path(sys.argv[2]), Path(sys.argv[3]))"
    )
    tests = str(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120
    process = subprocess.Popen(
        [sys.executable, "-c", script, tests, str(prepared), str(tmp_path)], start_new_session=True
    )
    for _ in range(600):
        if len(list(tmp_path.glob("jobs/*/*/*/job.json"))) >= 2 or process.poll() is not None:
            break
        time.sleep(0.1)
    assert process.poll() is None, "it ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = len(list(tmp_path.glob("jobs/*/*/*/job.json")))
    assert 2 <= done < 6
    assert run(prepared, tmp_path).read_bytes() == finished[1]


def test_another_model_in_the_same_folder_joins_the_table(prepared, finished, tmp_path):
    run(prepared, tmp_path)
    path = run(prepared, tmp_path, make_recipe(names=("vit",)))
    table = pd.read_csv(path)
    assert sorted(table["model"].unique()) == ["resnet18", "vit"]
    alone = pd.read_csv(finished[0] / "predictions.csv")
    assert table[table["model"] == "resnet18"]["p_low"].tolist() == alone["p_low"].tolist()


def test_other_data_another_recipe_or_version_is_refused_by_name(
    prepared, finished, tmp_path, monkeypatch
):
    folder, _ = finished
    with pytest.raises(StoreError, match="resnet18-early") as caught:
        run(prepared, folder, make_recipe(epochs=4))
    assert caught.value.got == "training.epochs = 4 now"
    assert re.fullmatch(r"training.epochs = \d, as when this run began", caught.value.expected)
    everybody = [make_patient(n) for n in range(18)]
    strangers = [make_patient(n) for n in range(40, 58)]
    for people, named in (
        (strangers, "18 patients, none of whom is in this run, .* of another cohort"),
        (everybody[:-2], r"patient p16: got no such patient now \(and 1 more patients differ"),
        ([*everybody[:-1], make_patient(17, label="low")], "patient p17: got another scan, label"),
        ([*everybody, make_patient(18)], "patient p18: got one more"),
        (everybody[:-1], "patient p17: got no such patient now"),
    ):
        other = write_store(tmp_path / str(len(named)), people)
        with pytest.raises(StoreError, match=named):
            run(other, folder)
    here, content = this_site(), (folder / "predictions.csv").read_bytes()
    for other_site, named in (
        (replace(here, versions={**here.versions, "cystgrid": "0.0.0"}), "version of cystgrid"),
        (replace(here, versions={**here.versions, "torch": "1.0"}), "version of torch: got 1.0"),
        (replace(here, code="0" * 64), "cystgrid's source: got 000000000000"),
        (replace(here, device="cuda"), "device: got cuda"),
    ):
        monkeypatch.setattr(engine, "this_site", lambda site=other_site: site)
        with pytest.raises(StoreError, match=named):
            run(prepared, folder)
    another_kernel = replace(here, versions={**here.versions, "platform": "Linux-9"})
    monkeypatch.setattr(engine, "this_site", lambda: another_kernel)
    assert run(prepared, folder).read_bytes() == content


def test_an_error_in_a_worker_comes_back_as_it_was(prepared, tmp_path):
    recipe = make_recipe()
    models = recipe.models.model_copy(update={"weights": str(tmp_path / "gone.pth")})
    with pytest.raises(WeightsError, match=r"gone\.pth"):
        run(prepared, tmp_path / "run", recipe.model_copy(update={"models": models}), workers=2)


def test_patients_without_a_label_are_left_out_and_too_few_are_refused(tmp_path):
    people = [make_patient(n) for n in range(6)]
    with pytest.raises(CohortError, match=r"lower splits\.folds"):
        run(write_store(tmp_path, people), tmp_path / "run")
