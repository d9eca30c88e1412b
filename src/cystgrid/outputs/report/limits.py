"""Limits that a run's own files show; those that no file can tell are the authors'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from cystgrid.outputs.report.model import Listing, Prose, Section
from cystgrid.outputs.report.run_files import RunFiles

FEW_OF_A_CLASS = 100
"""Of each class, below which an external study of a prediction model is held to say little
(Collins, Ogundimu & Altman 2016: at least 100 events and 100 non-events)."""

ORIGINS = {
    "phantoms": "These are digital phantoms, not patients: the figures show that the path works, "
    "and say nothing clinical.",
    "drawn lesions": "The lesions were drawn into real scans: no label is of a patient, and the "
    "figures say nothing clinical.",
}
"""What must be said of scans that are not of patients as they are."""


def origin_warning(run: RunFiles) -> str:
    """What the head of a report says of a cohort that is not clinical; empty for others."""
    return "" if run.flow is None else ORIGINS.get(run.flow.origin, "")


def limits_section(run: RunFiles) -> Section:
    """One sentence each."""
    authors = "Limits that no file can tell are the authors' to add."
    return Section("limits", "Limits", (Listing(tuple(_limits(run))), Prose(authors)))


def _limits(run: RunFiles) -> Iterator[str]:
    if warning := origin_warning(run):
        yield warning
    if run.flow is None:
        yield "Who was left out before the folds were drawn is not recorded in this run."
    yield ("Every patient comes from the same manifest: nothing here was tested on data from "
           "elsewhere.")  # fmt: skip
    yield from _size(run)
    yield from _centres(run)
    if len(run.methods) > 1:
        yield (f"{len(run.methods)} methods were compared on the same patients: the best of them "
               "looks better than it is.")  # fmt: skip
    if not any(fold.repeat for fold in run.splits.outer):
        yield ("The folds were drawn once: how much the results change with other folds was not "
               "measured.")  # fmt: skip
    if not (run.folder / "tables" / "table6.csv").is_file():
        yield "Whether the maps can be trusted was not checked in this run (no Table VI)."
    yield ("The reference standard is taken as it stands in the manifest; its errors count as the "
           "model's.")  # fmt: skip


def _size(run: RunFiles) -> Iterator[str]:
    counts = Counter(run.labels)
    least = min(run.classes, key=lambda name: counts[name])
    if counts[least] < FEW_OF_A_CLASS:
        yield (
            f"There are {counts[least]} patients of class {least}; fewer than {FEW_OF_A_CLASS} of "
            "a class give wide intervals, whatever the model."
        )


def _centres(run: RunFiles) -> Iterator[str]:
    frame = run.predictions.frame.drop_duplicates("patient")
    counts = Counter(frame["center"])
    known = {name: count for name, count in counts.items() if name}
    if len(known) < 2:
        yield "One centre, or none, is known: nothing is said of other centres."
    elif min(known.values()) < FEW_OF_A_CLASS:
        smallest = min(known, key=lambda name: (known[name], name))
        yield (f"{len(known)} centres, the smallest ({smallest}) with {known[smallest]} patients: "
               "differences between centres are barely measured.")  # fmt: skip
