"""One training of a cross-validation: a job with a folder of its own, resumed by what is there.

    RUN/jobs/<model>-<inputs>/outer-<i>/inner-<j>/     (or peer/)
        model.safetensors (or model.estimator)  predictions.csv  validation.csv  curve.csv  job.json
        state.safetensors                        while it is under way

``job.json``, sealed, is written last and holds the sha256 of the others: it makes a training count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cystgrid.cohort.splits import InnerFold
from cystgrid.errors import StoreError
from cystgrid.preparation.store import Store
from cystgrid.provenance import digest, sha256_bytes, write_text
from cystgrid.sealing import read_sealed, write_sealed
from cystgrid.training.checkpoint import read_checked
from cystgrid.training.device import reproducible
from cystgrid.training.keeping import Keep
from cystgrid.training.member import Task, Trained, train_member
from cystgrid.training.recipe import Recipe, job_seed

PROBABILITY = "p_{}"
"""Column of a class's probability."""

PEER = "peer"
"""Stands for the inner fold's number in a training that the test fold itself selects."""

TEST, VALIDATION, CURVE = "predictions.csv", "validation.csv", "curve.csv"

STATE = "state.safetensors"
"""Of a training under way; removed when it counts."""

RUN_AGAIN = "run cystgrid crossval again with the same -o: it makes anew what is missing or altered"


def job_key(identity: Mapping[str, Any], fold: InnerFold, test: Sequence[str]) -> str:
    """Digest of all that decides a training's bytes, and so says whose it is.

    Args:
        identity: of the prepared data and the recipe, as ``run.json`` has it of a model.
        fold: who trains and who selects.
        test: who is predicted.
    """
    return digest([identity, asdict(fold), test])


@dataclass(frozen=True)
class Training:
    """One job: a model, its inputs, and its place in the nested folds.

    Attributes:
        model, inputs: as in the study.
        outer: number of the outer fold.
        inner: number of the inner fold, or ``peer``.
        fold: who trains and who selects.
        test: who is predicted.
        prepared: folder of the store.
        folder: of this job.
        recipe: the study's.
        key: digest of all that decides its bytes.
    """

    model: str
    inputs: str
    outer: int
    inner: int | str
    fold: InnerFold
    test: tuple[str, ...]
    prepared: Path
    folder: Path
    recipe: Recipe
    key: str

    @property
    def seed(self) -> int:
        """Of this training alone."""
        seed = self.recipe.training_of(self.model).seed
        return job_seed(seed, self.model, self.inputs, self.outer, self.inner)

    @property
    def epochs(self) -> int:
        """How often it ticks."""
        return self.recipe.epochs_of(self.model)

    @property
    def keep(self) -> Keep:
        """Of this training while it is under way."""
        return Keep(self.folder / STATE, self.key)

    @property
    def record(self) -> Path:
        """Written last."""
        return self.folder / "job.json"


def run_training(job: Training, after_epoch: Callable[[], None]) -> None:
    """Train one model, let it predict its validation and test patients, and put all on disk.

    The test patients are first read when weights, landmarks, settings and epoch are settled
    (but where the peers' protocol has them select, and they are the validation fold).
    """
    store = Store.open(job.prepared)
    task = Task(job.fold, job.recipe, job.model, job.inputs, job.seed)
    trained = train_member(store, task, after_epoch, job.keep)
    with reproducible(job.recipe.training_of(job.model).threads):
        found = trained.member.probabilities(store.several(job.test))
    record = trained.member.save(job.folder, "model", whole=False)
    texts = _texts(job, trained, found)
    for name, text in texts.items():
        write_text(job.folder / name, text)
    write_sealed(
        job.record,
        {
            "key": job.key,
            "model": job.model,
            "inputs": job.inputs,
            "outer": job.outer,
            "inner": job.inner,
            "seed": job.seed,
            "train": job.fold.train,
            "validation": job.fold.validation,
            "test": job.test,
            "files": {name: sha256_bytes(text.encode()) for name, text in texts.items()},
            **trained.record(),
            **record,
        },
    )
    job.keep.forget()


def _texts(job: Training, trained: Trained, found: NDArray[np.float64]) -> dict[str, str]:
    classes = job.recipe.classes
    texts = {
        TEST: probability_table(job.test, classes, found).to_csv(index=False),
        VALIDATION: probability_table(job.fold.validation, classes, trained.validation).to_csv(
            index=False
        ),
    }
    if trained.curve:
        texts[CURVE] = pd.DataFrame([asdict(row) for row in trained.curve]).to_csv(index=False)
    return texts


def probability_table(
    patients: Sequence[str], classes: Sequence[str], probabilities: NDArray[np.float64]
) -> pd.DataFrame:
    """A ``patient`` column and one ``p_<class>`` a class, a row a patient."""
    table = pd.DataFrame(probabilities, columns=[PROBABILITY.format(name) for name in classes])
    table.insert(0, "patient", list(patients))
    return table


def read_probabilities(job: Training, name: str) -> pd.DataFrame:
    """A table that a finished job wrote; patients stay text."""
    table = pd.read_csv(job.folder / name, dtype=str, keep_default_na=False)
    columns = [PROBABILITY.format(each) for each in job.recipe.classes]
    return table.astype(dict.fromkeys(columns, np.float64))


def read_record(path: Path) -> dict[str, Any]:
    """What a finished training says of itself in ``job.json``.

    Raises:
        StoreError: there is none, or it is altered.
    """
    return read_sealed(path, expected="the record of a finished training", do=RUN_AGAIN)


def is_finished(job: Training) -> bool:
    """Whether the job's folder holds a whole, unaltered training of just this job."""
    try:
        record = read_record(job.record)
        read_checked(job.folder / record["weights"], record["sha256"])
        for name, sha256 in record["files"].items():
            read_checked(job.folder / name, sha256)
        return bool(record["key"] == job.key and {TEST, VALIDATION} <= set(record["files"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StoreError):
        return False
