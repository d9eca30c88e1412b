"""Who was in the study: the way from the manifest to the tables, and who they are."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence

import pandas as pd

from cystgrid.evaluation.checking import number
from cystgrid.outputs.report.model import Block, Cell, Prose, Section, Table, table_of
from cystgrid.outputs.report.run_files import RunFiles
from cystgrid.preparation.flow import FLOW

UNKNOWN = "unknown"
NO_FLOW = (
    "Who was left out before the folds were drawn is not recorded: the patients were prepared by a "
    f"version of cystgrid that wrote no {FLOW}, or the run was begun before it was there. Run "
    "cystgrid prepare and cystgrid crossval again: what is done is not done anew."
)


def cohort_section(run: RunFiles, prepared: int | None) -> Section:
    """The flow of patients, with everybody who was left out and why.

    Args:
        run: the run.
        prepared: number of prepared patients; None where PREPARED is not at hand.
    """
    blocks: list[Block] = []
    if run.flow is None:
        blocks.append(Prose(NO_FLOW, "warning"))
    blocks.append(_flow_table(run, prepared))
    if run.flow is not None:
        blocks += _left_out(run)
    blocks.append(_class_table(run))
    return Section("cohort", "Cohort and its flow", tuple(blocks), run.flow is not None)


def _flow_table(run: RunFiles, prepared: int | None) -> Table:
    rows: list[tuple[str, str, str]] = []
    flow = run.flow
    if flow is not None:
        rows.append(("Patients in the manifest", str(flow.rows), FLOW))
        rows += [(f"Left out by label: {label}", f"-{count}", FLOW)
                 for label, count in flow.excluded.items()]  # fmt: skip
        refused = f"-{len(flow.refused)}" if flow.refused else "0"
        rows.append(("Refused in preparation", refused, FLOW))
    if prepared is not None:
        rows.append(("Prepared", str(prepared), "prepared.json of PREPARED"))
    tested = {patient for fold in run.splits.outer for patient in fold.test}
    rows.append(("In the folds, with a label of the study", str(len(tested)), "splits.json"))
    predicted = set(run.predictions.frame["patient"])
    rows.append(("With an out-of-fold prediction", str(len(predicted)), "predictions.csv"))
    for method in run.methods:
        fewer = len(predicted) - method.rows["patient"].nunique()
        if fewer:
            rows.append((f"Of these without one by {method.name}", f"-{fewer}", "predictions.csv"))
    return table_of(
        "flow",
        "From the manifest to the tables",
        ("Step", "Patients", "File"),
        [(step, Cell(count), file) for step, count, file in rows],
        "the files named in the last column",
        notes=("What is left out carries a minus sign.",),
    )


def _left_out(run: RunFiles) -> list[Block]:
    flow = run.flow
    assert flow is not None, "asked only where it is known"
    blocks: list[Block] = []
    if flow.refused:
        blocks.append(
            table_of(
                "refused",
                "Refused in preparation, with the reason",
                ("Patient", "Why"),
                flow.refused,
                FLOW,
            )
        )
    else:
        blocks.append(Prose("Nobody was refused in preparation."))
    if flow.merged:
        rows = [(label, name, str(count)) for label, name, count in flow.merged]
        heads = ("Label", "Counts as", "Patients")
        blocks.append(table_of("merged", "Labels that are another class", heads, rows, FLOW))
    return blocks


def _class_table(run: RunFiles) -> Table:
    counts = Counter(run.labels)
    rows = [(name, str(counts[name]), _share(counts[name], len(run.labels)))
            for name in run.classes]  # fmt: skip
    return table_of(
        "classes", "Classes of the predicted patients", ("Class", "Patients", "Share"),
        rows, "predictions.csv", numbers=1,
    )  # fmt: skip


def demographics_section(run: RunFiles) -> Section:
    """Who the patients are, in every outer fold and in every centre."""
    known = run.patients
    if known.empty:
        missing = "There is no patients.csv: neither sex, age, centre nor modalities are known."
        return Section("demographics", "Demographics", (Prose(missing, "warning"),), False)
    known = known.reindex(run.labels.index).fillna("")
    folds = [(f"outer fold {n}" + (f", repeat {fold.repeat}" if fold.repeat else ""), fold.test)
             for n, fold in enumerate(run.splits.outer)]  # fmt: skip
    everyone = [("all", tuple(known.index))]
    source = "patients.csv, splits.json and predictions.csv"
    by_fold = _group_table(
        run, known, [*everyone, *folds], "partitions", "By test partition", source,
        ("Each outer fold is a test set once; all other patients then train and select.",),
    )  # fmt: skip
    blocks: list[Block] = [by_fold]
    if "center" in known:
        names = known["center"].replace("", UNKNOWN)
        groups = [(name, tuple(names.index[names == name])) for name in sorted(set(names))]
        where = "patients.csv and predictions.csv"
        blocks.append(_group_table(run, known, groups, "centres", "By centre", where))  # fmt: skip
    return Section("demographics", "Demographics", tuple(blocks))


def _group_table(
    run: RunFiles,
    known: pd.DataFrame,
    groups: Iterable[tuple[str, Sequence[str]]],
    name: str,
    title: str,
    source: str,
    notes: tuple[str, ...] = (),
) -> Table:
    """A row a group: classes, sex, age, modalities."""
    heads = ["Group", "Patients", *run.classes]
    columns = [c for c in ("sex", "age", "modalities") if c in known and (known[c] != "").any()]
    heads += [
        {"sex": "Sex", "age": "Age: median (range)", "modalities": "Scans"}[c] for c in columns
    ]
    rows = []
    for group, patients in groups:
        those = known.loc[[patient for patient in patients if patient in known.index]]
        counts = Counter(run.labels[those.index])
        row = [group, str(len(those)), *(str(counts[name]) for name in run.classes)]
        rows.append([*row, *(_told(those[column], column) for column in columns)])
    return table_of(name, title, heads, rows, source, numbers=1, notes=notes)


def _told(values: pd.Series[str], column: str) -> str:
    if column == "age":
        return _ages(values)
    counts = Counter(values.replace("", UNKNOWN))
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _ages(values: pd.Series[str]) -> str:
    ages = sorted(age for age in map(number, values) if age == age)
    if not ages:
        return UNKNOWN
    text = f"{statistics.median(ages):g} ({ages[0]:g}-{ages[-1]:g})"
    missing = len(values) - len(ages)
    return f"{text}, {missing} {UNKNOWN}" if missing else text


def _share(count: int, of: int) -> str:
    return f"{count / of:.0%}" if of else "0%"
