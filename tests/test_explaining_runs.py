"""Which cases of a run the figures show: read as text, and by what each network sees."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cystgrid.cohort.splits import SplitSettings
from cystgrid.explaining_runs import run_figure
from cystgrid.grids.tiling import GridSettings
from cystgrid.training.nested import cross_validate
from training.conftest import make_patient, make_recipe, write_store

CLASSES = ("0", "01", "2")
GRID = GridSettings(cells=4, cube=32)


def cohort(folder, patients, names, **recipe):
    """PREPARED and RUN of some patients."""
    prepared = write_store(folder / "prepared", patients)
    made = make_recipe(names, models={"inputs": {"default": ("early",)}}, epochs=1, warmup=0,
                       **recipe).model_copy(update={"grid": GRID})  # fmt: skip
    splits = SplitSettings(folds=3, turns=1)
    cross_validate(prepared, folder / "run", made, splits, workers=0, quiet=True)
    return folder / "run", prepared


@pytest.mark.parametrize("figure", [2, 3])
def test_classes_that_look_like_numbers_stay_text(tmp_path, figure):
    patients = [make_patient(number, label=CLASSES[number % 3]) for number in range(9)]
    run, prepared = cohort(
        tmp_path, patients, ("vit_tiny",), cohort={"classes": CLASSES, "exclude": ()}
    )
    run_figure(run, prepared, tmp_path / "out", figure, quiet=True)
    shown = pd.read_csv(tmp_path / "out" / f"figure{figure}.csv", dtype=str)
    assert set(shown["predicted"]) <= set(CLASSES) and set(shown["label"]) <= set(CLASSES)


def test_a_lesion_counts_where_the_network_sees_it(tmp_path):
    """A cube holds the crop's last slice, which no grid of 4 shows."""
    patients = []
    for number in range(12):
        one = make_patient(number)
        lesion = np.zeros(one.crop.shape[1:], dtype=np.uint8)
        lesion[-1, 8, 8] = 1
        patients.append(replace(one, lesion=lesion if number >= 6 else None))
    run, prepared = cohort(tmp_path, patients, ("densenet121-3d",))
    run_figure(run, prepared, tmp_path / "out", 2, quiet=True)
    shown = set(pd.read_csv(tmp_path / "out" / "figure2.csv")["patient"])
    table = pd.read_csv(run / "predictions.csv").set_index("patient")
    told = 0
    for _, group in table.groupby(table["label"] == table["predicted"]):
        seen = [patient for patient in group.index if int(patient[1:]) >= 6]
        assert shown & set(group.index) == {min(seen, default=min(group.index))}
        told += bool(seen) and min(group.index) < min(seen)
    assert told  # the first patient of all would have been another
