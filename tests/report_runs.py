"""Small runs whose every name is hostile to a page, for the tests of reports."""

from dataclasses import replace

import numpy as np

from cystgrid.cohort.splits import SplitSettings
from cystgrid.grids.tiling import GridSettings
from cystgrid.preparation.flow import CohortFlow, write_flow
from cystgrid.results import evaluate_file
from cystgrid.training.nested import cross_validate
from training.conftest import make_patient, make_recipe, write_store

HOSTILE = "<img src=x onerror=alert(1)>\"'&amp;"
CLASSES = ("normal", "low<b>", "high")
CENTERS = ("c&<i>0", "c1")
REASON = "t1: got <script>alert(2)</script>, expected a scan; give one"

FLOW = CohortFlow(16, {"adenocarcinoma": 3}, (("lost<u>", REASON),), (), {}, "phantoms")


def hostile_patient(number):
    """A patient with a name that would be markup, and a lesion where the class has one."""
    one = make_patient(number, label=CLASSES[number % 3])
    lesion = np.zeros(one.crop.shape[1:], dtype=np.uint8)
    lesion[2, 4:9, 4:9] = number % 3 > 0
    flags = ("t1: <b>flag</b>",) if number == 4 else ()
    return replace(one, patient=f"p{number:02}{HOSTILE if number == 5 else ''}", lesion=lesion,
                   group=f"g{number}", center=CENTERS[number % 2], sex="FM"[number % 2],
                   age=str(40 + number), flags=flags)  # fmt: skip


def write_run(folder, *, patients=12, names=("vit_tiny", "majority"), seed=0, tables=True):
    """``folder/prepared`` and ``folder/run`` with tables and figures; the run."""
    prepared = folder / "prepared"
    if not prepared.is_dir():
        write_store(prepared, [hostile_patient(number) for number in range(patients)])
        write_flow(FLOW, prepared)
    recipe = make_recipe(
        names, models={"inputs": {"vit_tiny": ("early",)}}, epochs=1, warmup=0, seed=seed,
        cohort={"classes": CLASSES, "exclude": ()},
    ).model_copy(update={"grid": GridSettings(cells=4)})  # fmt: skip
    run = folder / "run"
    path = cross_validate(
        prepared, run, recipe, SplitSettings(folds=3, turns=1), workers=0, quiet=True
    )
    write_flow(FLOW, run)
    (run / "study.toml").write_text("# <script>alert(3)</script>\n")
    if tables:
        evaluate_file(path, run / "tables", run / "figures", quiet=True)
    return run
