"""What ``cystgrid explain RUN PREPARED --check`` does: maps of a run's networks, checked.

OUT/checks.csv                    one row a model, inputs, method and patient
OUT/table6.{csv,md,tex}           means with intervals
OUT/table6_by_answer.{csv,md,tex} right and wrong answers apart
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from rich.console import Group
from rich.text import Text

from cystgrid.checksums import put_on_record
from cystgrid.errors import UsageError
from cystgrid.evaluation.rendering import console, csv_text
from cystgrid.explanations.battery import Battery, Sample
from cystgrid.explanations.checks.controls import CONTROLS
from cystgrid.explanations.checks.lesions import lesion_window
from cystgrid.explanations.relevance import METHODS, OCCLUSION_CELLS, methods_for
from cystgrid.explanations.table import table6, table6_by_answer
from cystgrid.preparation.store import Store
from cystgrid.progress import progress_bar
from cystgrid.provenance import write_text
from cystgrid.run_answers import run_answers
from cystgrid.training.decision import Pair
from cystgrid.training.device import reproducible
from cystgrid.training.out_of_fold import HeldOut, RunRecord, held_out, read_run
from cystgrid.training.recipe import job_seed

CHECKS_FILE = "checks.csv"
AT_ONCE = 8
"""Patients whose maps are made together, at most."""

SEED = 0
THREADS = 1
"""So that the same run gives the same figures on any machine of its kind."""


@dataclass(frozen=True)
class Wanted:
    """What of a run is checked.

    Attributes:
        pairs: models with their inputs.
        methods: names; those that do not serve a network are left out for it.
        patients: at most so many of each class, None for all.
    """

    pairs: tuple[Pair, ...]
    methods: tuple[str, ...]
    patients: int | None


def run_checks(
    run: Path,
    prepared: Path,
    output: Path,
    *,
    methods: Sequence[str] = (),
    models: Sequence[str] = (),
    patients: int | None = None,
    quiet: bool = False,
) -> Group:
    """Check the maps of a cross-validation's networks and write Table VI.

    Args:
        run: folder of the run.
        prepared: folder of its prepared patients.
        output: where the tables go.
        methods: names of methods; none for all.
        models: the run's networks, ``model`` or ``model-inputs``; none for all.
        patients: at most so many of each class, the first in the order of the cohort.
        quiet: no progress bar.

    Returns:
        Table VI for a terminal.

    Raises:
        UsageError: no such model or method.
        StoreError: a training is missing or altered.
    """
    record = read_run(run, Store.open(prepared))
    wanted = _wanted(record, methods, models, patients)
    answers = _answers(record, wanted)
    chosen = _chosen(record, wanted)
    maps = len(wanted.methods) + len(CONTROLS)
    total = len(chosen) * len(wanted.pairs) * maps
    with progress_bar("checking maps", total, quiet=quiet) as advance, reproducible(THREADS):
        rows = [
            row
            for pair in wanted.pairs
            for outer in record.outer
            for row in _fold_rows(record, wanted, held_out(record, *pair, outer), pair, chosen,
                                  answers[pair], advance)
        ]  # fmt: skip
    if not rows:
        raise UsageError(
            "--patients",
            got=f"{patients}, of whom no network sees a scan",
            expected="patients with the scans that the models use",
            do="raise it, or choose other models",
        )
    checks = pd.DataFrame(rows)
    tables = [table6(checks), table6_by_answer(checks)]
    files = [path for table in tables for path in table.paths(output)]
    with put_on_record(run, [output / CHECKS_FILE, *files]) as told:
        write_text(output / CHECKS_FILE, csv_text(checks))
        for table in tables:
            table.write(output)
    shown = console(tables[0].printed, "Table VI: can these maps be trusted?")
    return Group(shown, *map(Text, told))


def _wanted(
    record: RunRecord, methods: Sequence[str], models: Sequence[str], patients: int | None
) -> Wanted:
    """What was asked for, after a look at whether there is such a thing.

    Raises:
        UsageError: there is not.
        SettingsError: a package that a method needs is not installed.
    """
    for name in methods:
        if name not in METHODS:
            raise UsageError(
                "--method",
                got=name,
                expected=f"one of {', '.join(METHODS)}",
                do="choose of these",
            )
    METHODS[OCCLUSION_CELLS].require()  # every check takes the score's fall from it
    pairs = [pair for name in models for pair in record.named(name)]
    if not record.recipes:
        raise UsageError(
            str(record.folder),
            got="a run without networks",
            expected="one network at least",
            do="give another run: only networks have maps",
        )
    if patients is not None and patients < 1:
        raise UsageError("--patients", got=patients, expected="1 or more", do="raise it")
    return Wanted(
        tuple(pair for pair in record.recipes if not models or pair in pairs),
        tuple(name for name in METHODS if not methods or name in methods),
        patients,
    )


def _chosen(record: RunRecord, wanted: Wanted) -> frozenset[str]:
    """The patients to be explained, the same for every model."""
    cohort = record.recipes[wanted.pairs[0]].cohort
    by_class: dict[str | None, list[str]] = {}
    for name in record.tested:
        label = cohort.class_of(record.store.entries[name].label or "")
        by_class.setdefault(label, []).append(name)
    return frozenset(name for names in by_class.values() for name in names[: wanted.patients])


def _answers(record: RunRecord, wanted: Wanted) -> dict[Pair, dict[str, str]]:
    """The class that the run gave each patient: in its own arithmetic, by all members together."""
    table = run_answers(record, wanted.pairs)
    found: dict[Pair, dict[str, str]] = {pair: {} for pair in wanted.pairs}
    for row in table.itertuples():
        found[str(row.model), str(row.inputs)][str(row.patient)] = str(row.predicted)
    return found


def _fold_rows(
    record: RunRecord,
    wanted: Wanted,
    fold: HeldOut,
    pair: Pair,
    chosen: frozenset[str],
    answers: Mapping[str, str],
    advance: Callable[[int], None],
) -> Iterator[dict[str, object]]:
    """The rows of one outer fold's patients, by its networks."""
    recipe = record.recipes[pair]
    networks = tuple(member.network for member in fold.members)
    battery = Battery(networks, recipe.grid.cells, seed=SEED + fold.outer)
    serving = methods_for(networks[0])
    methods = [name for name in wanted.methods if name in serving]
    patients = [patient for patient in fold.patients if patient in chosen]
    at_once = min(AT_ONCE, networks[0].form.at_once)
    for first in range(0, len(patients), at_once):
        names = patients[first : first + at_once]
        sample = _sample(record, fold, pair, {name: answers[name] for name in names})
        found = battery.check(sample, methods, lambda: advance(len(names)))  # noqa: B023
        advance((len(wanted.methods) - len(methods)) * len(names))
        for method, rows in found.items():
            for name, row in zip(names, rows, strict=True):
                label = recipe.cohort.class_of(record.store.entries[name].label or "")
                yield {
                    "model": pair[0], "inputs": pair[1], "method": method,
                    "outer_fold": fold.outer, "patient": name, "label": label,
                    "predicted": answers[name], "correct": label == answers[name], **row,
                }  # fmt: skip


def _sample(record: RunRecord, fold: HeldOut, pair: Pair, answers: Mapping[str, str]) -> Sample:
    """Patients as the fold's networks see them; each is explained for the class it was given."""
    prepared = [record.store.load(name) for name in answers]
    grid, classes = record.recipes[pair].grid, record.recipes[pair].classes
    form = fold.members[0].network.form
    inputs = torch.stack(
        [member.crops(prepared).central(grid.cells, form) for member in fold.members], dim=1
    )
    return Sample(
        inputs,
        tuple(classes.index(answer) for answer in answers.values()),
        tuple(lesion_window(patient, grid, form) for patient in prepared),
        tuple(job_seed(SEED, name) for name in answers),
    )
