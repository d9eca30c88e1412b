"""A bundle that MONAI runs and verifies where cystgrid is not installed."""

import csv
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from cystgrid.exports import bundle_script, monai_bundle
from cystgrid.exports.export import export_model
from cystgrid.exports.torchscript import read_script
from cystgrid.preparation.store import Store
from cystgrid.provenance import NOTICE, write_json
from cystgrid.training.deployed import load_model

NAME = "timm:test_vit"


@pytest.fixture(scope="module")
def bundle(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "bundle"
    assert export_model(trained(NAME, 2), "monai-bundle", folder, quiet=True).check.largest < 1e-5
    return folder


def test_monai_runs_it_without_cystgrid(bundle, trained, small_cohort, tmp_path):
    (tmp_path / "cystgrid").mkdir()
    (tmp_path / "cystgrid" / "__init__.py").write_text("raise ImportError('not installed')")
    done = subprocess.run(
        [sys.executable, "-m", "monai.bundle", "run", "--meta_file", "configs/metadata.json",
         "--config_file", "configs/inference.json", "--dataset_dir", str(small_cohort),
         "--output_dir", str(tmp_path / "out")],
        cwd=bundle, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    with (tmp_path / "out" / "predictions.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    store, model = Store.open(small_cohort), load_model(trained(NAME, 2))
    assert {row["patient"] for row in rows} == set(store.patients)
    for row in rows:
        expected = model.probabilities([store.load(row["patient"])])[0]
        np.testing.assert_allclose(
            [float(row[f"p_{name}"]) for name in model.classes], expected, atol=1e-5
        )
        assert row["predicted"] == model.classes[int(expected.argmax())]
        assert row["notice"] == NOTICE


def test_monai_verifies_it_and_not_another_shape(bundle, tmp_path):
    monai_bundle._verify(bundle)
    path = bundle / "configs" / "metadata.json"
    good = path.read_bytes()
    card = json.loads(good)
    card["network_data_format"]["outputs"]["pred"]["num_channels"] = 4
    write_json(path, card)
    with pytest.raises(ValueError, match="doesn't match"):
        monai_bundle._verify(bundle)
    path.write_bytes(good)


def test_metadata_names_every_channel_and_the_use(bundle):
    card = json.loads((bundle / "configs" / "metadata.json").read_text())
    image = card["network_data_format"]["inputs"]["image"]
    assert image["num_channels"] == 4 and image["spatial_shape"] == [32, 32]
    assert list(image["channel_def"].values()) == [
        "member 0: t1", "member 0: t2", "member 1: t1", "member 1: t2",
    ]  # fmt: skip
    assert card["intended_use"] == NOTICE
    assert card["cystgrid"]["calibration"]["temperature"] == 1.5


def test_scripts_hold_no_trace_of_this_machine(bundle):
    for name in ("model.ts", "preprocessing.ts"):
        with zipfile.ZipFile(bundle / "models" / name) as archive:
            names = archive.namelist()
            content = b"".join(archive.read(each) for each in names)
        assert not [each for each in names if "debug" in each]
        assert b"site-packages" not in content and b"/src/" not in content


def test_a_missing_scan_is_read_as_nan(bundle, tmp_path):
    np.save(tmp_path / "crop.npy", np.full((2, 5, 16, 16), np.nan, np.float32))
    card = {"patient": "one", "percentiles": [[None] * 11, list(range(11))]}
    (tmp_path / "patient.json").write_text(json.dumps(card))
    name, crop, percentiles, slices = bundle_script.read_patient(tmp_path, (0, 1))
    assert name == "one" and crop.shape == (1, 2, 5, 16, 16) and slices.tolist() == [5]
    assert percentiles[0, 0].isnan().all() and percentiles[0, 1].tolist() == list(range(11))
    image = read_script(bundle / "models" / "preprocessing.ts")(crop, percentiles, slices)
    assert image.shape == (1, 4, 32, 32) and image[:, 0].isnan().all()


def test_a_folder_without_patients_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="cystgrid prepare"):
        bundle_script.write_predictions(
            torch.nn.Identity(), torch.nn.Identity(), str(tmp_path), str(tmp_path / "out"),
            ("a", "b"), (0,), torch.device("cpu"), NOTICE,
        )  # fmt: skip


def test_its_script_refuses_a_patient_of_whom_it_sees_no_scan(tmp_path, capsys):
    for name, seen in (("one", [None] * 11), ("two", list(range(11)))):
        folder = tmp_path / "prepared" / "patients" / name
        folder.mkdir(parents=True)
        np.save(folder / "crop.npy", np.zeros((2, 5, 16, 16), np.float32))
        card = {"patient": name, "percentiles": [seen, list(range(11))]}
        (folder / "patient.json").write_text(json.dumps(card))
    path = bundle_script.write_predictions(
        lambda images: torch.tensor([[0.25, 0.75]]), lambda *given: torch.zeros(1, 1),
        str(tmp_path / "prepared"), str(tmp_path / "out"), ("a", "b"), (0,), torch.device("cpu"),
        NOTICE,
    )  # fmt: skip
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["patient", "two"]
    assert capsys.readouterr().err == "refused: patient one: no scan that this model sees\n"
