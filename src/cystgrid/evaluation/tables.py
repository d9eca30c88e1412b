"""Table I of the paper, and further columns, from any predictions file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cystgrid.evaluation import rendering
from cystgrid.evaluation.metrics import METRICS, confusion_matrix, score
from cystgrid.evaluation.predictions import INPUT_NAMES, Method, Predictions
from cystgrid.evaluation.statistics import RESAMPLES, SEED, Interval, bootstrap_interval
from cystgrid.provenance import NOTICE, write_text

if TYPE_CHECKING:
    from rich.table import Table

TABLE1 = "table1"


def fold_scores(predictions: Predictions) -> pd.DataFrame:
    """The scores of every method on every outer fold.

    Returns:
        One row a (method, fold): ``method,model,inputs,outer_fold,patients``, then ``METRICS``.
        What is undefined in a fold is NaN (see ``metrics``).
    """
    scores = [_method_scores(predictions, method) for method in predictions.methods()]
    return pd.concat(scores, ignore_index=True)


def table1(
    predictions: Predictions, *, resamples: int = RESAMPLES, seed: int = SEED
) -> pd.DataFrame:
    """The paper's Table I, one row a method.

    Args:
        predictions: checked out-of-fold predictions.
        resamples: bootstrap samples of the interval.
        seed: of the bootstrap; the same seed gives the same table.

    Returns:
        ``method``; for each of ``METRICS`` its ``_mean`` and ``_sd`` over outer folds (folds weigh
        alike; ``n - 1`` in the deviation; folds where a score is undefined are left out, NaN if
        too few are left); ``pooled_balanced_accuracy`` of all folds' predictions together with
        ``_low`` and ``_high``, its 95 % bootstrap interval; ``patients``; ``folds``.
    """
    lines = []
    for method in predictions.methods():
        folds = _method_scores(predictions, method)
        pooled = pooled_interval(predictions, method, resamples=resamples, seed=seed)
        line: dict[str, object] = {"method": method.name}
        for metric in METRICS:
            mean, deviation = _mean_and_sd(folds[metric].to_numpy(dtype=np.float64))
            line |= {f"{metric}_mean": mean, f"{metric}_sd": deviation}
        lines.append(
            line
            | {
                "pooled_balanced_accuracy": pooled.estimate,
                "pooled_balanced_accuracy_low": pooled.low,
                "pooled_balanced_accuracy_high": pooled.high,
                "patients": len(method.rows),
                "folds": len(folds),
            }
        )
    return pd.DataFrame(lines)


def pooled_interval(
    predictions: Predictions, method: Method, *, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval:
    """Balanced accuracy of all folds' predictions of a method together, with its interval."""
    confusion = confusion_matrix(
        predictions.codes(method.rows["label"]),
        predictions.codes(method.rows["predicted"]),
        len(predictions.classes),
    )
    return bootstrap_interval(confusion, resamples=resamples, seed=seed)


def table1_caption(predictions: Predictions) -> str:
    """What the table shows, on whom, and how far from chance it would have to be."""
    methods = predictions.methods()
    patients = predictions.frame.drop_duplicates("patient")
    counts = [(int((patients["label"] == name).sum()), name) for name in predictions.classes]
    present = [(count, name) for count, name in counts if count]
    most, commonest = max(present, key=lambda pair: pair[0])
    inputs = methods[0].inputs
    one_input = inputs and len({method.inputs for method in methods}) == 1
    sentences = [
        f"Performance on {len(patients)} patients "
        f"({', '.join(f'{count} {name}' for count, name in counts)})"
        + (f", inputs {INPUT_NAMES.get(inputs, inputs)}" if one_input else ""),
        f"Mean ± sample standard deviation over {_folds(methods)}; precision and recall "
        "macro-averaged, AUC one-vs-rest and macro-averaged, kappa with quadratic weights",
        "Pooled: balanced accuracy of all out-of-fold predictions together, with its 95 % "
        f"interval ({RESAMPLES} bootstrap resamples of patients, stratified by label)",
        f"Chance level: balanced accuracy {1 / len(present):.2f}, AUC 0.50, kappa 0.00; always "
        f"answering {commonest} has accuracy {most / len(patients):.2f}",
    ]
    if len(methods) > 1:
        sentences.insert(2, "Best of each column in bold, ties alike")
    return ". ".join(sentences) + ". " + NOTICE


def table1_notes(predictions: Predictions) -> tuple[str, ...]:
    """What a reader must know before comparing the rows, one sentence each."""
    notes = list(predictions.notes)
    methods = predictions.methods()
    everyone = set(predictions.frame["patient"])
    for method in methods:
        if missing := len(everyone) - len(method.rows):
            notes.append(f"{method.name} was not scored on {missing} of the patients.")
    if predictions.frame.groupby("patient")["outer_fold"].nunique().max() > 1:
        notes.append("The methods do not share their outer folds.")
    for method in methods:
        folds = _method_scores(predictions, method)
        for metric in METRICS:
            if undefined := int(folds[metric].isna().sum()):
                notes.append(
                    f"{metric} of {method.name} is undefined in {undefined} of {len(folds)} folds, "
                    "which are left out of its mean."
                )
    return tuple(notes)


def write_tables(predictions: Predictions, folder: Path) -> list[Path]:
    """Write ``table1.csv`` (full precision), ``table1.md`` and ``table1.tex`` (booktabs).

    Returns:
        The paths written.
    """
    table = table1(predictions)
    printed = _printed(predictions, table)
    contents = {
        ".csv": table.to_csv(index=False, lineterminator="\n"),
        ".md": rendering.markdown(printed),
        ".tex": rendering.latex(printed, label=f"tab:{TABLE1}"),
    }
    paths = []
    for suffix, text in contents.items():
        paths.append(folder / (TABLE1 + suffix))
        write_text(paths[-1], text)
    return paths


def console_table(predictions: Predictions) -> Table:
    """The table for a terminal, as a ``rich`` table with its caption below."""
    return rendering.console(_printed(predictions, table1(predictions)))


def _printed(predictions: Predictions, table: pd.DataFrame) -> rendering.PrintedTable:
    return rendering.printed(table, table1_caption(predictions), table1_notes(predictions))


def _method_scores(predictions: Predictions, method: Method) -> pd.DataFrame:
    lines = []
    for fold, rows in method.rows.groupby("outer_fold", sort=True):
        scores = score(
            predictions.codes(rows["label"]),
            predictions.codes(rows["predicted"]),
            predictions.probabilities(rows),
        )
        named = {"method": method.name, "model": method.model, "inputs": method.inputs}
        lines.append({**named, "outer_fold": fold, "patients": len(rows), **scores})
    return pd.DataFrame(lines)


def _mean_and_sd(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, float]:
    """Sorted first, so that no renaming of folds can change the last digit."""
    defined = np.sort(values[~np.isnan(values)])
    mean = float(defined.mean()) if defined.size else float("nan")
    return mean, float(defined.std(ddof=1)) if defined.size > 1 else float("nan")


def _folds(methods: list[Method]) -> str:
    counts = sorted({int(method.rows["outer_fold"].nunique()) for method in methods})
    if counts == [1]:
        return "one fold (no deviation)"
    return f"{' or '.join(map(str, counts))} outer folds"
