"""Which cases went wrong, how far, how surely, and whether the methods fail on the same ones."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from cystgrid.evaluation.predictions import Method, probability_columns
from cystgrid.outputs.report.model import Block, Section, Table, table_of
from cystgrid.outputs.report.run_files import RunFiles
from cystgrid.outputs.report.scans import ScanFacts

SOURCE = "predictions.csv"
MOST_ROWS = 60
"""Of the hardest patients: a reader looks at the first."""


def failures_section(run: RunFiles, facts: tuple[ScanFacts, ...]) -> Section:
    """The failure analysis, all of it counted from predictions.csv."""
    blocks: list[Block] = [_kinds(run), _by_center(run), _hardest(run), _surest(run)]
    if facts:
        blocks.append(_flagged(run, facts))
    return Section("failures", "Failure analysis", tuple(blocks))


def first_repeat(method: Method) -> pd.DataFrame:
    """One row a patient: each is tested once in every repeat."""
    return method.rows[method.rows["repeat"] == 0]


def _kinds(run: RunFiles) -> Table:
    """How far off: one grade, or more; too low or too high."""
    place = {name: number for number, name in enumerate(run.classes)}
    rows = []
    for method in run.methods:
        frame = first_repeat(method)
        off = frame["predicted"].map(place) - frame["label"].map(place)
        counts = [(off == 0), (off == -1), (off == 1), (off < -1), (off > 1)]
        rows.append((method.name, str(len(frame)), *(str(int(each.sum())) for each in counts)))
    heads = ("Method", "Patients", "Right", "One grade too low", "One grade too high",
             "Further too low", "Further too high")  # fmt: skip
    return table_of("errors", "How far off the answers are", heads, rows, SOURCE, numbers=1)


def _by_center(run: RunFiles) -> Table:
    frames = [first_repeat(method) for method in run.methods]
    names = sorted({name for frame in frames for name in frame["center"]})
    rows = []
    for method, frame in zip(run.methods, frames, strict=True):
        wrong = frame[frame["label"] != frame["predicted"]]
        everyone, missed = Counter(frame["center"]), Counter(wrong["center"])
        rows.append((method.name, *(f"{missed[n]} of {everyone[n]}" for n in names)))
    heads = ("Method", *(name or "unknown" for name in names))
    return table_of("errors-by-centre", "Wrong answers, by centre", heads, rows, SOURCE, numbers=1)


def _hardest(run: RunFiles) -> Table:
    """Patients by the number of methods that get them wrong."""
    missed: dict[str, list[str]] = {}
    seen: Counter[str] = Counter()
    for method in run.methods:
        frame = first_repeat(method)
        seen.update(frame["patient"])
        for row in frame[frame["label"] != frame["predicted"]].itertuples():
            missed.setdefault(str(row.patient), []).append(f"{method.name}: {row.predicted}")
    center = dict(
        zip(run.predictions.frame["patient"], run.predictions.frame["center"], strict=True)
    )
    order = sorted(missed, key=lambda patient: (-len(missed[patient]), patient))
    rows = [
        (
            p,
            str(run.labels[p]),
            str(center[p]),
            f"{len(missed[p])} of {seen[p]}",
            "; ".join(missed[p]),
        )
        for p in order[:MOST_ROWS]
    ]
    nobody = sum(len(each) == seen[patient] for patient, each in missed.items())
    notes = [f"{nobody} patients are wrong by every method, {len(missed)} by one at least."]
    if len(order) > MOST_ROWS:
        notes.append(f"The first {MOST_ROWS} of {len(order)} are shown; {SOURCE} has them all.")
    heads = ("Patient", "Class", "Centre", "Methods wrong", "Answers")
    return table_of("hardest", "Patients that methods get wrong", heads, rows, SOURCE,
                    notes=tuple(notes), folded=len(rows) > 12)  # fmt: skip


def _surest(run: RunFiles) -> Table:
    """Of each method its five surest wrong answers: those that would mislead most."""
    rows = []
    for method in run.methods:
        frame = first_repeat(method)
        wrong = frame[frame["label"] != frame["predicted"]]
        sure = wrong[list(probability_columns(run.classes))].to_numpy(np.float64).max(axis=1)
        for index in np.lexsort((wrong["patient"].to_numpy(str), -sure))[:5]:
            row = wrong.iloc[int(index)]
            rows.append((method.name, str(row["patient"]), str(row["label"]), str(row["predicted"]),
                         f"{sure[index]:.2f}"))  # fmt: skip
    heads = ("Method", "Patient", "Class", "Answer", "Probability")
    return table_of("surest-errors", "The surest wrong answers, five of each method", heads, rows,
                    SOURCE, folded=len(rows) > 12)  # fmt: skip


def _flagged(run: RunFiles, facts: tuple[ScanFacts, ...]) -> Table:
    """Whether patients that preparation flagged are wrong more often."""
    flagged = {each.patient for each in facts if each.flags}
    rows = []
    for method in run.methods:
        frame = first_repeat(method)
        wrong = frame["label"] != frame["predicted"]
        inside = frame["patient"].isin(flagged)
        rows.append((method.name, f"{int((wrong & inside).sum())} of {int(inside.sum())}",
                     f"{int((wrong & ~inside).sum())} of {int((~inside).sum())}"))  # fmt: skip
    heads = ("Method", "Wrong of the flagged", "Wrong of the others")
    return table_of("errors-flagged", "Wrong answers, and what preparation flagged", heads, rows,
                    f"{SOURCE} and patients/*/patient.json of PREPARED", numbers=1)  # fmt: skip
