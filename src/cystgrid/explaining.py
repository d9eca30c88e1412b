"""What the verb `explain` does: maps of new patients, and the figures of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cystgrid.cohort.manifest import Patient, asked_patients
from cystgrid.errors import CystgridError, UsageError
from cystgrid.explanations.options import Options
from cystgrid.explanations.relevance import METHODS
from cystgrid.outputs.explanation import (
    RECORD,
    Account,
    account_of,
    refuse_other_explanations,
    write_explanations,
    write_maps,
)
from cystgrid.preparation.new_patients import Refusal, preparing
from cystgrid.progress import progress_bar
from cystgrid.provenance import NOTICE
from cystgrid.service import ALL, checked_method, explain_patient, networks_of
from cystgrid.training.deployed import DeployedModel, load_model


def run_explain(
    model_folder: Path,
    source: Path | Patient,
    output: Path,
    *,
    method: str = "",
    wanted: str = "",
    options: Options | None = None,
    workers: int = 0,
    quiet: bool = False,
) -> tuple[str, list[tuple[str, str]]]:
    """Explain a deployed model's answers for a cohort.csv or one patient.

    Args:
        model_folder: MODEL.
        source: a manifest, or one patient.
        output: folder of the maps.
        method: a key of ``METHODS``; empty for the best default of the model's kind.
        wanted: the class to explain, or ``all``; empty for each patient's predicted one.
        options: of the method.
        workers: processes that prepare scans, while this one makes maps; 0 prepares in this one.
        quiet: no progress bar.

    Returns:
        What was found as text for a terminal, and ``(patient, reason)`` of those refused.

    Raises:
        UsageError: a model that is no network, a method that does not serve it, no such class, or
            options of another method.
    """
    refuse_run(model_folder)
    model = load_model(model_folder)
    members = networks_of(model)
    chosen = checked_method(members[0], method, model.name)
    check_class(wanted, chosen, model.classes)
    made = options or Options()
    check_options(made, chosen)
    patients = asked_patients(source, model.cohort)
    question = _question(model, chosen, wanted, made)
    refuse_other_explanations(question, [patient.patient for patient in patients], output)
    accounts: list[Account] = []
    refused: list[tuple[str, str]] = []
    with (
        progress_bar("explaining", len(patients), quiet=quiet) as advance,
        preparing(patients, model.preparation, workers) as prepared,
    ):
        for patient, ready in zip(patients, prepared, strict=True):
            if isinstance(ready, Refusal):
                refused.append((ready.patient, ready.reason))
                advance(1)
                continue
            try:
                one = explain_patient(model, members, patient, ready, chosen, wanted, made)
            except UsageError:  # of the model or the method, for every patient alike
                raise
            except CystgridError as error:
                refused.append((patient.patient, str(error)))
            else:
                accounts.append(account_of(one, model.name))
                if not (output / RECORD).exists():  # if stopped, the folder knows its question
                    write_explanations(accounts, question, output)
                write_maps(one, output)
            advance(1)
    if not accounts:
        return "", refused
    path = write_explanations(accounts, question, output)
    lines = [line for each in accounts for line in each.lines]
    return "\n".join([*lines, NOTICE, str(path)]), refused


def refuse_run(folder: Path) -> None:
    """Say what a run needs, where a model was expected.

    Raises:
        UsageError: the folder is a run.
    """
    if (folder / "run.json").exists():
        raise UsageError(
            folder,
            got="a run",
            expected="a model, or --figure 2, --figure 3 or --check with RUN PREPARED",
            do="give the folder that `cystgrid train` wrote, or one of these options",
        )


def check_class(wanted: str, method: str, classes: Sequence[str]) -> None:
    """Refuse a class that the model does not know, or that the method could not tell apart.

    Raises:
        UsageError: naming the classes or the methods there are.
    """
    if wanted and wanted != ALL and wanted not in classes:
        raise UsageError(
            "--class",
            got=repr(wanted),
            expected=f"one of {', '.join(classes)}, or {ALL}",
            do="choose one of the model's classes",
        )
    if wanted and not METHODS[method].class_specific:
        specific = [name for name, each in METHODS.items() if each.class_specific]
        raise UsageError(
            "--class",
            got=f"{wanted!r} for {method}, whose map is the same for every class",
            expected=f"one of {', '.join(specific)}",
            do="choose another --method, or leave --class out",
        )


def check_options(options: Options, method: str) -> None:
    """Refuse options of rollout for another method: they would do nothing.

    Raises:
        UsageError: one was changed.
    """
    changed = options.model_dump(exclude_defaults=True)
    if changed and method != "rollout":
        raise UsageError(
            "--head-fusion, --discard, --no-identity",
            got=f"a choice for {method}",
            expected="the method rollout",
            do="leave it out, or choose --method rollout",
        )


def _question(model: DeployedModel, method: str, wanted: str, options: Options) -> dict[str, Any]:
    """What was asked, as explanations.json records it."""
    return {
        "model": model.name,
        "inputs": model.inputs,
        "model_sha256": model.sha256,
        "members": len(model.members),
        "method": method,
        "about": METHODS[method].about,
        "class_specific": METHODS[method].class_specific,
        "class": wanted or "predicted",
        "options": options.model_dump(mode="json", exclude_defaults=True),
    }
