"""A model small enough to train in a test, and new patients in DICOM for it."""

from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.cohorts import run_prepare
from cystgrid.runs import run_train
from cystgrid.study import Study

STUDY = """
[preparation]
cell = 16
[preparation.n4]
enabled = false
[splits]
folds = 3
[grid]
cells = 4
[models]
names = ["vit"]
vit = "tiny"
weights = "none"
[training]
epochs = 1
warmup = 0
[deploy]
folds = 3
members = 1
"""


def write_small_model(folder):
    """``folder/model``, ``folder/new/cohort.csv`` of P001 (a mask) and P002 (a box); the latter."""
    cohort = write_phantom_cohort(folder / "phantoms", patients=9, seed=4, reduction=4.0)
    new = write_phantom_cohort(
        folder / "new", patients=2, seed=5, reduction=4.0, image_format="dicom"
    )
    text = new.read_text("utf-8").replace("truth/P002/pancreas.nii.gz", '"-60,60,-50,40,-40,30"')
    new.write_text(text, "utf-8")
    (folder / "study.toml").write_text(STUDY)
    study = Study.read(folder / "study.toml")
    run_prepare(cohort, folder / "prepared", study, workers=0, quiet=True)
    run_train(folder / "prepared", folder / "model", study, workers=0, quiet=True)
    return new
