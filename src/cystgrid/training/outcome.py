"""Finished jobs -> the tables of a run.

RUN/predictions.csv        out-of-fold: each outer fold by the mean of its inner models
RUN/validation.csv         each inner validation fold by the one model that it selected
RUN/predictions-peer.csv   each outer fold by the model that it selected itself (it flatters)
RUN/patients.csv           who they are: centre, sex, age, modalities
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cystgrid.preparation.store import Store
from cystgrid.provenance import write_text
from cystgrid.training.job import (
    PROBABILITY,
    TEST,
    VALIDATION,
    Training,
    probability_table,
    read_probabilities,
)
from cystgrid.training.recipe import Recipe

PREDICTIONS, VALIDATIONS = "predictions.csv", "validation.csv"
PEERS, PATIENTS = "predictions-peer.csv", "patients.csv"


def outer_predictions(jobs: Sequence[Training]) -> pd.DataFrame:
    """The mean of the inner models' probabilities on each outer fold.

    Args:
        jobs: finished; of one protocol.

    Returns:
        ``model, inputs, outer_fold, patient, p_<class>...``.
    """
    frames = []
    for model, inputs, outer in dict.fromkeys((j.model, j.inputs, j.outer) for j in jobs):
        inner = [j for j in jobs if (j.model, j.inputs, j.outer) == (model, inputs, outer)]
        columns = [PROBABILITY.format(name) for name in inner[0].recipe.classes]
        tables = [read_probabilities(job, TEST) for job in inner]
        mean: NDArray[np.float64] = np.mean([table[columns].to_numpy() for table in tables], axis=0)
        frame = probability_table(inner[0].test, inner[0].recipe.classes, mean)
        frames.append(_placed(frame, model, inputs, outer_fold=outer))
    return pd.concat(frames, ignore_index=True)


def inner_validations(jobs: Sequence[Training]) -> pd.DataFrame:
    """Each inner validation fold by its own model.

    Returns:
        ``model, inputs, outer_fold, inner_fold, patient, p_<class>...``.
    """
    frames = []
    for job in jobs:
        frame = read_probabilities(job, VALIDATION)
        place = {"outer_fold": job.outer, "inner_fold": job.inner}
        frames.append(_placed(frame, job.model, job.inputs, **place))
    return pd.concat(frames, ignore_index=True)


def _placed(frame: pd.DataFrame, model: str, inputs: str, **place: int | str) -> pd.DataFrame:
    named = {"model": model, "inputs": inputs, **place}
    return pd.concat([pd.DataFrame(named, index=frame.index), frame], axis=1)


def write_predictions(
    frame: pd.DataFrame, store: Store, recipe: Recipe, repeats: Sequence[int], path: Path
) -> Path:
    """Write the contract's columns; a column ``repeat`` only where folds were drawn repeatedly.

    Args:
        frame: as ``outer_predictions`` gives it.
        store: for labels and centres.
        recipe: classes.
        repeats: of each outer fold, by its number.
        path: where.
    """
    columns = [PROBABILITY.format(name) for name in recipe.classes]
    entries = [store.entries[patient] for patient in frame["patient"]]
    chosen = frame[columns].to_numpy().argmax(axis=1)
    table = frame.assign(
        center=[entry.center for entry in entries],
        label=labels(frame, store, recipe),
        predicted=[recipe.classes[number] for number in chosen],
    )
    order = ["model", "inputs", "outer_fold", "patient", "center", "label", "predicted", *columns]
    if any(repeats):
        table["repeat"] = [repeats[outer] for outer in table["outer_fold"]]
        order.append("repeat")
    write_text(path, table[order].to_csv(index=False))
    return path


def labels(frame: pd.DataFrame, store: Store, recipe: Recipe) -> list[str]:
    """The class of each row's patient, after the study's merges."""
    raw = [store.entries[patient].label or "" for patient in frame["patient"]]
    return [recipe.cohort.class_of(label) or "" for label in raw]


def write_validations(frame: pd.DataFrame, recipe: Recipe, path: Path) -> Path:
    """Write ``inner_validations`` with each patient's class in ``label``."""
    columns = [PROBABILITY.format(name) for name in recipe.classes]
    order = ["model", "inputs", "outer_fold", "inner_fold", "patient", "label", *columns]
    write_text(path, frame[order].to_csv(index=False))
    return path


def write_patients(store: Store, patients: Sequence[str], path: Path) -> Path:
    """Write who was predicted, for tables by centre, sex and age."""
    rows = [
        {
            "patient": entry.patient,
            "center": entry.center,
            "sex": entry.sex,
            "age": entry.age,
            "modalities": "+".join(entry.modalities),
        }
        for entry in (store.entries[patient] for patient in sorted(set(patients)))
    ]
    write_text(path, pd.DataFrame(rows).to_csv(index=False))
    return path
