"""What `crossval` and `train` do: training, then tables and figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Group

from cystgrid.checksums import record_sums
from cystgrid.cohort.classes import CohortSettings
from cystgrid.cohort.published import given_splits
from cystgrid.cohort.splits import Splits
from cystgrid.evaluation.model_calibration import Calibration
from cystgrid.evaluation.settings import ERROR_RATE
from cystgrid.grids.gather import resident_limit, streaming_note
from cystgrid.locking import sole_writer
from cystgrid.models.registry import CHANNELS
from cystgrid.models.settings import meant
from cystgrid.outputs.curves import TrainingCurve, draw_training_curves
from cystgrid.outputs.grids import GridPicture, central_window, draw_grids
from cystgrid.preparation.flow import read_flow, write_flow
from cystgrid.preparation.store import Store
from cystgrid.provenance import refuse_other_kind, write_text
from cystgrid.results import Results, evaluate_file
from cystgrid.study import Study
from cystgrid.training.decision import fused_name
from cystgrid.training.deploy import train_model
from cystgrid.training.design import Protocol, labelled_members
from cystgrid.training.device import training_device
from cystgrid.training.engine import Cluster
from cystgrid.training.job import CURVE, read_record
from cystgrid.training.keeping import Say
from cystgrid.training.nested import cross_validate
from cystgrid.training.recipe import Recipe
from cystgrid.training.run_card import CARD, recorded_fusions, recorded_pairs

STUDY = "study.toml"
"""Of a run: the study file, word for word."""


def run_crossval(
    prepared: Path,
    run: Path,
    study: Study,
    study_file: Path | None = None,
    *,
    models: tuple[str, ...] = (),
    inputs: tuple[str, ...] = (),
    features: Path | None = None,
    splits_file: Path | None = None,
    protocol: Protocol = "nested",
    workers: int | None = None,
    cluster: Cluster | None = None,
    quiet: bool = False,
    say: Say = lambda line: None,
) -> tuple[Group, list[str]]:
    """Cross-validate, then write RUN/tables and RUN/figures.

    Args:
        prepared: folder of a store.
        run: folder of the run.
        study: its settings.
        study_file: where they came from, kept in the run word for word.
        models: instead of the study's.
        inputs: instead of the study's.
        features: table for the models that read one, instead of the study's.
        splits_file: folds to take instead of the study's.
        protocol: ``peer`` adds the published codes' way of choosing, on the test fold, beside the
            honest.
        workers: processes.
        cluster: where the trainings run; None for this machine.
        quiet: no progress bars.
        say: takes a line of each training under way that has to begin again.

    Returns:
        Table I for a terminal, and what has to be said of the folds and of the trainings.
    """
    asked = opened(prepared, study, models, inputs, features, splits_file)
    store, recipe, given = asked.store, asked.recipe, asked.given
    notes = list(asked.notes)
    refuse_other_kind(run, CARD)
    with sole_writer(run):
        path = cross_validate(
            prepared,
            run,
            recipe,
            study.splits,
            given=given,
            protocol=protocol,
            wanted=study.models.fusions,
            workers=workers,
            cluster=cluster,
            quiet=quiet,
            say=say,
        )
        text = study_file.read_text("utf-8") if study_file else "# every setting at its default\n"
        write_text(run / STUDY, text)
        flow = read_flow(prepared)
        kept = [] if flow is None else [write_flow(flow, run)]
        results = write_results(run, path, store, recipe, quiet=quiet)
        record_sums(run, [run / STUDY, *kept, *results.written])
    notes += [*results.removal_notes, *disk_notes(store, recipe)]
    notes += [*left_out_notes(run), *unfused_notes(run, study.models.fusions), *collapse_notes(run)]
    return results.table1, notes


@dataclass(frozen=True)
class Asked:
    """What a cross-validation is to be of, read and checked against each other.

    Attributes:
        store: the prepared patients.
        recipe: the study's, for the models and inputs asked for.
        given: folds of a file; None where the study's are taken.
        notes: what has to be said of those folds.
    """

    store: Store
    recipe: Recipe
    given: Splits | None
    notes: tuple[str, ...]


def opened(
    prepared: Path,
    study: Study,
    models: tuple[str, ...],
    inputs: tuple[str, ...],
    features: Path | None,
    splits_file: Path | None,
) -> Asked:
    """Open what ``run_crossval`` is asked for (see there)."""
    store = Store.open(prepared)
    study.check_prepared(store.settings, prepared)
    recipe = study.recipe(models, inputs, features)
    recipe.models.check_weights()
    if splits_file is None:
        return Asked(store, recipe, None, ())
    given, notes = given_splits(splits_file, labelled_members(store, recipe.cohort))
    return Asked(store, recipe, given, tuple(notes))


def write_results(
    run: Path, predictions: Path, store: Store, recipe: Recipe, *, quiet: bool
) -> Results:
    """Write RUN/tables and RUN/figures from a run's predictions and curves."""
    results = evaluate_file(predictions, run / "tables", run / "figures", quiet=quiet)
    training, grids = run / "figures" / "training.png", run / "figures" / "grids.png"
    if curves := read_curves(run):
        draw_training_curves(curves, training)
        results.written.append(training)
    examples = example_pictures(store, recipe.cohort, recipe.grid.cells)
    draw_grids(examples, recipe.grid.cells, grids)
    results.written.append(grids)
    return results


def _records(run: Path) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """Model and inputs, folder and record of every finished nested training."""
    for path in sorted((run / "jobs").glob("*/outer-*/inner-*/job.json")):
        yield path.parents[2].name, path.parent, read_record(path)


def collapse_notes(run: Path) -> list[str]:
    """Which networks fell back to one class: one sentence each, none where all did more."""
    counts: dict[str, list[bool]] = defaultdict(list)
    for name, _, record in _records(run):
        if CURVE in record["files"]:  # it was trained in epochs
            counts[name].append(record["collapsed"])
    return [
        f"{name}: {sum(fallen)} of {len(fallen)} trainings answer one class for every validation "
        "patient; a lower learning rate or a longer warm-up may help"
        for name, fallen in counts.items()
        if any(fallen)
    ]


def disk_notes(store: Store, recipe: Recipe) -> list[str]:
    """Whether trainings on so many patients read their crops from disk: a sentence, or none."""
    depths = [entry.shape[1] for entry in store.entries.values()]
    channels = max(len(CHANNELS[inputs]) for _, inputs in recipe.models.pairs())
    pixels = recipe.grid.pixels or store.settings.cell
    note = streaming_note(depths, channels, pixels, resident_limit(training_device()))
    return [note] if note else []


def left_out_notes(run: Path) -> list[str]:
    """Which models and fusions this folder was asked for before that are not in its tables."""
    recorded = map("-".join, recorded_pairs(run))
    path, columns = run / "predictions.csv", ["model", "inputs"]
    rows = pd.read_csv(path, usecols=columns, dtype=str, keep_default_na=False)
    there = set(rows["model"] + "-" + rows["inputs"])
    notes = [
        f"{name}: begun in this folder, and not in its tables: its trainings are not all there, or "
        "the study has changed; run it again with its own study"
        for name in recorded
        if name not in there
    ]
    for fusion in recorded_fusions(run):
        lacking = " and ".join(name for name in map("-".join, fusion) if name not in there)
        if lacking:
            fused = "-".join(fused_name(*fusion))
            why = f"for want of {lacking}; it is made when nothing is wanting"
            notes.append(f"{fused}: fused in this folder, and not in its tables, {why}")
    return notes


def unfused_notes(run: Path, wanted: Sequence[tuple[str, str]]) -> list[str]:
    """Which of a study's decision fusions, in its words, a folder cannot have, and why."""
    pairs, fusions = recorded_pairs(run), recorded_fusions(run)
    notes = []
    for words in wanted:
        found = [meant(each, pairs) for each in words]
        asked = any(all(map(meant, words, zip(fusion))) for fusion in fusions)
        if asked or not any(found):
            continue
        several = ", ".join("-".join(pair) for each in found if len(each) > 1 for pair in each)
        absent = " and ".join(each for each, pair in zip(words, found, strict=True) if not pair)
        why = f"{absent} is not in this folder yet" if absent else f"which of {several}? Name it"
        notes.append(f"{'+'.join(words)}: a fusion of the study that is not made: {why}")
    return notes


def example_pictures(store: Store, cohort: CohortSettings, cells: int) -> list[GridPicture]:
    """One patient of each class: the first whose central window shows a lesion, else the first."""
    pictures = []
    for label in cohort.classes:
        names = [
            entry.patient
            for entry in store.entries.values()
            if cohort.class_of(entry.label) == label
        ]
        if not names:  # given folds may be of other classes
            continue
        patients = (store.load(name) for name in names)
        seen = (
            p for p in patients if p.lesion is not None and central_window(p.lesion, cells).any()
        )
        example = next(seen, None) or store.load(names[0])
        pictures.append(GridPicture(f"{example.patient} ({label})", example, store.modalities))
    return pictures


def read_curves(run: Path) -> dict[str, list[TrainingCurve]]:
    """The curves of every finished training, by model and inputs."""
    curves: dict[str, list[TrainingCurve]] = defaultdict(list)
    for name, folder, record in _records(run):
        if CURVE in record["files"]:
            rows = pd.read_csv(folder / CURVE)
            curves[name].append(TrainingCurve(rows, record["selected_epoch"]))
    return dict(curves)


def training_note(recipe: Recipe) -> str:
    """Which model ``run_train`` makes of a recipe, and of which it is the first."""
    (model, inputs), *others = recipe.models.pairs()
    if not others:
        return f"training {model} on inputs {inputs}"
    listed = ", ".join(f"{name}-{given}" for name, given in others)
    return (
        f"training {model} on inputs {inputs}, the first of the study's; not {listed}: choose with "
        "--model and --inputs"
    )


def run_train(
    prepared: Path,
    folder: Path,
    study: Study,
    *,
    model: tuple[str, ...] = (),
    inputs: tuple[str, ...] = (),
    features: Path | None = None,
    workers: int | None = None,
    cluster: Cluster | None = None,
    quiet: bool = False,
    say: Say = lambda line: None,
) -> Path:
    """Train one deployable model; returns the path of its model.json."""
    study.check_prepared(Store.open(prepared).settings, prepared)
    recipe = study.recipe(model, inputs, features)
    recipe.models.check_weights()
    refuse_other_kind(folder, "model.json")
    with sole_writer(folder):
        return train_model(
            prepared,
            folder,
            recipe,
            study.deploy,
            copies=study.splits.copies,
            calibrate=lambda truth, probabilities: Calibration.fit(
                truth, probabilities, ERROR_RATE
            ).model_dump(),
            workers=workers,
            cluster=cluster,
            quiet=quiet,
            say=say,
        )
