"""``explain RUN PREPARED --check`` on a small run: files, who explains whom, wrong use."""

from dataclasses import replace
from shutil import copytree

import numpy as np
import pandas as pd
import pytest

from cystgrid.checking_explanations import run_checks
from cystgrid.checksums import check_sum, forget_sums, read_sums
from cystgrid.cohort.splits import SplitSettings
from cystgrid.errors import StoreError, UsageError
from cystgrid.explaining_runs import run_figure
from cystgrid.training.nested import cross_validate
from training.conftest import make_patient, make_recipe, write_store

METHODS = ("rollout", "grad-cam")
PATIENTS = 12


def with_lesion(number):
    """Two of three classes show their square as a lesion."""
    patient = make_patient(number)
    if number % 3 == 0:
        return patient
    half = (1, 4, 7)[number % 3]
    lesion = np.zeros(patient.crop.shape[1:], dtype=np.uint8)
    lesion[:, 8 - half : 8 + half, 8 - half : 8 + half] = 1
    return replace(patient, lesion=lesion)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checked")
    prepared = write_store(folder / "prepared", [with_lesion(n) for n in range(PATIENTS)])
    recipe = make_recipe(
        ("vit_tiny", "majority"), models={"inputs": {"default": ("early",)}}, epochs=1, warmup=0
    )
    splits = SplitSettings(folds=3, turns=1)
    cross_validate(prepared, folder / "run", recipe, splits, workers=0, quiet=True)
    run_checks(folder / "run", prepared, folder / "out", methods=METHODS, quiet=True)
    return folder


def test_every_patient_is_explained_once_a_method_by_the_fold_that_held_it_out(made):
    checks = pd.read_csv(made / "out" / "checks.csv")
    predictions = pd.read_csv(made / "run" / "predictions.csv")
    predictions = predictions[predictions["model"] == "vit_tiny"].set_index("patient")
    for method in (*METHODS, "noise", "brightness", "centre"):
        rows = checks[checks["method"] == method].set_index("patient")
        assert sorted(rows.index) == sorted(predictions.index)
        for column in ("predicted", "label", "outer_fold"):
            assert (rows[column] == predictions.loc[rows.index, column]).all()
        assert (rows["correct"] == (rows["label"] == rows["predicted"])).all()
        assert rows["pointing"].notna().sum() == PATIENTS * 2 // 3


def test_the_explained_class_is_the_one_that_the_run_gave(made, tmp_path):
    """Not what its networks say here, in other arithmetic."""
    run = copytree(made / "run", tmp_path / "run")
    forget_sums(run)
    table = pd.read_csv(run / "predictions.csv")
    turned = {"normal": "low", "low": "high", "high": "normal"}
    given = table.set_index("patient")[table["model"].to_numpy() == "vit_tiny"]["predicted"]
    renamed = {f"p_{a}": f"p_{b}" for a, b in turned.items()}
    table["predicted"] = table["predicted"].map(turned)
    table.rename(columns=renamed).to_csv(run / "predictions.csv", index=False)
    run_checks(run, made / "prepared", tmp_path / "out", methods=("grad-cam",), quiet=True)
    found = pd.read_csv(tmp_path / "out" / "checks.csv").set_index(["method", "patient"])
    before = pd.read_csv(made / "out" / "checks.csv").set_index(["method", "patient"])
    rows = found.loc["grad-cam"]
    assert (rows["predicted"] == given.map(turned).loc[rows.index]).all()
    assert (rows["correct"] == (rows["label"] == rows["predicted"])).all()
    assert not np.allclose(rows["deletion"], before.loc["grad-cam"].loc[rows.index, "deletion"])


def test_predictions_of_other_patients_or_folds_are_refused(made, tmp_path):
    run = copytree(made / "run", tmp_path / "run")
    forget_sums(run)  # what is looked for is not that the file was altered
    table = pd.read_csv(run / "predictions.csv")
    place = table.index[table["model"] == "vit_tiny"][0]
    for changed in (
        table.drop(index=place),
        table.assign(outer_fold=(table["outer_fold"] + (table.index == place)) % 3),
    ):
        changed.to_csv(run / "predictions.csv", index=False)
        with pytest.raises(StoreError, match=r"got other patients or folds of vit_tiny-early"):
            run_checks(run, made / "prepared", tmp_path / "out", quiet=True)
    table[table["model"] != "vit_tiny"].to_csv(run / "predictions.csv", index=False)
    with pytest.raises(UsageError, match=r"expected a model of RUN/predictions\.csv"):
        run_checks(run, made / "prepared", tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


def test_the_tables_are_written(made):
    names = {path.name for path in (made / "out").iterdir()}
    tables = {f"{t}.{s}" for t in ("table6", "table6_by_answer") for s in ("csv", "md", "tex")}
    assert names == {"checks.csv", *tables}
    table = pd.read_csv(made / "out" / "table6.csv")
    assert table["method"].tolist() == [*METHODS, "noise", "brightness", "centre"]
    assert table.set_index("method").loc["brightness", "randomisation"] == pytest.approx(1)


def test_what_is_written_into_the_run_goes_on_its_record(made, tmp_path):
    run, apart = copytree(made / "run", tmp_path / "run"), tmp_path / "apart"
    run_figure(run, made / "prepared", run / "figures", 3, quiet=True)
    asked = {"methods": ("grad-cam",), "patients": 1, "quiet": True}
    run_checks(run, made / "prepared", run / "checks", **asked)
    on_record = read_sums(run)
    for name in ("figures/figure3.png", "figures/figure3.csv", "checks/table6.tex"):
        check_sum(run / name, on_record[name])
    run_checks(run, made / "prepared", apart, **asked)
    assert read_sums(run) == on_record


def test_the_same_run_gives_the_same_bytes(made, tmp_path):
    for out in ("one", "two"):
        run_checks(
            made / "run", made / "prepared", tmp_path / out,
            methods=("grad-cam",), patients=1, quiet=True,
        )  # fmt: skip
    one, two = ((tmp_path / out / "checks.csv").read_bytes() for out in ("one", "two"))
    assert one == two
    assert len(pd.read_csv(tmp_path / "one" / "checks.csv")) == 3 * 4  # one a class, four maps


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"methods": ("rolout",)}, "--method: got rolout, expected one of rollout"),
        (
            {"models": ("resnet18",)},
            "--models: got 'resnet18', expected a network of this run: vit_tiny",
        ),
        ({"models": ("majority",)}, "--models: got 'majority'"),
        ({"patients": 0}, "--patients: got 0"),
    ],
)
def test_wrong_use_is_one_clear_line_and_writes_nothing(made, tmp_path, asked, said):
    with pytest.raises(UsageError, match=said) as caught:
        run_checks(made / "run", made / "prepared", tmp_path / "out", quiet=True, **asked)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
