"""The verb from end to end on small phantoms: what it writes, says, refuses and exits with."""

import gc
import json
import shutil
import weakref
from pathlib import PurePath

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cystgrid.cli import app
from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.errors import UsageError
from cystgrid.provenance import NOTICE
from cystgrid.sealing import write_sealed

STUDY = """
[preparation]
cell = 16
[preparation.n4]
enabled = false
[splits]
folds = 3
turns = 1
[grid]
cells = 4
[models]
names = ["vit", "resnet18", "majority"]
vit = "tiny"
weights = "none"
[models.inputs]
vit = ["early", "late"]
default = ["early"]
[training]
epochs = 1
warmup = 0
[deploy]
folds = 3
members = 2
"""


def cystgrid(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def done(*words):
    result = cystgrid(*words)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Phantoms, prepared patients, a run, and three models."""
    folder = tmp_path_factory.mktemp("world")
    write_phantom_cohort(folder / "phantoms", patients=9, seed=4, reduction=4.0)
    write_phantom_cohort(folder / "new", patients=2, seed=5, reduction=4.0)
    study = folder / "study.toml"
    study.write_text(STUDY)
    done("prepare", folder / "phantoms/cohort.csv", "-o", folder / "prepared",
         "--study", study, "--workers", 0)  # fmt: skip
    for model, inputs in (("vit", "late"), ("resnet18", "early"), ("majority", "none")):
        done("train", folder / "prepared", "-o", folder / model, "--study", study,
             "--model", model, "--inputs", inputs, "--workers", 0)  # fmt: skip
    done("crossval", folder / "prepared", "-o", folder / "run", "--study", study,
         "--inputs", "early", "--models", "vit,resnet18", "--workers", 0)  # fmt: skip
    return folder


def row_of(world, patient):
    table = pd.read_csv(world / "new/cohort.csv", dtype=str).set_index("patient")
    return {name: str(world / "new" / path) for name, path in table.loc[patient].items()
            if name in ("t1", "t2", "roi")}  # fmt: skip


@pytest.fixture(scope="module")
def late(world):
    result = done("explain", world / "vit", world / "new/cohort.csv", "-o", world / "maps-late")
    return world / "maps-late", result.output


def test_maps_lie_on_t2_s_own_grid_and_are_0_outside(world, late):
    folder, _ = late
    for patient in ("P001", "P002"):
        source = nib.load(row_of(world, patient)["t2"])
        for modality in ("t1", "t2"):
            found = nib.load(folder / patient / f"rollout-{modality}.nii.gz")
            assert found.shape == source.shape
            assert np.allclose(found.affine, source.affine, atol=1e-4)
            assert bytes(found.header["descrip"]).rstrip(b"\0").decode() == NOTICE
            voxels = np.asarray(found.dataobj)
            assert 0 < (voxels != 0).mean() < 0.5
            slices = (voxels != 0).any(axis=(0, 1))
            assert slices.sum() == 4  # the cells of the grid
        assert (folder / patient / "map.png").stat().st_size > 10_000


def test_shares_stand_in_both_tables_with_the_notice(late):
    folder, output = late
    table = pd.read_csv(folder / "explanations.csv")
    assert table["patient"].tolist() == ["P001", "P002"]
    assert (table["notice"] == NOTICE).all()
    assert not any(name.startswith("share_") for name in table)  # attention does not weigh scans
    record = json.loads((folder / "explanations.json").read_text())
    assert record["notice"] == NOTICE
    for row, patient in zip(table.itertuples(), record["patients"], strict=True):
        (made,) = patient["maps"]
        assert made["sentence"] == row.shares
        assert row.shares in output
        assert sum(made["slices"]) == pytest.approx(1)
        assert made["modalities"] == {}
        assert "T1 and T2 are not weighed against each other" in made["sentence"]
        assert made["class"] is None  # rollout is the same for every class
        assert sorted(made["files"]) == ["rollout-t1.nii.gz", "rollout-t2.nii.gz"]
    assert NOTICE in output


def test_the_same_question_again_gives_the_same_bytes_and_another_is_refused(world, late):
    folder, _ = late
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    done("explain", world / "vit", world / "new/cohort.csv", "-o", folder)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    other = cystgrid("explain", world / "vit", world / "new/cohort.csv", "-o", folder,
                     "--head-fusion", "max")  # fmt: skip
    assert other.exit_code == 3
    assert "made in another way" in other.output
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_a_run_that_was_stopped_leaves_no_folder_for_another_question(world, tmp_path, monkeypatch):
    """What it was asked stands there from the first patient on."""
    import cystgrid.explaining as explaining

    def stopped(explanation, folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(explaining, "write_maps", stopped)
    words = ["explain", world / "resnet18", world / "new/cohort.csv", "-o", tmp_path]
    assert cystgrid(*words).exit_code == 130
    monkeypatch.undo()
    assert cystgrid(*words, "--class", "low").exit_code == 3
    done(*words)
    assert len(pd.read_csv(tmp_path / "explanations.csv")) == 2


def test_rollout_s_options_change_the_map(world, late, tmp_path):
    patient = row_of(world, "P001")
    words = ["explain", world / "vit", "--t1", patient["t1"], "--t2", patient["t2"],
             "--roi", patient["roi"], "--patient", "P001"]  # fmt: skip
    plain = (late[0] / "P001/rollout-t2.nii.gz").read_bytes()
    for number, more in enumerate((["--head-fusion", "min"], ["--discard", "0.5"],
                                   ["--no-identity"])):  # fmt: skip
        done(*words, "-o", tmp_path / str(number), *more)
        assert (tmp_path / str(number) / "P001/rollout-t2.nii.gz").read_bytes() != plain


def test_every_class_has_its_map_where_the_method_tells_them_apart(world, tmp_path):
    patient = row_of(world, "P001")
    done("explain", world / "resnet18", "--t1", patient["t1"], "--t2", patient["t2"],
         "--roi", patient["roi"], "-o", tmp_path, "--class", "all")  # fmt: skip
    files = sorted(path.name for path in (tmp_path / "patient").glob("*.nii.gz"))
    assert files == [f"grad-cam-{name}.nii.gz" for name in ("high", "low", "normal")]
    assert len(pd.read_csv(tmp_path / "explanations.csv")) == 3


@pytest.mark.parametrize("method", ["grad-cam", "rollout"])
def test_a_scan_that_there_is_not_has_no_share_and_no_map(world, tmp_path, method):
    """By late fusion, each of whose branches sees one scan."""
    patient = row_of(world, "P001")
    model = shutil.copytree(world / "vit", tmp_path / "model")
    card = json.loads((model / "model.json").read_text())
    card["preparation"]["missing_modality"] = "allow"
    del card["seal"]
    write_sealed(model / "model.json", card)
    done("explain", model, "--t2", patient["t2"], "--roi", patient["roi"], "--method", method,
         "-o", tmp_path / "maps")  # fmt: skip
    files = [path.name for path in (tmp_path / "maps/patient").glob("*.nii.gz")]
    named = method + ("" if method == "rollout" else "-*") + "-t2.nii.gz"
    assert [PurePath(name).match(named) for name in files] == [True]
    (row,) = pd.read_csv(tmp_path / "maps/explanations.csv").to_dict("records")
    assert row["share_t2"] == pytest.approx(1) and "share_t1" not in row
    assert row["shares"].endswith("; 100 % T2")


def test_no_scan_is_kept_once_its_maps_are_written(world, tmp_path, monkeypatch):
    """Memory does not grow with the number of patients."""
    import cystgrid.explaining as explaining

    alive, most = [], []

    def counted(explanation, folder):
        alive.append(weakref.ref(explanation))
        gc.collect()
        most.append(sum(each() is not None for each in alive))

    monkeypatch.setattr(explaining, "write_maps", counted)
    names = [f"P{number:03}" for number in range(1, 5)]
    row = {"label": "", **row_of(world, "P001")}
    pd.DataFrame([{"patient": name, **row} for name in names]).to_csv(
        tmp_path / "cohort.csv", index=False
    )
    done("explain", world / "resnet18", tmp_path / "cohort.csv", "-o", tmp_path / "maps")
    assert len(most) == 4 and max(most) <= 2  # the one at hand, and the last
    assert pd.read_csv(tmp_path / "maps/explanations.csv")["patient"].tolist() == names


def test_a_fault_of_the_method_is_the_command_s_and_no_patient_s(world, tmp_path, monkeypatch):
    from cystgrid import service

    def wrong(*args):
        raise UsageError("network", got="this", expected="that", do="choose another")

    monkeypatch.setattr(service, "patient_map", wrong)
    result = cystgrid("explain", world / "resnet18", world / "new/cohort.csv", "-o",
                      tmp_path / "maps")  # fmt: skip
    assert result.exit_code == 2
    assert result.output.count("network: got this") == 1 and "refused" not in result.output
    assert not (tmp_path / "maps").exists()


def test_a_patient_that_is_refused_does_not_stop_the_others(world, tmp_path):
    table = pd.read_csv(world / "new/cohort.csv", dtype=str, keep_default_na=False)
    for name in ("t1", "t2", "roi"):
        table[name] = [str(world / "new" / path) for path in table[name]]
    table.loc[0, "roi"] = ""
    table[["patient", "label", "t1", "t2", "roi"]].to_csv(tmp_path / "cohort.csv", index=False)
    result = cystgrid("explain", world / "resnet18", tmp_path / "cohort.csv", "-o",
                      tmp_path / "maps")  # fmt: skip
    assert result.exit_code == 4
    assert "refused: P001: roi: got nothing, expected a mask" in result.output
    assert [p.name for p in (tmp_path / "maps").iterdir() if p.is_dir()] == ["P002"]


def test_wrong_use_is_one_clear_line(world, tmp_path):
    cohort = world / "new/cohort.csv"
    cases = [
        (3, "model.json: got no such file", [world / "new", cohort]),
        (2, "got majority, which is no network", [world / "majority", cohort]),
        (2, "a model without attention", [world / "resnet18", cohort, "--method", "rollout"]),
        (2, "got 'gradcam', expected one of rollout", [world / "vit", cohort, "--method",
                                                       "gradcam"]),
        (2, "got 'huge', expected one of normal, low, high, or all",
         [world / "vit", cohort, "--class", "huge", "--method", "grad-cam"]),
        (2, "same for every class", [world / "vit", cohort, "--class", "low"]),
        (2, "expected the method rollout", [world / "resnet18", cohort, "--discard", "0.2"]),
        (3, "discard", [world / "vit", cohort, "--discard", "1.5"]),
        (3, "head_fusion", [world / "vit", cohort, "--head-fusion", "sum"]),
        (2, "--figure 2, --figure 3 or --check", [world / "run", cohort]),
        (2, "got 4, expected 2 or 3", [world / "run", world / "prepared", "--figure", "4"]),
        (2, "got 'resnet', expected a network of this run",
         [world / "run", world / "prepared", "--figure", "3", "--models", "resnet"]),
        (2, "got 2 networks for figure 3, expected one",
         [world / "run", world / "prepared", "--figure", "3", "--models", "vit,resnet18"]),
        (2, "give RUN PREPARED", [world / "run", "--figure", "3"]),
        (2, "does nothing with MODEL", [world / "vit", cohort, "--models", "vit"]),
        (2, "do nothing with --check", [world / "run", world / "prepared", "--check",
                                        "--no-identity"]),
        (2, "--patient does nothing with --check", [world / "run", world / "prepared", "--check",
                                                    "--patient", "P001"]),
        (2, "--patient does nothing with --figure", [world / "run", world / "prepared", "--figure",
                                                     "2", "--patient", "patient"]),
        (2, "two questions", [world / "run", world / "prepared", "--check", "--figure", "2"]),
        (2, "either a COHORT.CSV or --t1/--t2", [world / "vit"]),
    ]  # fmt: skip
    for code, text, words in cases:
        result = cystgrid("explain", *words, "-o", tmp_path / "out")
        assert result.exit_code == code, (words, result.output)
        said = " ".join(result.output.replace("│", " ").split())
        assert text in said, (text, said)
        assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("figure", [2, 3])
def test_a_figure_shows_out_of_fold_answers(world, tmp_path, figure):
    result = done("explain", world / "run", world / "prepared", "--figure", figure, "-o", tmp_path)
    assert NOTICE in result.output
    assert (tmp_path / f"figure{figure}.png").stat().st_size > 20_000
    shown = pd.read_csv(tmp_path / f"figure{figure}.csv")
    truth = pd.read_csv(world / "run/predictions.csv")
    truth["model"] = truth["model"] + "-" + truth["inputs"]
    joined = shown.merge(truth, on=["patient", "model"], suffixes=("", "_run"))
    assert len(joined) == len(shown)
    assert (joined["predicted"] == joined["predicted_run"]).all()
    of_class = [row[f"p_{row['predicted']}"] for _, row in joined.iterrows()]
    assert np.allclose(joined["probability"], of_class)
    vit = truth[truth["model"] == "vit-early"]
    if figure == 3:
        assert (shown["predicted"] == shown["label"]).all()
        right = vit[vit["predicted"] == vit["label"]]
        for row in shown.itertuples():
            assert row.probability == right.loc[right["label"] == row.label,
                                                f"p_{row.label}"].max()  # fmt: skip
    else:
        assert list(dict.fromkeys(shown["model"])) == ["resnet18-early", "vit-early"]
        assert list(dict.fromkeys(shown["method"])) == ["grad-cam", "rollout"]


def test_a_training_that_is_missing_is_named(world, tmp_path):
    run = shutil.copytree(world / "run", tmp_path / "run")
    shutil.rmtree(run / "jobs")
    result = cystgrid("explain", run, world / "prepared", "--figure", "3", "-o", tmp_path / "out")
    assert result.exit_code == 3
    assert "job.json: got no such file" in " ".join(result.output.split())


def test_the_check_writes_table_6_beside_the_run_s_own_tables(world):
    result = done("explain", world / "run", world / "prepared", "--check", "--models", "resnet18",
                  "--method", "grad-cam", "--patients", 1)  # fmt: skip
    assert "grad-cam" in result.output
    for suffix in ("csv", "md", "tex"):
        assert (world / f"run/tables/table6.{suffix}").exists()
