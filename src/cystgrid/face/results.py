"""Cross-validations and the tables of any predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from cystgrid import study as studies
from cystgrid.evaluation.predictions import read_predictions
from cystgrid.face import html
from cystgrid.face.prepared import Prepared, folder_of
from cystgrid.face.study import settings_or_default
from cystgrid.reporting import run_report
from cystgrid.results import Companions, on_record, write_evaluation
from cystgrid.runs import run_crossval

SCORES = {
    "pooled_accuracy": "accuracy",
    "pooled_balanced_accuracy": "balanced accuracy",
    "pooled_auc": "AUC",
}
"""Columns of table1.csv that have an interval, and their headings."""


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """Tables and figures of out-of-fold predictions.

    Attributes:
        folder: RUN, or where the tables were written.
        tables_folder: of the tables.
        notes: what has to be said of them.
    """

    folder: Path
    tables_folder: Path
    notes: tuple[str, ...]

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table with every digit, by name: ``table1``, ``table3``, ``calibration``, ..."""
        return {path.stem: pd.read_csv(path) for path in sorted(self.tables_folder.glob("*.csv"))}

    def __repr__(self) -> str:
        return f"Result: {len(self.tables['table1'])} methods"

    def _repr_html_(self) -> str:
        """Table I: each method's scores on all folds' predictions together, with intervals."""
        data = self.tables["table1"]
        rows = [
            [row["method"], *(_with_interval(row, score) for score in SCORES), row["patients"]]
            for _, row in data.iterrows()
        ]
        caption = "All folds' predictions together, with 95 % bootstrap intervals"
        shown = html.table(("method", *SCORES.values(), "patients"), rows, caption)
        return shown + "".join(html.paragraph(note) for note in self.notes) + html.notice()


def _with_interval(row: pd.Series, score: str) -> str:
    value, low, high = (row[f"{score}{end}"] for end in ("", "_low", "_high"))
    return "-" if pd.isna(value) else f"{value:.2f} ({low:.2f} to {high:.2f})"


def crossval(
    prepared: Prepared | str | Path,
    folder: str | Path,
    study: studies.Study | None = None,
    *,
    models: Sequence[str] = (),
    inputs: Sequence[str] = (),
    workers: int | None = None,
    quiet: bool = True,
) -> Result:
    """Nested cross-validation, then every table and figure; called again it resumes.

    Args:
        prepared: the patients.
        folder: RUN.
        study: None for every default.
        models: instead of the study's.
        inputs: instead of the study's.
        workers: processes; None for one a core, 0 works in this one.
        quiet: no progress bar.

    Raises:
        StoreError: the folder holds a run of other data.
    """
    run = Path(folder)
    _, notes = run_crossval(
        folder_of(prepared), run, settings_or_default(study), models=tuple(models),
        inputs=tuple(inputs), workers=workers, quiet=quiet,
    )  # fmt: skip
    return Result(run, run / "tables", tuple(notes))


def tables(source: str | Path, folder: str | Path | None = None, *, quiet: bool = True) -> Result:
    """Tables and figures of a run, or of any predictions in a CSV of our columns.

    Args:
        source: RUN, or a file with ``patient, label`` and a column ``p_<class>`` a class.
        folder: where they are written; None for beside the predictions.
        quiet: no progress bar.

    Raises:
        PredictionsError: they do not hold together.
    """
    path, companions = Companions.found(Path(source), Companions())
    above = path.parent if folder is None else Path(folder)
    with on_record(Path(source), None if folder is None else above) as made:
        results = write_evaluation(
            read_predictions(path), above / "tables", above / "figures", companions, quiet=quiet
        )
        made += [*results.written, *results.removed]
    return Result(above, above / "tables", (*results.notes, *results.removal_notes))


def report(
    run: Result | str | Path, prepared: Prepared | str | Path | None = None, *, quiet: bool = True
) -> Path:
    """Write a run's report, one page that holds everything; returns its path.

    Args:
        run: RUN.
        prepared: what it was trained on, for pictures; None for the folder ``prepared`` beside it.
        quiet: no progress bar.

    Raises:
        StoreError: no finished run there, or other prepared data.
    """
    folder = run.folder if isinstance(run, Result) else Path(run)
    given = None if prepared is None else folder_of(prepared)
    return Path(run_report(folder, given, quiet=quiet)[-1])
