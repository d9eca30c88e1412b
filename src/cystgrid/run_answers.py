"""What a run answered: its out-of-fold predictions, which its explanations speak of."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cystgrid.checksums import check_recorded
from cystgrid.errors import StoreError, UsageError
from cystgrid.evaluation.predictions import read_predictions
from cystgrid.training.decision import Pair
from cystgrid.training.job import RUN_AGAIN
from cystgrid.training.out_of_fold import RunRecord
from cystgrid.training.outcome import PREDICTIONS


def run_answers(run: RunRecord, pairs: Sequence[Pair]) -> pd.DataFrame:
    """The predictions of some networks in a run's first repeat.

    Args:
        run: from ``read_run``.
        pairs: networks of the run.

    Returns:
        Their rows as ``evaluation.predictions`` has them, by patient.

    Raises:
        UsageError: a network without predictions.
        StoreError: predictions that are altered, or for other patients than the folds have.
        PredictionsError: no such file, or one that is not sound.
    """
    path = run.folder / PREDICTIONS
    check_recorded(path)
    table = read_predictions(path).frame
    table = table[table["repeat"] == 0]
    keys = list(zip(table["model"], table["inputs"], strict=True))
    for pair in pairs:
        rows = table[[key == pair for key in keys]]
        if rows.empty:
            raise UsageError(
                "--models",
                got="-".join(pair),
                expected="a model of RUN/predictions.csv",
                do="run cystgrid crossval again until it is whole, or choose another",
            )
        if dict(zip(rows["patient"], rows["outer_fold"], strict=True)) != run.held_by(pair):
            raise StoreError(
                path,
                got=f"other patients or folds of {'-'.join(pair)} than in splits.json",
                expected="each patient once, in the fold that held it out",
                do=RUN_AGAIN,
            )
    return table[[key in pairs for key in keys]].sort_values("patient", kind="stable")
