"""Nested cross-validation: folds, their trainings, and the tables of what they predict.

An outer fold's prediction is the mean of its inner models' probabilities. Beside it, on request,
the protocol of much published code: the test fold chooses the epoch, and the settings where several
compete (``protocol = "peer"``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from cystgrid.checksums import record_sums
from cystgrid.cohort.splits import Splits, SplitSettings
from cystgrid.provenance import write_json
from cystgrid.training import outcome
from cystgrid.training.decision import Fusion, fuse, fused_name
from cystgrid.training.design import Design, Protocol, design
from cystgrid.training.engine import Cluster, Engine, open_engine, run_jobs
from cystgrid.training.job import Training, is_finished, run_training
from cystgrid.training.keeping import Say, go_on
from cystgrid.training.recipe import Recipe
from cystgrid.training.run_card import CARD, SPLITS, recorded_fusions, recorded_pairs, settle

DECISIONS = "decision.json"
"""Of a run: the weights of its decision fusions, and the patients each was learned on."""


KEPT = (
    CARD, SPLITS, DECISIONS,
    outcome.PREDICTIONS, outcome.VALIDATIONS, outcome.PEERS, outcome.PATIENTS,
)  # fmt: skip
"""What lies in a run's folder itself."""


def cross_validate(
    prepared: Path,
    run: Path,
    recipe: Recipe,
    splitting: SplitSettings,
    *,
    given: Splits | None = None,
    protocol: Protocol = "nested",
    wanted: Sequence[tuple[str, str]] = (),
    workers: int | None = None,
    cluster: Cluster | None = None,
    quiet: bool = False,
    say: Say = lambda line: None,
) -> Path:
    """Run, or go on with, a nested cross-validation.

    Args:
        prepared: folder of a store.
        run: folder of the run; made if it is not there.
        recipe: classes, grid, models, training.
        splitting: outer folds.
        given: folds to take instead; patients that are in none of them play no part.
        protocol: ``peer`` adds, for each outer fold, one training that it selects itself.
        wanted: the study's decision fusions, in its words; of models not asked for now too, which
            the folder may have.
        workers: processes; None for as many as there are cores, 0 for this one.
        cluster: where the trainings run; None for this machine.
        quiet: no progress bar.
        say: takes a line of each training under way that has to begin again.

    Returns:
        Path of ``predictions.csv``, one row for each model, inputs and patient (and repeat).

    Raises:
        StoreError: the folder holds a run of other data, another recipe or another version.
        CohortError: the cohort does not fit the study, or copies of a scan would be split apart.
    """
    planned = design(
        prepared, run, recipe, splitting, given=given, protocol=protocol, wanted=wanted
    )
    with open_engine(cluster, workers, planned.threads) as engine:
        site = engine.site
        settle(run, planned.card(site), planned.splits)
        jobs = planned.trainings(site)
        _run_missing(jobs, engine, quiet, say)
    done = {job.folder for job in jobs}
    known = dict.fromkeys([*recorded_pairs(run), *planned.pairs])
    nested = [planned.nested(pair, site) for pair in known]
    peers = [planned.peers(pair, site) for pair in known]
    fusions = recorded_fusions(run)
    path = write_outcome(planned, _whole(nested, done), _whole(peers, done), fusions)
    record_sums(run, [run / name for name in KEPT if (run / name).is_file()])
    return path


def _whole(models: Sequence[Sequence[Training]], done: set[Path]) -> list[Training]:
    """The trainings of all models of which the folder holds every one."""
    return [
        job
        for jobs in models
        if all(job.folder in done or is_finished(job) for job in jobs)
        for job in jobs
    ]


def _run_missing(jobs: Sequence[Training], engine: Engine, quiet: bool, say: Say) -> None:
    missing = []
    for job in jobs:
        if is_finished(job):
            job.keep.forget()  # it may have been killed when all but this was done
        else:
            missing.append(job)
    go_on(missing, engine.site, say)
    title = f"{len(missing)} of {len(jobs)} trainings"
    run_jobs(missing, run_training, engine, title=title, quiet=quiet)
    for job in missing:
        job.keep.forget()  # a node that was lost may have written once more


def write_outcome(
    planned: Design,
    nested: Sequence[Training],
    peers: Sequence[Training],
    fusions: Sequence[Fusion],
) -> Path:
    """Write the run's tables of predictions from its finished trainings.

    Args:
        planned: the run.
        nested: the trainings of every model that is whole.
        peers: those of the published protocol.
        fusions: decision fusions, of which those are made whose models are both there.

    Returns:
        Path of ``predictions.csv``.
    """
    run, store, recipe = planned.run, planned.store, planned.recipe
    repeats = [fold.repeat for fold in planned.splits.outer]
    predictions = outcome.outer_predictions(nested)
    validations = outcome.inner_validations(nested)
    validations["label"] = outcome.labels(validations, store, recipe)
    predictions, validations = _with_fusions(run, fusions, recipe.classes, predictions, validations)
    if peers:
        frame = outcome.outer_predictions(peers)
        outcome.write_predictions(frame, store, recipe, repeats, run / outcome.PEERS)
    outcome.write_validations(validations, recipe, run / outcome.VALIDATIONS)
    outcome.write_patients(store, list(predictions["patient"]), run / outcome.PATIENTS)
    return outcome.write_predictions(predictions, store, recipe, repeats, run / outcome.PREDICTIONS)


def _with_fusions(
    run: Path,
    fusions: Sequence[Fusion],
    classes: Sequence[str],
    predictions: pd.DataFrame,
    validations: pd.DataFrame,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add the fusions whose models are both there, and write down what they learned."""
    learned: dict[str, list[dict[str, Any]]] = {}
    whole = set(zip(predictions["model"], predictions["inputs"], strict=True))
    for first, second in (each for each in fusions if whole.issuperset(each)):
        fused = fuse(first, second, predictions, validations, classes)
        predictions = pd.concat([predictions, fused[0]], ignore_index=True)
        validations = pd.concat([validations, fused[1]], ignore_index=True)
        learned["-".join(fused_name(first, second))] = [asdict(weight) for weight in fused[2]]
    if learned:
        write_json(run / DECISIONS, learned)
    else:
        (run / DECISIONS).unlink(missing_ok=True)  # of a fusion that is in no table any more
    return predictions, validations
