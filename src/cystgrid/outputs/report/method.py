"""How the study was done: folds, models and their recipes, every setting."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from cystgrid.cohort.splits import Splits
from cystgrid.models.registry import MODELS
from cystgrid.outputs.report.model import Block, Code, Facts, Prose, Section, Table, table_of
from cystgrid.outputs.report.run_files import RunFiles
from cystgrid.outputs.report.scans import settings_table
from cystgrid.training.run_card import CARD


def design_section(run: RunFiles) -> Section:
    """Folds, who is where, and how a prediction comes about."""
    facts = Facts(tuple(_design(run)), "splits.json, run.json and patients.csv")
    return Section("design", "Design: nested cross-validation", (facts, _fold_table(run)))


def _design(run: RunFiles) -> list[tuple[str, str]]:
    tested = Counter(patient for fold in run.splits.outer for patient in fold.test)
    repeats = 1 + max(fold.repeat for fold in run.splits.outer)
    inner = sorted({len(fold.inner) for fold in run.splits.outer})
    drawn = f", {repeats} times the whole cohort" if repeats > 1 else ""
    return [
        ("Outer folds", f"{len(run.splits.outer)}{drawn}"),
        ("Inner trainings of each", " or ".join(map(str, inner))),
        (
            "Disjoint",
            "checked when this report was made: in no fold does a patient stand on two of the "
            f"sides training, validation and test; each of {len(tested)} patients is tested "
            + ("once" if repeats == 1 else f"{repeats} times"),
        ),
        ("Centres", _centres(run)),
        (
            "Selection",
            "each inner training keeps the epoch, and the settings if several compete, that are "
            "best on its own validation fold; the test fold is first read after that",
        ),
        (
            "Prediction",
            "of a test patient: the mean of the probabilities of its outer fold's inner models; "
            "the answer is the most probable class",
        ),
        ("Digest of the folds", run.card["splits"]),
    ]


def _centres(run: RunFiles) -> str:
    """Whether test folds hold whole centres, by looking."""
    frame = run.predictions.frame
    names = set(frame["center"]) - {""}
    if len(names) < 2:
        return "one centre, or none is known: nothing can be said of differences between centres"
    parted = _parted_centres(run.splits, frame)
    if not parted:
        return f"{len(names)} centres; no centre is in training and test of the same fold"
    return (
        f"{len(names)} centres; {parted} of them are in training and test of the same fold, "
        "so the results are of known centres"
    )


def _parted_centres(splits: Splits, frame: Any) -> int:
    of = dict(zip(frame["patient"], frame["center"], strict=True))
    parted: set[str] = set()
    for fold in splits.outer:
        test = {of.get(patient, "") for patient in fold.test}
        for turn in fold.inner:
            parted |= test & {of.get(patient, "") for patient in turn.train}
    return len(parted - {""})


def _fold_table(run: RunFiles) -> Table:
    labels = run.labels
    rows = []
    for number, fold in enumerate(run.splits.outer):
        counts = Counter(labels.get(patient, "") for patient in fold.test)
        sizes = [(len(turn.train), len(turn.validation)) for turn in fold.inner]
        rows.append(
            (
                str(number),
                str(len(fold.test)),
                *(str(counts[name]) for name in run.classes),
                _span([train for train, _ in sizes]),
                _span([val for _, val in sizes]),
            )
        )
    heads = ("Outer fold", "Test", *(f"Test {name}" for name in run.classes), "Train", "Validation")
    notes = ("Train and validation: of each inner training; least and greatest where they differ.",)
    return table_of(
        "folds", "Patients in every fold", heads, rows, "splits.json and predictions.csv",
        numbers=1, notes=notes,
    )  # fmt: skip


def _span(values: list[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low}-{high}"


def models_section(run: RunFiles) -> Section:
    """What was trained on what, from which start, by which recipe."""
    rows = [_model_row(name, identity) for name, identity in run.card["models"].items()]
    heads = ("Model", "Network", "Sees", "Input", "Start", "Optimiser", "Epochs", "Batch",
             "Augmentation", "Class weights", "Selected by", "Precision")  # fmt: skip
    table = table_of("models", "Models and recipes", heads, rows, CARD)
    given = ", ".join(run.classes)
    seeds = {str(_training(each).get("seed", 0)) for each in run.card["models"].values()}
    rules = (
        (
            "Output",
            f"a probability of each class ({given}); the answer is the most probable one; no other "
            "threshold is applied",
        ),
        ("Class imbalance", _imbalance(run)),
        ("Seeds", f"{', '.join(sorted(seeds))}; each training has its own, derived from it"),
    )
    output = Facts(rules, "run.json and predictions.csv")
    return Section("models", "Models and training", (table, output))


def _training(identity: dict[str, Any]) -> dict[str, Any]:
    return dict(identity.get("training", {}))


def _model_row(name: str, identity: dict[str, Any]) -> tuple[str, ...]:
    training, grid = _training(identity), dict(identity.get("grid", {}))
    architecture = str(identity.get("architecture", name.rpartition("-")[0]))
    entry = MODELS.get(architecture)
    channels = " and ".join(name.upper() for name in identity.get("channels", [])) or "no image"
    if not training.get("epochs"):
        return (name, entry.about if entry else architecture, channels, *["--"] * 9)
    return (
        name,
        entry.about if entry else architecture,
        f"{channels}, {identity.get('fusion', '--')}",
        f"{grid.get('cells', '--')} slices of {grid.get('pixels') or 'prepared'} pixels",
        _start(str(identity.get("weights", "none"))),
        f"{training['optimizer']}, rate {training['learning_rate']:g}, decay "
        f"{training['weight_decay']:g}, {training['schedule']}",
        str(training["epochs"]),
        str(training["batch"]),
        _augmentation(grid),
        str(training["class_weights"]),
        f"{str(training['select']).replace('_', ' ')}, every {training['evaluate_every']} epochs",
        str(identity.get("precision", training.get("precision", "--"))),
    )


def _start(weights: str) -> str:
    """``none``, or a file by its digest: whoever has the file can tell that it is the same."""
    if len(weights) == 64:
        return f"pretrained, sha256 {weights[:12]}"
    return "random" if weights == "none" else Path(weights).name


def _augmentation(grid: dict[str, Any]) -> str:
    words = {"flip": "flips", "rotate": "quarter turns"}
    used = [word for key, word in words.items() if grid.get(key)]
    if grid.get("gamma"):
        used.append(f"contrast (gamma {grid['gamma']:g})")
    return ", ".join(used) or "none"


def _imbalance(run: RunFiles) -> str:
    counts = Counter(run.labels)
    weights = sorted({str(_training(m).get("class_weights", "none"))
                      for m in run.card["models"].values()})  # fmt: skip
    told = ", ".join(f"{counts[name]} {name}" for name in run.classes)
    return (
        f"{told} (of each fold: the table of patients in every fold); class weights in the loss: "
        + ", ".join(weights)
    )


def settings_section(run: RunFiles) -> Section:
    """The study file word for word, and all settings that decided a model's bytes."""
    blocks: list[Block] = []
    if run.study:
        blocks.append(Code("study.toml, word for word", run.study, "study.toml"))
    else:
        blocks.append(Prose("There is no study.toml in the run's folder.", "warning"))
    blocks += [
        settings_table(name, f"Every setting of {name}", identity, CARD)
        for name, identity in run.card["models"].items()
    ]
    return Section("settings", "All settings", tuple(blocks))
