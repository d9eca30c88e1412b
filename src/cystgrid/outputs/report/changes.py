"""Two runs side by side: what changed in settings, patients and results."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from cystgrid.differences import ABSENT, differences
from cystgrid.errors import StoreError
from cystgrid.evaluation.evaluation import Evaluation
from cystgrid.evaluation.predictions import check_predictions, probability_columns
from cystgrid.evaluation.rendering import csv_text, figure, p_text
from cystgrid.evaluation.tables.pairs import TESTS, table4
from cystgrid.evaluation.uncertainty.pooled import SUMMARY, estimate
from cystgrid.outputs.quality.model import Count
from cystgrid.outputs.report.failures import first_repeat
from cystgrid.outputs.report.limits import ORIGINS
from cystgrid.outputs.report.model import (
    Block,
    Cell,
    Code,
    Facts,
    Head,
    Listing,
    Prose,
    Report,
    Section,
    Table,
    table_of,
)
from cystgrid.outputs.report.run_files import RunFiles
from cystgrid.training.outcome import PREDICTIONS

ABOUT = (
    "Two cross-validations, paired patient by patient. Run 1 is the one that was given first; a "
    "difference is run 2 less run 1."
)

DIGITS = 16
"""Of a digest, as many as tell two apart."""

NOTES = (
    "Run 2 less run 1, of all out-of-fold predictions of the patients that both runs have with the "
    "same label. [95 % interval]: BCa bootstrap of patients drawn alike for both, stratified by "
    "label.",
    "t: corrected resampled t-test over outer folds; undefined (--) unless both runs have these "
    "patients in the same folds. McNemar: mid-p; DeLong: macro one-vs-rest AUC; both speak of "
    "these trained models on other patients, and not of other trainings. In brackets: corrected by "
    "Holm over those methods of a column that have a p-value. Bold: the interval does not hold 0.",
)


@dataclass(frozen=True, eq=False)
class TwoRuns:
    """Two runs that can be compared.

    Attributes:
        first, second: as they were given.
        shared: patients that both predict, sorted.
        relabelled: of these, those whose label differs; they take no part in the results.
        methods: names that both have.
    """

    first: RunFiles
    second: RunFiles
    shared: tuple[str, ...]
    relabelled: tuple[str, ...]
    methods: tuple[str, ...]

    @classmethod
    def of(cls, first: RunFiles, second: RunFiles) -> TwoRuns:
        """Pair them.

        Raises:
            StoreError: the same run twice, other classes, no patient or no method in both.
        """
        path = second.folder / PREDICTIONS
        if first.predictions.frame.equals(second.predictions.frame) and first.card == second.card:
            raise _refusal(path, "the same run twice", "another run", "give two runs")
        if first.classes != second.classes:
            raise _refusal(
                path,
                f"classes {', '.join(second.classes)}",
                f"those of the first run: {', '.join(first.classes)}",
                "compare runs of the same question",
            )
        one, other = first.labels, second.labels
        shared = tuple(sorted(set(one.index) & set(other.index)))
        relabelled = tuple(patient for patient in shared if one[patient] != other[patient])
        if len(shared) == len(relabelled):
            raise _refusal(
                path,
                "no patient that the first run has with the same label",
                "some at least",
                "compare runs on the same cohort",
            )
        names = tuple(name for name in _names(first) if name in _names(second))
        if not names:
            raise _refusal(
                path,
                f"the methods {', '.join(_names(second))}",
                f"one of the first run's at least: {', '.join(_names(first))}",
                "cross-validate different methods in one run: its Table IV compares them",
            )
        return cls(first, second, shared, relabelled, names)


def _refusal(where: object, got: str, expected: str, do: str) -> StoreError:
    return StoreError(where, got=got, expected=expected, do=do)


def _names(run: RunFiles) -> tuple[str, ...]:
    """``model-inputs`` of every method; a method's own name depends on the others of its run."""
    return tuple(f"{method.model}-{method.inputs}" for method in run.methods)


def changes_report(runs: TwoRuns) -> Report:
    """The page that compares two runs."""
    warnings = {
        ORIGINS[run.flow.origin]
        for run in (runs.first, runs.second)
        if run.flow is not None and run.flow.origin in ORIGINS
    }
    sections = (
        _runs_section(runs),
        _settings_section(runs),
        _patients_section(runs),
        _results_section(runs),
        _answers_section(runs),
    )
    counts = (
        Count(str(len(runs.shared)), "patients in both"),
        Count(str(len(runs.first.labels) - len(runs.shared)), "in run 1 alone"),
        Count(str(len(runs.second.labels) - len(runs.shared)), "in run 2 alone"),
        Count(str(len(runs.relabelled)), "with another label",
              "warning" if runs.relabelled else "good"),
        Count(str(len(runs.methods)), "methods in both"),
    )  # fmt: skip
    return Report("Two runs compared", ABOUT, tuple(sorted(warnings)), counts, sections)


def _runs_section(runs: TwoRuns) -> Section:
    def row(name: str, one: str, other: str) -> tuple[Cell, ...]:
        same = one == other
        return (Cell(name), Cell(one), Cell(other),
                Cell("same" if same else "differs", mark="" if same else "warning"))  # fmt: skip

    first, second = runs.first, runs.second
    rows = [
        row("Folder", first.folder.absolute().name, second.folder.absolute().name),
        row("Methods", ", ".join(_names(first)), ", ".join(_names(second))),
        row("Patients", str(len(first.labels)), str(len(second.labels))),
        row("Outer folds", str(len(first.splits.outer)), str(len(second.splits.outer))),
        *(row(title, first.card[key][:DIGITS], second.card[key][:DIGITS]) for key, title in {
            "prepared": "Prepared data", "splits": "Folds", "source": "Source of cystgrid",
            "device": "Device"}.items()),
    ]  # fmt: skip
    table = table_of(
        "runs", "The two runs", ("What", "Run 1", "Run 2", "Same?"), rows, "run.json of both runs"
    )
    return Section("runs", "The two runs", (table,))


def _settings_section(runs: TwoRuns) -> Section:
    """Every setting and version that differs, and the study files' lines."""
    first, second = runs.first, runs.second
    rows = _differences("versions", first.card["versions"], second.card["versions"])
    for name in dict.fromkeys([*first.card["models"], *second.card["models"]]):
        one, other = (run.card["models"].get(name) for run in (first, second))
        if one is None or other is None:
            there = ("in run 1 alone", ABSENT) if other is None else (ABSENT, "in run 2 alone")
            rows.append((name, "the model", *there))
        else:
            rows += _differences(name, one, other)
    blocks: list[Block] = []
    if rows:
        heads = ("Of", "Setting", "Run 1", "Run 2")
        blocks.append(table_of("settings", "What differs", heads, rows, "run.json of both runs"))
    else:
        blocks.append(Prose("No setting and no version differs."))
    lines = list(difflib.unified_diff(first.study.splitlines(), second.study.splitlines(),
                                      "run 1", "run 2", lineterm="", n=2))  # fmt: skip
    if lines:
        blocks.append(Code("The study files, line by line", "\n".join(lines), "study.toml of both"))
    return Section("settings", "Settings", tuple(blocks))


def _differences(of: str, one: object, other: object) -> list[tuple[str, str, str, str]]:
    return [(of, each.name, each.one, each.other) for each in differences(one, other)]


def _patients_section(runs: TwoRuns) -> Section:
    one, other = _labels(runs.first), _labels(runs.second)
    blocks: list[Block] = [Listing(tuple(_patients(runs)))]
    alone = [(who, label, "run 1") for who, label in one.items() if who not in other]
    alone += [(who, label, "run 2") for who, label in other.items() if who not in one]
    source = f"{PREDICTIONS} of both runs"
    if alone:
        blocks.append(
            table_of("alone", "Patients of one run alone", ("Patient", "Class", "In"),
                     alone, source, folded=len(alone) > 20)
        )  # fmt: skip
    if runs.relabelled:
        rows = [(p, one[p], other[p]) for p in runs.relabelled]
        heads = ("Patient", "Run 1", "Run 2")
        blocks.append(table_of("relabelled", "Patients with another label", heads, rows, source))
    return Section("patients", "Patients", tuple(blocks))


def _patients(runs: TwoRuns) -> Iterable[str]:
    one, other = len(runs.first.labels), len(runs.second.labels)
    yield f"{len(runs.shared)} patients are in both runs, of {one} in run 1 and {other} in run 2."
    if runs.relabelled:
        yield f"{len(runs.relabelled)} have another label and take no part in the results below."
    if runs.first.card["splits"] == runs.second.card["splits"]:
        yield "Both runs have the same folds, outer and inner."
    else:
        yield f"{_moved(runs)} of these are tested in another outer fold."


def _labels(run: RunFiles) -> dict[str, str]:
    return {str(patient): str(label) for patient, label in run.labels.items()}


def _moved(runs: TwoRuns) -> int:
    """Patients whose outer folds differ."""
    places: list[dict[str, set[str]]] = [{}, {}]
    for place, run in zip(places, (runs.first, runs.second), strict=True):
        frame = run.predictions.frame
        for patient, fold in zip(frame["patient"], frame["outer_fold"], strict=True):
            place.setdefault(str(patient), set()).add(str(fold))
    return sum(places[0][patient] != places[1][patient] for patient in runs.shared)


def _results_section(runs: TwoRuns) -> Section:
    """Paired differences of every method that both have."""
    evaluation = Evaluation(check_predictions(_paired(runs), runs.first.classes))
    found = {method.model: method for method in evaluation.methods}
    pairs = [(found[f"2 {name}"], found[f"1 {name}"]) for name in runs.methods]
    file = table4(evaluation, pairs)
    assert file is not None, "there is a pair for each method"
    scores = {name: {score: estimate(pooled, function) for score, function in SUMMARY.items()}
              for name, pooled in evaluation.pooled.items()}  # fmt: skip
    rows = [
        (Cell(name), Cell(str(line["patients"])), *_cells(scores[one.name], scores[two.name], line))
        for name, (two, one), (_, line) in zip(
            runs.methods, pairs, file.data.iterrows(), strict=True
        )
    ]
    heads = [Head("Method"), Head("Patients", True)]
    for title in ("Accuracy", "Balanced accuracy", "AUC"):
        heads += [Head(f"{title}, run 1 and 2", True), Head(f"{title}, difference", True)]
    heads += [Head(name, True) for name in ("t, accuracy", "t, balanced accuracy", "t, AUC",
                                            "McNemar", "DeLong")]  # fmt: skip
    data = file.data.drop(columns=["first", "second"])
    data.insert(0, "method", list(runs.methods))
    table = Table(
        "differences", "Differences, method by method", tuple(heads), tuple(rows),
        f"{PREDICTIONS} of both runs", csv_text(data), NOTES,
    )  # fmt: skip
    return Section("results", "Results, paired", (table,))


def _paired(runs: TwoRuns) -> pd.DataFrame:
    """What both runs predict, their methods named ``1 vit-early`` and ``2 vit-early``."""
    kept = set(runs.shared) - set(runs.relabelled)
    columns = ["model", "inputs", "outer_fold", "patient", "center", "label", "predicted"]
    columns += [*probability_columns(runs.first.classes), "repeat"]
    parts = []
    for number, run in ((1, runs.first), (2, runs.second)):
        frame = run.predictions.frame
        names = frame["model"] + "-" + frame["inputs"]
        frame = frame.assign(model=f"{number} " + names, inputs="")[columns]
        parts.append(frame[names.isin(runs.methods) & frame["patient"].isin(kept)])
    return pd.concat(parts, ignore_index=True)


def _cells(one: dict[str, float], two: dict[str, float], line: pd.Series) -> Sequence[Cell]:
    cells = []
    for score in ("accuracy", "balanced_accuracy", "auc"):
        cells.append(Cell(f"{figure(one[score])}, {figure(two[score])}"))
        name = f"difference_{score}"
        low, high = line[f"{name}_low"], line[f"{name}_high"]
        apart = bool(low > 0 or high < 0)
        told = f"{figure(line[name])} [{figure(low)}, {figure(high)}]"
        cells.append(Cell(told, strong=apart))
    for test in TESTS:
        p, holm = line[f"p_{test}"], line[f"p_{test}_holm"]
        cells.append(Cell("--" if pd.isna(p) else f"{p_text(p)} ({p_text(holm)})"))
    return cells


def _answers_section(runs: TwoRuns) -> Section:
    """Who is answered otherwise."""
    rows, changed = [], []
    kept = set(runs.shared) - set(runs.relabelled)
    for name in runs.methods:
        both = _both(runs, name)
        both = both[both["patient"].isin(kept)]
        was, now = (both["label"] == both[f"predicted_{n}"] for n in (1, 2))
        counts = (was & now, ~was & now, was & ~now, ~was & ~now)
        rows.append((name, str(len(both)), *(str(int(each.sum())) for each in counts)))
        other = both[both["predicted_1"] != both["predicted_2"]]
        changed += [
            (str(row.patient), name, str(row.label), str(row.predicted_1), str(row.predicted_2))
            for row in other.itertuples()
        ]
    source = f"{PREDICTIONS} of both runs, the first repeat of each"
    heads = ("Method", "Patients", "Right in both", "Wrong, then right", "Right, then wrong",
             "Wrong in both")  # fmt: skip
    blocks: list[Block] = [
        table_of("answers", "Right and wrong in both runs", heads, rows, source, numbers=1)
    ]
    if changed:
        blocks.append(
            table_of("changed", f"Answers that changed ({len(changed)})",
                     ("Patient", "Method", "Class", "Run 1", "Run 2"), sorted(changed), source,
                     folded=len(changed) > 20)
        )  # fmt: skip
    else:
        blocks.append(Facts((("Answers that changed", "none"),), source))
    return Section("answers", "Answers that changed", tuple(blocks))


def _both(runs: TwoRuns, name: str) -> pd.DataFrame:
    """One method's answers in both runs, a row a patient."""
    frames = []
    for run in (runs.first, runs.second):
        method = dict(zip(_names(run), run.methods, strict=True))[name]
        frames.append(first_repeat(method)[["patient", "label", "predicted"]])
    return frames[0].merge(frames[1].drop(columns="label"), on="patient", suffixes=("_1", "_2"))
