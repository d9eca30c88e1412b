"""A run's folder, read for its report: every file once, none of them changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cystgrid.checksums import check_sum, read_sums
from cystgrid.cohort.splits import Splits, read_splits, splits_digest
from cystgrid.errors import StoreError
from cystgrid.evaluation.patients import read_patients
from cystgrid.evaluation.predictions import Method, Predictions, read_predictions
from cystgrid.preparation.flow import CohortFlow, read_flow
from cystgrid.training.job import RUN_AGAIN, read_record
from cystgrid.training.outcome import PATIENTS, PREDICTIONS
from cystgrid.training.run_card import SPLITS, read_run_card

STUDY, PAGE = "study.toml", ".html"
"""In RUN; pages there are made of the other files."""

REMADE = "run cystgrid crossval or cystgrid tables again: what is altered is made anew"


@dataclass(frozen=True, eq=False)
class RunFiles:
    """What a run says of itself.

    Attributes:
        folder: RUN.
        card: run.json.
        study: study.toml, word for word; empty where there is none.
        splits: its folds, nobody on two sides.
        predictions: checked.
        patients: of patients.csv, index patient, text columns; empty where there is none.
        jobs: records of finished trainings, each with ``pair`` and ``bytes`` of its weights.
        flow: whom the cohort began with; None where it is not recorded.
    """

    folder: Path
    card: dict[str, Any]
    study: str
    splits: Splits
    predictions: Predictions
    patients: pd.DataFrame
    jobs: tuple[dict[str, Any], ...]
    flow: CohortFlow | None

    @property
    def classes(self) -> tuple[str, ...]:
        """In order of risk."""
        return self.predictions.classes

    @property
    def labels(self) -> pd.Series[str]:
        """Class of every predicted patient, index patient, sorted."""
        frame = self.predictions.frame.drop_duplicates("patient").set_index("patient")
        return frame["label"].sort_index()

    @property
    def methods(self) -> list[Method]:
        """The lines of the tables, in order."""
        return self.predictions.methods()


def read_run_files(folder: Path) -> RunFiles:
    """Read a run.

    Raises:
        StoreError: no run there, one that is not finished, folds of another run, or a file that is
            not as the run wrote it.
        PredictionsError: predictions that are not sound.
    """
    card = read_run_card(folder)
    _check_on_record(folder)
    splits = read_splits(folder / SPLITS)
    if splits_digest(splits) != card["splits"]:
        raise StoreError(
            folder / SPLITS,
            got="other folds than this run has",
            expected="those that it began with",
            do="put the file back: who was trained on whom cannot be told without it",
        )
    if not (folder / PREDICTIONS).is_file():
        raise StoreError(
            folder / PREDICTIONS, got="no such file", expected="a finished run", do=RUN_AGAIN
        )
    path, study = folder / PATIENTS, folder / STUDY
    return RunFiles(
        folder,
        card,
        study.read_text("utf-8") if study.is_file() else "",
        splits,
        read_predictions(folder / PREDICTIONS),
        read_patients(path) if path.is_file() else pd.DataFrame(),
        _jobs(folder),
        read_flow(folder),
    )


def _check_on_record(folder: Path) -> None:
    """Refuse files that are not as the run wrote them; what is gone is told of elsewhere."""
    for name, stated in read_sums(folder).items():
        path = folder / name
        if path.suffix == PAGE or not path.is_file():
            continue
        check_sum(path, stated, REMADE)


def _jobs(folder: Path) -> tuple[dict[str, Any], ...]:
    found = []
    for path in sorted((folder / "jobs").glob("*/outer-*/*/job.json")):
        record = read_record(path)
        weights = path.parent / str(record["weights"])
        size = weights.stat().st_size if weights.is_file() else 0
        found.append({**record, "pair": path.parents[2].name, "bytes": size})
    return tuple(found)
