"""A run's files become a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from cystgrid.evaluation.predictions import Method
from cystgrid.evaluation.rendering import figure
from cystgrid.explanations.patient_map import PatientMap
from cystgrid.outputs.quality.model import Count
from cystgrid.outputs.report.cases import gallery_section
from cystgrid.outputs.report.checklists import KEY, checklist_table, counted, read_checklists
from cystgrid.outputs.report.compute import (
    compute_section,
    reported_trainings,
    versions_section,
)
from cystgrid.outputs.report.failures import failures_section
from cystgrid.outputs.report.limits import limits_section, origin_warning
from cystgrid.outputs.report.method import design_section, models_section, settings_section
from cystgrid.outputs.report.model import Block, Facts, Listing, Prose, Report, Section
from cystgrid.outputs.report.people import cohort_section, demographics_section
from cystgrid.outputs.report.results import explanation_section, result_sections
from cystgrid.outputs.report.run_files import RunFiles
from cystgrid.outputs.report.scans import (
    ScanFacts,
    acquisition_section,
    preparation_section,
)
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.store import Store

ABOUT = (
    "A nested cross-validation, told from the files of its run. Below each table and figure stands "
    "the file that its numbers come from; tables can be sorted and taken away as CSV."
)
MOST_NAMES = 3
"""Of models in the title."""

NOT_RECORDED = "Whether these are patients or phantoms is not recorded in this run."


@dataclass(frozen=True, eq=False)
class PreparedFacts:
    """What PREPARED adds to a report; empty where it is not at hand.

    Attributes:
        store: opened.
        scans: of every predicted patient.
        patients: prepared, read one by one.
        maps: by patient.
    """

    store: Store | None = None
    scans: tuple[ScanFacts, ...] = ()
    patients: Iterable[PreparedPatient] = ()
    maps: Mapping[str, PatientMap] = field(default_factory=dict)


def report_of(run: RunFiles, method: Method, prepared: PreparedFacts) -> Report:
    """The whole report.

    Args:
        run: its files.
        method: whose cases are shown.
        prepared: what PREPARED adds.
    """
    store = prepared.store
    modalities: Sequence[str] = store.modalities if store is not None else ()
    cases = gallery_section(run, method, prepared.patients, modalities, prepared.maps)
    sections = [
        _summary(run),
        cohort_section(run, None if store is None else len(store.entries)),
        demographics_section(run),
        acquisition_section(prepared.scans),
        preparation_section(store),
        design_section(run),
        models_section(run),
        *result_sections(run.folder),
        explanation_section(run.folder, len(prepared.maps)),
        cases,
        failures_section(run, prepared.scans),
        compute_section(run),
        limits_section(run),
        settings_section(run),
        versions_section(run),
    ]
    checklists = read_checklists(sections)
    titles = {section.key: section.title for section in sections}
    blocks: list[Block] = [Listing(tuple(counted(each) for each in checklists))]
    blocks += [checklist_table(each, titles) for each in checklists]
    sections.append(Section(KEY, "Checklists", tuple(blocks)))
    warnings = (origin_warning(run), "" if run.flow else NOT_RECORDED)
    return Report(
        _title(run),
        ABOUT,
        tuple(filter(None, warnings)),
        _counts(run),
        tuple(sections),
        checklists,
    )


def _title(run: RunFiles) -> str:
    """Which methods, on how many patients."""
    names = list(dict.fromkeys(method.model for method in run.methods))
    listed = len(names) <= MOST_NAMES
    told = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if listed else ""
    return f"Cross-validation of {told or f'{len(names)} models'} on {len(run.labels)} patients"


def _counts(run: RunFiles) -> tuple[Count, ...]:
    centers = set(run.predictions.frame["center"]) - {""}
    left = None if run.flow is None else len(run.flow.refused) + sum(run.flow.excluded.values())
    return (
        Count(str(len(run.labels)), "patients"),
        *([] if left is None else [Count(str(left), "left out", "warning" if left else "good")]),
        Count(str(len(run.classes)), "classes"),
        Count(str(len(centers) or "?"), "centres"),
        Count(str(len(run.methods)), "methods"),
        Count(str(len(run.splits.outer)), "outer folds"),
        Count(str(reported_trainings(run)), "trainings"),
    )


def _summary(run: RunFiles) -> Section:
    """What kind of study it is, and the figures of the method that did best."""
    what = (
        "Artificial intelligence on MRI: networks and other models are developed and evaluated by "
        f"nested cross-validation to tell {', '.join(run.classes)} apart in patients with or "
        "without cysts of the pancreas (IPMN). Development and evaluation use the same cohort; "
        "every figure is out of fold."
    )
    blocks: list[Block] = [Prose(what)]
    path = run.folder / "tables" / "table1.csv"
    if path.is_file():
        blocks.append(Facts(highest(pd.read_csv(path)), "tables/table1.csv"))
    else:
        missing = "There are no tables in the run yet: run cystgrid tables RUN, then this again."
        blocks.append(Prose(missing, "warning"))
    return Section("summary", "Summary", tuple(blocks))


def highest(table: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    """The highest of each pooled score with its method and interval; all that print it alike."""
    names = {"balanced_accuracy": "balanced accuracy", "accuracy": "accuracy", "auc": "AUC"}
    rows = []
    for key, name in names.items():
        column = f"pooled_{key}"
        known = table[table[column].notna()]
        if known.empty:
            continue
        printed = known[column].map(figure)
        equal = known[printed == figure(known[column].max())]
        told = [
            f"{row['method']} [{figure(row[f'{column}_low'])}, {figure(row[f'{column}_high'])}]"
            for _, row in equal.iterrows()
        ]
        also = f", by {len(told)} methods alike" if len(told) > 1 else ""
        rows.append((f"Highest pooled {name}", f"{figure(known[column].max())}{also}: "
                     f"{'; '.join(told)}"))  # fmt: skip
    return tuple(rows)
