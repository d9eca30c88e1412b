"""The same seed gives the same bytes, however many work, in whatever order and language."""

import os
import subprocess
import sys

import pytest

from cohorts_in_memory import write_cohort, write_store
from cystgrid.preparation.store import Store
from proofs.conftest import recipe, run

HOW = {"names": ("resnet18", "site-only"), "epochs": 2, "batch": 12}
FILES = ("predictions.csv", "validation.csv", "splits.json", "patients.csv")


def content(folder):
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("same") / "prepared", 18)


@pytest.fixture(scope="module")
def once(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("once")
    run(prepared, folder, recipe(**HOW))
    return content(folder)


@pytest.mark.parametrize("workers", [0, 2])
def test_workers(prepared, once, tmp_path, workers):
    run(prepared, tmp_path, recipe(**HOW), workers=workers)
    assert content(tmp_path) == once


def test_the_order_in_which_patients_were_prepared(prepared, once, tmp_path):
    store = Store.open(prepared)
    people = [store.load(name) for name in reversed(store.patients)]
    other = write_store(tmp_path / "prepared", people, pixels=16)
    run(other, tmp_path / "run", recipe(**HOW))
    assert content(tmp_path / "run") == once


@pytest.mark.parametrize("surroundings", [{"LC_ALL": "tr_TR.UTF-8"}, {"PYTHONHASHSEED": "7"}])
def test_locale_and_hash_seed(prepared, once, tmp_path, surroundings):
    script = (
        "import sys; from pathlib import Path; from proofs.conftest import recipe, run; "
        "from proofs.test_same_bytes import HOW; "
        "run(Path(sys.argv[1]), Path(sys.argv[2]), recipe(**HOW))"
    )
    subprocess.run(
        [sys.executable, "-c", script, prepared, tmp_path],
        check=True,
        env={**os.environ, **surroundings, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert content(tmp_path) == once


def test_another_seed_gives_other_bytes(prepared, once, tmp_path):
    run(prepared, tmp_path, recipe(**HOW, seed=1))
    assert content(tmp_path)["predictions.csv"] != once["predictions.csv"]
