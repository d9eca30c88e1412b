"""Makes docs/notebook.ipynb: every name of `cystgrid` on phantoms, run from top to bottom.

python docs/notebook.py > docs/notebook.ipynb
"""

from __future__ import annotations

import sys
import tempfile

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

SECONDS = 600
"""In which a cell must be done."""

CELLS = (
    (
        "# Every stage from Python\n\n**Research use only. Not for clinical decisions.**\n\n"
        "Phantoms with known lesions, so few of them and trained so shortly that nothing is "
        "learned: the numbers mean nothing, the way does. `python docs/notebook.py` makes this "
        "page anew.",
        "import cystgrid",
    ),
    (
        "A study is its settings. What is not said has its default.",
        "study = cystgrid.Study(\n"
        '    preparation={"n4": {"enabled": False}},\n'
        '    splits={"folds": 3, "inner": 2, "turns": 1},\n'
        '    grid={"pixels": 32},\n'
        '    models={"names": ["resnet18", "vit"], "vit": "tiny", "weights": "none"},\n'
        '    training={"epochs": 2, "warmup": 0},\n'
        '    deploy={"folds": 3, "members": 1},\n'
        ")\n"
        "study",
    ),
    (
        "A cohort is a `cohort.csv`, here of digital phantoms.",
        'cystgrid.phantom("phantoms", patients=12, seed=4, reduction=2.0)\n'
        'cohort = cystgrid.read_cohort("phantoms/cohort.csv")\n'
        "cohort",
    ),
    ("A scan, as its file places it.", 'cystgrid.read_scan(cohort["P003"].t2)'),
    (
        "Prepared: corrected, aligned, cropped.",
        'cystgrid.prepare(cohort, "prepared", study)\n'
        'prepared = cystgrid.open_prepared("prepared")\n'
        "prepared",
    ),
    ("What a network sees of a patient.", 'prepared.grid("P003")'),
    (
        "Nested cross-validation. The same call again goes on where it was.",
        'result = cystgrid.crossval(prepared, "run", study, workers=0)\nresult',
    ),
    (
        "Every table is there with every digit, and `tables` makes them of anybody's predictions.",
        'again = cystgrid.tables("run/predictions.csv", "evaluated")\n'
        'columns = ["method", "class", "patients", "recall", "recall_low", "recall_high"]\n'
        'again.tables["table3"][columns].round(2)',
    ),
    ("One page for the archive.", "cystgrid.report(result, prepared)"),
    (
        "One model for new patients.",
        'cystgrid.train(prepared, "model", study, model="vit", workers=0)\n'
        'model = cystgrid.open_model("model")\n'
        "model",
    ),
    (
        "Its answers for patients that it never saw.",
        'new = cystgrid.phantom("new", patients=2, seed=5, reduction=2.0, image_format="dicom")\n'
        "model.predict(new)",
    ),
    (
        "What one answer rests on.",
        'one = new["P002"]\n'
        'model.explain(t1=one.t1, t2=one.t2, roi=one.roi, patient="P002", method="rollout")',
    ),
    (
        "The methods themselves serve any transformer or CNN of PyTorch.",
        "member = model.service.members[0]\n"
        'images = member.crops([prepared["P003"]]).central(member.grid.cells)\n'
        'cystgrid.explain.relevance(member.network, images, "rollout").values.shape',
    ),
    ("The model for other software.", 'cystgrid.export(model, "timm", "model-timm")'),
    (
        "Lesions with known truth in a cohort's normal scans, for benchmarks.",
        'cystgrid.insert(new, "inserted", study, copies=1)',
    ),
    (
        "A transformer's start from random labelled scenes, here of a few.",
        'few = {"grids": 32, "batch": 16, "cells": 4, "pixels": 16, "validation": 16, "looks": 1}\n'
        'cystgrid.pretrain("start", workers=0, **few)',
    ),
)
"""What is said, and the code below it."""


def notebook() -> nbformat.NotebookNode:
    """Not yet run."""
    cells = []
    for number, (text, code) in enumerate(CELLS):
        cells += [
            new_markdown_cell(text, id=f"text-{number}"),
            new_code_cell(code, id=f"code-{number}"),
        ]
    return new_notebook(cells=cells)


def main() -> None:
    """Run it in an empty folder and print it."""
    made = notebook()
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(
            made, timeout=SECONDS, kernel_name="python3", resources=resources,
            record_timing=False,
        ).execute()  # fmt: skip
    for cell in made.cells:  # what libraries say of this machine's notebook software
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if each.output_type != "stream"]
    made.metadata = {"language_info": {"name": "python"}}
    sys.stdout.write(nbformat.writes(made) + "\n")


if __name__ == "__main__":
    main()
