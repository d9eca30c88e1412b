"""The report of a large run: size, time to make, time to open.

    python benchmarks/report.py [--patients 139] [--models 10] [--keep FOLDER]

The run is made up: smooth noise for scans, answers with a known signal; no training is run, so no
case carries a map. Opening is timed in Chromium, where Playwright finds one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from cystgrid.cohort.splits import InnerFold, OuterFold, Splits, splits_digest, write_splits
from cystgrid.evaluation.predictions import write_predictions
from cystgrid.models.registry import ModelSettings
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.preparation.standardise import PERCENTILES
from cystgrid.preparation.store import Store, write_index, write_patient
from cystgrid.provenance import versions
from cystgrid.reporting import run_report
from cystgrid.results import evaluate_file
from cystgrid.sealing import write_sealed
from cystgrid.training.recipe import Recipe

CLASSES = ("normal", "low", "high")
FOLDS, CENTERS = 10, 7
MODELS = ("vit", "resnet18", "alexnet", "densenet121", "mobilenet_v2", "efficientnet_b5",
          "dense-inn", "incept-inn", "hussein-cca", "cnn-svm")  # fmt: skip
SIGNAL = 1.0
OPENINGS = 5


def made_up_patient(number: int) -> PreparedPatient:
    """Smooth noise in the shape of a prepared patient, a bright lesion in two of three."""
    rng = np.random.default_rng(number)
    noise = rng.normal(size=(2, 11 + number % 4, 64, 64))
    crop = (gaussian_filter(noise, (0, 1, 3, 3)) * 900 + 200).astype(np.float32)
    lesion = np.zeros(crop.shape[1:], dtype=np.float32)
    if number % 3:
        lesion[5:7, 20 : 26 + number % 9, 30:38] = 1
        crop[1][lesion > 0] += 250
    name = f"P{number:03d}"
    return PreparedPatient(
        name, CLASSES[number % 3], f"centre-{number % CENTERS}", name, crop,
        np.stack([np.percentile(channel, PERCENTILES) for channel in crop]),
        np.diag([1.3, 1.1, 5.0, 1.0]),
        (("t1: covers 91.2% of the crop; the rest is 0.",) if number % 5 == 0 else ()),
        {"residual_mm": float(rng.gamma(2.0, 1.0))}, lesion,
        sex="FM"[number % 2], age=str(40 + number % 45),
    )  # fmt: skip


def write_made_up_run(folder: Path, patients: int, models: int) -> Path:
    """FOLDER/prepared and FOLDER/run, without trainings; returns the latter."""
    prepared, run = folder / "prepared", folder / "run"
    people = [made_up_patient(number) for number in range(patients)]
    cards = {each.patient: write_patient(prepared, each, key="k") for each in people}
    write_index(prepared, PreparationSettings(), cards)
    names = [each.patient for each in people]
    tests = [tuple(names[number::FOLDS]) for number in range(FOLDS)]
    outer = []
    for number, test in enumerate(tests):
        validation = tests[(number + 1) % FOLDS]
        train = tuple(name for name in names if name not in {*test, *validation})
        outer.append(OuterFold(test, (InnerFold(train, validation),)))
    splits = Splits(tuple(outer))
    run.mkdir(parents=True)
    write_splits(splits, run / "splits.json")
    recipe = Recipe(models=ModelSettings(names=MODELS[:models], weights="none"))
    write_sealed(run / "run.json", {
        "prepared": Store.open(prepared).digest, "splits": splits_digest(splits),
        "source": "made up", "device": "cpu",
        "models": {f"{name}-early": recipe.identity(name, "early") for name in MODELS[:models]},
        "versions": versions(),
    })  # fmt: skip
    write_predictions(_answers(people, tests, models), CLASSES, run / "predictions.csv")
    pd.DataFrame(
        {"patient": [p.patient for p in people], "center": [p.center for p in people],
         "sex": [p.sex for p in people], "age": [p.age for p in people], "modalities": "t1+t2"}
    ).to_csv(run / "patients.csv", index=False)  # fmt: skip
    return run


def _answers(
    people: list[PreparedPatient], tests: list[tuple[str, ...]], models: int
) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    fold = {name: number for number, test in enumerate(tests) for name in test}
    truth = np.array([CLASSES.index(str(each.label)) for each in people])
    parts = []
    for model in MODELS[:models]:
        scores = rng.normal(size=(len(people), 3)) + SIGNAL * np.eye(3)[truth]
        values = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        part = pd.DataFrame({
            "model": model, "inputs": "early", "outer_fold": [fold[p.patient] for p in people],
            "patient": [p.patient for p in people], "center": [p.center for p in people],
            "label": [p.label for p in people],
            "predicted": np.array(CLASSES)[values.argmax(axis=1)],
        })  # fmt: skip
        part[[f"p_{name}" for name in CLASSES]] = values
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def opening(page: Path) -> list[float] | None:
    """Seconds from asking for the page to its load event and first frame, each in a new window."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if browser is None:
        return None
    found = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for _ in range(OPENINGS):
            tab = chromium.new_page(viewport={"width": 1366, "height": 800})
            start = time.perf_counter()
            tab.goto(page.as_uri())
            tab.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
            found.append(time.perf_counter() - start)
            tab.close()
        chromium.close()
    return found


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--patients", type=int, default=139)
    parser.add_argument("--models", type=int, default=len(MODELS))
    parser.add_argument("--keep", type=Path, help="leave the run there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = asked.keep or Path(name)
        run = write_made_up_run(folder, asked.patients, asked.models)
        start = time.perf_counter()
        evaluate_file(run / "predictions.csv", run / "tables", run / "figures")
        evaluated = time.perf_counter()
        run_report(run, folder / "prepared", cases=0, quiet=True)
        made = time.perf_counter() - evaluated
        seconds = opening(run / "report.html")
        told = {
            "patients": asked.patients,
            "models": asked.models,
            "megabytes": round((run / "report.html").stat().st_size / 1e6, 2),
            "seconds_for_tables": round(evaluated - start, 1),
            "seconds_to_make": round(made, 1),
            "seconds_to_open": None if seconds is None else round(statistics.median(seconds), 2),
        }
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
