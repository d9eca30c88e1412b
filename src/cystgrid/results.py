"""From any predictions to everything that is told of them: tables, figures, sets, calibration."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cystgrid.checksums import check_recorded, rewritten
from cystgrid.evaluation import rendering
from cystgrid.evaluation.calibration import calibrated
from cystgrid.evaluation.conformal import conformal_sets
from cystgrid.evaluation.earlier import earlier_files, remove_outdated
from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.patients import groups_of
from cystgrid.evaluation.predictions import Predictions, predictions_text, read_predictions
from cystgrid.evaluation.rendering import TableFile, csv_text
from cystgrid.evaluation.settings import EvaluationSettings
from cystgrid.evaluation.tables.calibration import calibration_table, without_validation
from cystgrid.evaluation.tables.classes import table3
from cystgrid.evaluation.tables.conformal import conformal_table
from cystgrid.evaluation.tables.decisions import AT_LEAST, ONE_CLASS, decision_curves
from cystgrid.evaluation.tables.groups import table5
from cystgrid.evaluation.tables.metrics import all_metrics
from cystgrid.evaluation.tables.optimism import optimism
from cystgrid.evaluation.tables.overall import table1, table2
from cystgrid.evaluation.tables.pairs import table4
from cystgrid.evaluation.validation import read_validation
from cystgrid.locking import sole_writer
from cystgrid.outputs.confusion import draw_confusion_matrices
from cystgrid.outputs.decision_curves import draw_decision_curves
from cystgrid.outputs.methods import draw_folds, draw_forest
from cystgrid.outputs.ranking_curves import draw_precision_recall_curves, draw_roc_curves
from cystgrid.outputs.reliability import draw_reliability
from cystgrid.progress import progress_bar
from cystgrid.provenance import write_text

if TYPE_CHECKING:
    from rich.console import Group

PREDICTIONS = "predictions.csv"
TABLE1 = "Table I: all methods"
"""Its title on a terminal, as in the report."""

DECISION_FIGURES = {"decisions.png": ONE_CLASS, "decisions-at-least.png": AT_LEAST}
FIGURES = 8
"""Steps of the progress bar after the tables."""


@dataclass(frozen=True)
class Companions:
    """Files that tell more of the same patients; None where there is none.

    Attributes:
        validation: what inner models said of their validation patients.
        peer: predictions of the protocol that chooses epochs and settings on the test fold.
        patients: centre, sex, age and modalities.
    """

    validation: Path | None = None
    peer: Path | None = None
    patients: Path | None = None

    @classmethod
    def beside(cls, predictions: Path) -> Companions:
        """Those that lie in the folder of a run's predictions."""

        def there(name: str) -> Path | None:
            path = predictions.parent / name
            return path if path.is_file() else None

        return cls(there("validation.csv"), there("predictions-peer.csv"), there("patients.csv"))

    @classmethod
    def found(cls, source: Path, given: Companions) -> tuple[Path, Companions]:
        """The predictions that ``source`` means, and their companions.

        Files beside a file of another name than a run's are not taken for its companions.

        Args:
            source: a run's folder, or a predictions file.
            given: companions to take instead of those found.

        Raises:
            StoreError: a file of a run's folder that is not as the run wrote it.
        """
        path = source / PREDICTIONS if source.is_dir() else source
        beside = cls.beside(path) if path.name == PREDICTIONS else cls()
        found = cls(
            given.validation or beside.validation,
            given.peer or beside.peer,
            given.patients or beside.patients,
        )
        if source.is_dir():
            for each in (path, found.validation, found.peer, found.patients):
                if each is not None and each.parent == source:
                    check_recorded(each)
        return path, found


@contextmanager
def on_record(source: Path, output: Path | None) -> Iterator[list[Path]]:
    """Within it, tables of ``source`` are made anew; those put into the list go on its record.

    Only where they go into a run's own folder, into which then nobody else writes.

    Args:
        source: a run's folder, or a predictions file.
        output: where they go; None for beside the predictions.
    """
    if output is not None or not (source / "run.json").is_file():
        yield []
        return
    with sole_writer(source), rewritten(source, ("tables", "figures")) as made:
        yield made


@dataclass(frozen=True, eq=False)
class Results:
    """What was written, and what has to be said of it.

    Attributes:
        table1: for a terminal, with its caption and notes.
        written: paths, tables before figures.
        notes: why a table was not written, one sentence each.
        removed: paths of an earlier evaluation's tables that this one does not have.
    """

    table1: Group
    written: list[Path]
    notes: list[str]
    removed: list[Path] = field(default_factory=list)

    @property
    def removal_notes(self) -> list[str]:
        """What was removed: a sentence, or none."""
        if not self.removed:
            return []
        names = ", ".join(path.name for path in self.removed)
        return [f"removed from {self.removed[0].parent}, of an earlier evaluation: {names}"]


@dataclass
class _Account:
    """What a predictions file and its companions give, before anything is written."""

    tables: list[TableFile]
    texts: dict[str, str]
    figures: dict[str, Callable[[Path], Path]]
    notes: list[str]


def write_evaluation(
    predictions: Predictions,
    folder: Path,
    figures_folder: Path,
    companions: Companions | None = None,
    settings: EvaluationSettings | None = None,
    *,
    quiet: bool = False,
) -> Results:
    """Write every table and figure that the files at hand allow.

    Args:
        predictions: checked out-of-fold predictions.
        folder: of the tables.
        figures_folder: of the figures.
        companions: what else is known.
        settings: the user's choices.
        quiet: no progress bar.

    Raises:
        PredictionsError: a companion that does not hold together; nothing is written then.
    """
    evaluation = Evaluation(predictions, settings or EvaluationSettings())
    companions = companions or Companions()
    steps: list[Callable[[Evaluation, Companions, _Account], None]] = [
        _main_tables, _pairs_and_groups, _peer, _validation, _figures,
    ]  # fmt: skip
    account = _Account([], {}, {}, [])
    with progress_bar("tables and figures", len(steps) + FIGURES, quiet=quiet) as advance:
        for step in steps:
            step(evaluation, companions, account)
            advance(1)
        earlier = earlier_files(folder)
        written = [path for table in account.tables for path in table.write(folder)]
        notes = "\n".join(account.notes) or "All tables were written."
        for name, text in {**account.texts, "notes.txt": notes + "\n"}.items():
            write_text(folder / name, text)
            written.append(folder / name)
        removed = remove_outdated(earlier, written)
        for name, draw in account.figures.items():
            written.append(draw(figures_folder / name))
            advance(1)
    first = account.tables[0].printed
    return Results(rendering.console(first, TABLE1), written, account.notes, removed)


def _main_tables(evaluation: Evaluation, companions: Companions, account: _Account) -> None:
    account.tables.append(table1(evaluation))
    second = table2(evaluation)
    if second is None:
        account.notes.append("No Table II: no model has more than one kind of inputs.")
    account.tables += [*([second] if second else []), table3(evaluation), all_metrics(evaluation)]


def _pairs_and_groups(evaluation: Evaluation, companions: Companions, account: _Account) -> None:
    pairs = table4(evaluation)
    if pairs is None:
        account.notes.append("No Table IV: one method has nobody to be compared with.")
    bands = evaluation.settings.age_bands
    groups = table5(evaluation, groups_of(evaluation.predictions, companions.patients, bands))
    if groups is None:
        account.notes.append("No Table V: neither centre, sex, age nor modalities are known.")
    account.tables += [table for table in (pairs, groups) if table]


def _peer(evaluation: Evaluation, companions: Companions, account: _Account) -> None:
    if companions.peer is None:
        account.notes.append("No table of optimism: there are no predictions-peer.csv.")
        return
    table = optimism(evaluation, read_predictions(companions.peer))
    if table is None:
        account.notes.append("No table of optimism: predictions-peer.csv has other methods.")
        return
    account.tables.append(table)


def _validation(evaluation: Evaluation, companions: Companions, account: _Account) -> None:
    predictions = evaluation.predictions
    after = None
    if companions.validation is None:
        account.notes.append("No calibration and no prediction sets: there is no validation.csv.")
    else:
        validation = read_validation(companions.validation, predictions)
        after, temperatures = calibrated(predictions, validation)
        account.notes += without_validation(evaluation, after)
        if not after.empty:
            sets = conformal_sets(predictions, validation, evaluation.settings.error_rate)
            account.tables += [
                calibration_table(evaluation, after, temperatures),
                conformal_table(evaluation, sets),
            ]
            account.texts["calibrated.csv"] = predictions_text(after, predictions.classes)
            account.texts["temperatures.csv"] = csv_text(temperatures)
            account.texts["conformal.csv"] = csv_text(sets)
    account.figures["reliability.png"] = lambda path: draw_reliability(evaluation, path, after)


def _figures(evaluation: Evaluation, companions: Companions, account: _Account) -> None:
    decisions = decision_curves(evaluation)
    account.texts["decision_curves.csv"] = csv_text(decisions)
    draws: dict[str, Callable[[Evaluation, Path], Path]] = {
        "confusion.png": draw_confusion_matrices,
        "roc.png": draw_roc_curves,
        "precision-recall.png": draw_precision_recall_curves,
        "forest.png": draw_forest,
        "folds.png": draw_folds,
    }
    for name, draw in draws.items():
        account.figures[name] = functools.partial(draw, evaluation)
    for name, kind in DECISION_FIGURES.items():
        account.figures[name] = functools.partial(draw_decision_curves, evaluation, decisions, kind)


def evaluate_file(
    path: Path,
    folder: Path,
    figures_folder: Path,
    settings: EvaluationSettings | None = None,
    *,
    quiet: bool = False,
) -> Results:
    """``write_evaluation`` of a run's predictions and the files that lie beside them."""
    return write_evaluation(
        read_predictions(path),
        folder,
        figures_folder,
        Companions.beside(path),
        settings,
        quiet=quiet,
    )
