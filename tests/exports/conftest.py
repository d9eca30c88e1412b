"""Small trained models to export."""

import pytest

from cystgrid.training.deploy import train_model
from cystgrid.training.settings import DeploySettings
from training.conftest import make_patient, make_recipe, write_store


@pytest.fixture(scope="session")
def small_cohort(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("cohort"), [make_patient(n) for n in range(9)])


@pytest.fixture(scope="session")
def trained(small_cohort, tmp_path_factory):
    """``trained(name, members, **recipe)``: a MODEL, trained once for all tests."""
    made = {}

    def train(name="resnet18", members=1, **recipe):
        key = repr((name, members, recipe))
        if key not in made:
            folder = tmp_path_factory.mktemp("model")
            train_model(
                small_cohort, folder, make_recipe((name,), epochs=1, warmup=0, **recipe),
                DeploySettings(folds=3, members=members),
                calibrate=lambda truth, probabilities: {
                    "patients": len(truth), "temperature": 1.5, "error_rate": 0.1,
                    "threshold": None,
                },
                workers=0, quiet=True,
            )  # fmt: skip
            made[key] = folder
        return made[key]

    return train
