"""The gallery: every patient's slices, answers and, for some, the map of the method shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from cystgrid.evaluation.predictions import Method, probability_columns
from cystgrid.explanations.patient_map import PatientMap
from cystgrid.explanations.placing import Window, slice_heights
from cystgrid.explanations.shares import height_text
from cystgrid.grids.tiling import central_start
from cystgrid.outputs.report.failures import first_repeat
from cystgrid.outputs.report.model import Answer, Block, Case, Gallery, Prose, Section
from cystgrid.outputs.report.pictures import layers, scale_uri
from cystgrid.outputs.report.run_files import RunFiles
from cystgrid.outputs.report.scans import NO_STORE
from cystgrid.preparation.patient import PreparedPatient

DEFAULT_CELLS = 9
"""Slices of a case, where no model of the run takes grids."""

LEGEND = (
    "The middle slice of each patient's window; open a case for all its slices, from foot to "
    "head, row by row. The patient's right is on the left. A known lesion is outlined. Where a "
    "case has a map, colour lies where there is more than an even share of relevance; the scale "
    "ends at 8 even shares, alike for all."
)


def shown_method(run: RunFiles, wanted: str = "") -> Method:
    """The method whose cases the gallery shows.

    Args:
        run: the run.
        wanted: ``model-inputs``; empty for the first of the tables.
    """
    methods = {f"{method.model}-{method.inputs}": method for method in run.methods}
    return methods.get(wanted) or run.methods[0]


def featured(run: RunFiles, method: Method, each: int) -> tuple[str, ...]:
    """Patients whose map is worth the time: of every class the surest right and wrong ones.

    Args:
        run: the run.
        method: whose answers.
        each: right and wrong ones of every class, at most.
    """
    frame = _with_sureness(run, method)
    chosen: list[str] = []
    for name in run.classes:
        for right in (True, False):
            those = frame[(frame["label"] == name) & (frame["right"] == right)]
            ordered = those.sort_values(["sure", "patient"], ascending=[False, True], kind="stable")
            chosen += [str(patient) for patient in ordered["patient"][:each]]
    return tuple(chosen)


def _with_sureness(run: RunFiles, method: Method) -> pd.DataFrame:
    frame = first_repeat(method).copy()
    frame["right"] = frame["label"] == frame["predicted"]
    frame["sure"] = frame[list(probability_columns(run.classes))].max(axis=1)
    return frame


def cells_of(run: RunFiles) -> int:
    """Slices that the run's grids hold."""
    for identity in run.card["models"].values():
        if "grid" in identity:
            return int(identity["grid"]["cells"])
    return DEFAULT_CELLS


def gallery_section(
    run: RunFiles,
    method: Method,
    patients: Iterable[PreparedPatient],
    modalities: Sequence[str],
    maps: Mapping[str, PatientMap],
) -> Section:
    """Every predicted patient of a method as a card.

    Args:
        run: the run.
        method: whose answers decide what is right and wrong.
        patients: prepared; none where PREPARED is not at hand.
        modalities: names of the crops' scans.
        maps: by patient.
    """
    answers = _answers(run)
    rows = {str(row["patient"]): row for _, row in first_repeat(method).iterrows()}
    cells = cells_of(run)
    cases = []
    for prepared in patients:
        if prepared.patient in rows:
            made = maps.get(prepared.patient)
            window = made.window if made is not None else _window(prepared, cells)
            cases.append(_case(rows[prepared.patient], prepared, modalities, window, made,
                               method.name, answers[prepared.patient]))  # fmt: skip
    title = "Cases"
    if not cases:
        return Section("cases", title, (Prose(NO_STORE, "warning"),), False)
    cases.sort(key=lambda case: (not case.explained, case.answer.right, case.patient))
    source = "predictions.csv, and crop.npy and lesion.npy of PREPARED"
    block: Block = Gallery(method.name, tuple(cases), LEGEND, scale_uri() if maps else "", source)
    return Section("cases", title, (block,))


def _window(prepared: PreparedPatient, cells: int) -> Window:
    depth = prepared.crop.shape[1]
    first = central_start(depth, cells)
    return Window(first, min(first + cells, depth))


def _answers(run: RunFiles) -> dict[str, list[Answer]]:
    """What every method said of every patient, in the tables' order."""
    found: dict[str, list[Answer]] = {}
    for method in run.methods:
        for _, row in first_repeat(method).iterrows():
            found.setdefault(str(row["patient"]), []).append(_answer(row, method.name))
    return found


def _answer(row: pd.Series, name: str) -> Answer:
    predicted = str(row["predicted"])
    probability = float(row[f"p_{predicted}"])
    return Answer(name, predicted, f"{probability:.2f}", predicted == str(row["label"]))


def _case(
    row: pd.Series,
    prepared: PreparedPatient,
    modalities: Sequence[str],
    window: Window,
    made: PatientMap | None,
    method: str,
    answers: Sequence[Answer],
) -> Case:
    depth, rows, columns = prepared.crop.shape[1:]
    heights = slice_heights(prepared.affine, (depth, rows, columns))[window.first : window.stop]
    notes = [*prepared.flags]
    if made is not None:
        notes.append(f"Map: {made.shares.sentence()}.")
    return Case(
        prepared.patient,
        str(row["label"]),
        str(row["center"]),
        _answer(row, method),
        tuple(answers),
        _side(len(window)),
        layers(prepared, modalities, window, made),
        f"{height_text(heights[0])} to {height_text(heights[-1])}, {len(window)} of {depth} slices",
        tuple(notes),
    )


def _side(count: int) -> int:
    side = 1
    while side * side < count:
        side += 1
    return side
