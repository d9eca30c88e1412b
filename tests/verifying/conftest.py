"""One of every folder that can be verified, made once."""

import shutil

import pytest

from cohorts_in_memory import unsynced, write_cohort
from cystgrid.checksums import record_sums
from cystgrid.cohort.splits import SplitSettings
from cystgrid.preparation.flow import CohortFlow, write_flow
from cystgrid.pretraining.settings import PretrainSettings
from cystgrid.starts import run_pretrain
from cystgrid.training.deploy import train_model
from cystgrid.training.nested import cross_validate
from cystgrid.training.settings import DeploySettings
from training.conftest import make_recipe

VIT = "timm:test_vit"
"""timm's smallest transformer."""


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """``prepared``, ``run``, ``model`` and ``start`` in a folder; not to be changed."""
    folder = tmp_path_factory.mktemp("verified")
    write_cohort(folder / "prepared", 12)
    flow = CohortFlow(12, {}, (), (), {}, "phantoms")
    record_sums(folder / "prepared", [write_flow(flow, folder / "prepared")])
    recipe = make_recipe((VIT, "site-only"), epochs=2, warmup=0)
    with unsynced():
        cross_validate(
            folder / "prepared", folder / "run", recipe, SplitSettings(folds=3, turns=1),
            workers=0, quiet=True,
        )  # fmt: skip
        train_model(
            folder / "prepared", folder / "model", recipe,
            DeploySettings(folds=3, members=2), workers=0, quiet=True,
        )  # fmt: skip
        settings = PretrainSettings(
            vit="tiny", weights="none", cells=4, pixels=32, grids=8, batch=4, validation=16,
            looks=1, save_every=1,
        )  # fmt: skip
        run_pretrain(folder / "start", settings, workers=0, quiet=True)
    return folder


@pytest.fixture
def copy(made, tmp_path):
    """The same, to be harmed."""
    return shutil.copytree(made, tmp_path / "copy")
