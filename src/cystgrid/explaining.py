"""What the verb `explain` does: maps of new patients, and the figures of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cystgrid.cohort.manifest import Patient, asked_patients
from cystgrid.errors import CystgridError, UsageError
from cystgrid.explanations.options import Options
from cystgrid.explanations.patient_map import patient_map
from cystgrid.explanations.relevance import METHODS, methods_for
from cystgrid.models.registry import CHANNELS
from cystgrid.outputs.explanation import (
    RECORD,
    Account,
    Explanation,
    account_of,
    refuse_other_explanations,
    write_explanations,
    write_maps,
)
from cystgrid.preparation.new_patients import Refusal, preparing
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.settings import reference_of
from cystgrid.progress import progress_bar
from cystgrid.provenance import NOTICE
from cystgrid.scans.reading import read_as_stored
from cystgrid.training.deployed import DeployedModel, load_model
from cystgrid.training.network_member import NetworkMember

ALL = "all"
"""Instead of a class's name: a map for each class."""

LACKS = {"attention": "attention to follow", "maps": "maps near its end"}
"""What a network has not that a method needs, in words."""


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


def explain_patient(
    model: DeployedModel,
    members: Sequence[NetworkMember],
    patient: Patient,
    prepared: PreparedPatient,
    method: str,
    wanted: str,
    options: Options,
) -> Explanation:
    """Grade one patient, and make its maps.

    Raises:
        CystgridError: the scan that maps are laid on cannot be read.
    """
    names = model.preparation.modalities
    reference = reference_of(
        name for name, there in zip(names, prepared.present, strict=True) if there
    )
    path = patient.scan(reference)
    assert path is not None, "it was prepared from there"
    probabilities = model.probabilities([prepared])[0]
    targets = _targets(wanted, method, model.classes, int(probabilities.argmax()))
    channels = CHANNELS[model.inputs]
    maps = tuple(
        patient_map(members, prepared, method, target, channels, options) for target in targets
    )
    scan = read_as_stored(path, model.preparation.reading)
    return Explanation(prepared, scan, reference, names, model.classes, probabilities, maps)


def _targets(wanted: str, method: str, classes: Sequence[str], predicted: int) -> list[int]:
    """Numbers of the classes to explain: one where the method tells no classes apart."""
    if wanted == ALL and METHODS[method].class_specific:
        return list(range(len(classes)))
    return [classes.index(wanted)] if wanted and wanted != ALL else [predicted]


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


def networks_of(model: DeployedModel) -> tuple[NetworkMember, ...]:
    """The model's members, which must be networks.

    Raises:
        UsageError: it is a model of another kind, in which nothing can be explained on an image.
    """
    members = tuple(each for each in model.members if isinstance(each, NetworkMember))
    if len(members) < len(model.members):
        raise UsageError(
            "MODEL",
            got=f"{model.name}, which is no network",
            expected="a transformer or a convolutional network",
            do="train one of those: this model has no map of an image to show",
        )
    return members


def checked_method(member: NetworkMember, method: str, name: str) -> str:
    """The method asked for, or the best default.

    Raises:
        UsageError: no such method, or one that does not serve this network.
    """
    serving = methods_for(member.network)
    if not method:
        return serving[0]
    if method not in serving:
        needs = METHODS[method].needs if method in METHODS else None
        lacks = LACKS.get(needs or "")  # a method that needs nothing serves every network
        raise UsageError(
            "--method",
            got=f"{method} for {name}, a model without {lacks}" if lacks else repr(method),
            expected=f"one of {', '.join(serving)}",
            do="choose one of those",
        )
    return method


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
