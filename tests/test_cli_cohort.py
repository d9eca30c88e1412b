"""The cohort's verbs: what they write, say and exit with, and that nobody's name gets out."""

import csv
import json
import shutil

import pandas as pd
import pytest
from typer.testing import CliRunner

from cystgrid.cli import app
from cystgrid.cohort.layouts import LAYOUTS
from cystgrid.cohort.pairing_rules import PairingRules
from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.cohort.splits import read_splits
from studies_on_disk import CANARY, DWI, HASTE, VIBE, write_series

STUDY = """
[preparation]
cell = 16
n4.enabled = false
registration.mode = "off"
[splits]
folds = 3
[grid]
cells = 4
[models]
names = ["resnet18"]
weights = "none"
[training]
epochs = 1
[deploy]
folds = 3
members = 1
"""


def cystgrid(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def ran(*words):
    done = cystgrid(*words)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def export(tmp_path):
    """A hospital's tree of two patients."""
    for patient in ("A", "B"):
        of = {"patient": patient, "study": patient}
        write_series(tmp_path / "export" / patient, "t2", HASTE, number=3, **of)
        write_series(tmp_path / "export" / patient, "t1", VIBE, number=4, **of)
        write_series(tmp_path / "export" / patient, "dwi", DWI, number=6, **of)
    return tmp_path / "export"


def test_a_tree_is_shown_and_then_written(export, tmp_path):
    out = tmp_path / "cohort.csv"
    shown = ran("cohort", "import", "dicom", export, "-o", out, "--dry-run")
    assert not out.exists()
    written = ran("cohort", "import", "dicom", export, "-o", out)
    assert written.startswith(shown.rstrip())
    for words in ("Series taken", "Series left out", "t1 vibe", "diffusion", "manifest: "):
        assert words in written
    assert len(list(csv.DictReader(out.open()))) == 2
    report = (tmp_path / "cohort-import.txt").read_text()
    assert "Series left out" in report
    for text in (written, report):
        assert CANARY.lower() not in text.lower()


def test_rules_can_be_written_edited_and_used(export, tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text(ran("cohort", "rules"))
    assert PairingRules.read_toml(rules, "pairing rules") == PairingRules()
    rules.write_text(rules.read_text().replace("min_slices = 10", "min_slices = 100"))
    done = cystgrid("cohort", "import", "dicom", export, "-o", tmp_path / "c.csv", "--rules", rules)
    assert done.exit_code == 3
    assert "no patient that could be taken" in done.output
    assert not (tmp_path / "c.csv").exists()
    report = tmp_path / "c-import.txt"
    assert f"report: {report}" in done.output
    assert "left out" in report.read_text()
    report.write_text("of another import")
    cystgrid("cohort", "import", "dicom", export, "-o", tmp_path / "c.csv", "--rules", rules)
    assert report.read_text() == "of another import"


def test_pseudonyms_are_stable_and_their_key_is_made_only_once(export, tmp_path):
    words = ("cohort", "import", "dicom", export, "--pseudonymise", tmp_path / "key", "-o")
    first = ran(*words, tmp_path / "a.csv")
    ran(*words, tmp_path / "b.csv")
    rows = [row["patient"] for row in csv.DictReader((tmp_path / "a.csv").open())]
    assert all(name.startswith("P-") for name in rows)
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    assert rows[0] in first
    assert "patient-" not in first, "a digest of PatientID is shown beside its pseudonym"
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0


def test_an_import_that_fails_leaves_no_key(export, tmp_path):
    (tmp_path / "c.csv").write_text("another file")
    done = cystgrid("cohort", "import", "dicom", export, "-o", tmp_path / "c.csv",
                    "--pseudonymise", tmp_path / "key")  # fmt: skip
    assert done.exit_code == 3
    assert not (tmp_path / "key").exists()
    assert (tmp_path / "c.csv").read_text() == "another file"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["Dicom", "x"], 2, "did you mean 'dicom'"),
        (["nnunet", "nowhere"], 3, "got nothing there"),
        (["dicom", "nowhere"], 3, "nothing there"),
        (["cyst-x", ".", "--option", "singel=keep"], 2, "did you mean 'single'"),
        (["cyst-x", ".", "--option", "single=maybe"], 2, "single"),
        (["cyst-x", ".", "--option", "single"], 2, "KEY=VALUE"),
        (["cyst-x", ".", "--rules", "r.toml"], 2, "--rules"),
        (["dicom", ".", "--option", "single=keep"], 2, "cohort rules"),
        (["dicom", ".", "--rules", "r.toml"], 3, "no readable file"),
        (["dicom", ".", "--labels", "l.csv"], 3, "no such file"),
    ],
)
def test_what_goes_wrong_is_one_line(words, code, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = cystgrid("cohort", "import", *words, "-o", "cohort.csv")
    assert done.exit_code == code, done.output
    assert says in done.output
    assert list(tmp_path.iterdir()) == []


def test_series_are_listed_with_their_uids(export):
    text = ran("cohort", "series", export)
    assert text.count("T1 ") >= 2
    assert "SeriesInstanceUID" in text
    assert CANARY.lower() not in text.lower()


def test_help_names_every_layout_and_has_examples():
    text = " ".join(cystgrid("cohort", "import", "--help").output.split())
    assert all(name in text for name in LAYOUTS)
    for verb in ("series", "rules", "import", "check"):
        assert f"cystgrid cohort {verb}" in cystgrid("cohort", verb, "--help").output


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Nine phantoms under a person's name, in DICOM, and a study."""
    folder = tmp_path_factory.mktemp("world")
    tree = folder / f"{CANARY} Jane"
    write_phantom_cohort(tree, patients=9, seed=4, reduction=4.0, image_format="dicom")
    for path in sorted(tree.rglob("*.dcm")):
        path.rename(path.with_name(f"{CANARY}-{path.name}"))
    (folder / "study.toml").write_text(STUDY)
    return folder


def test_a_sound_cohort_is_checked_with_a_page(world, tmp_path):
    out = tmp_path / "check.html"
    text = ran("cohort", "check", world / f"{CANARY} Jane/cohort.csv", "-o", out, "--workers", 0)
    assert "9 patients read, 9 without a problem" in text
    assert "<html" in out.read_text()
    assert CANARY not in out.read_text()


def test_problems_end_with_3_and_are_listed(world, tmp_path):
    shutil.copytree(world / f"{CANARY} Jane", tmp_path / "tree")
    manifest = tmp_path / "tree/cohort.csv"
    manifest.write_text(manifest.read_text().replace(",low,", ",lwo,", 1))
    next((tmp_path / "tree/scans/P002/t1").iterdir()).write_bytes(b"")
    done = cystgrid("cohort", "check", manifest, "--workers", 0)
    assert done.exit_code == 3
    for words in ("lwo", "P002: t1 cannot be used", "got 2 problems"):
        assert words in done.output


def test_no_name_gets_out_of_any_command(world, tmp_path):
    """A canary in folders and file names, and in DICOM: in nothing said, stored or drawn."""
    manifest = world / f"{CANARY} Jane/cohort.csv"
    study = ("--study", world / "study.toml")
    said = ran("prepare", manifest, "-o", tmp_path / "prepared", *study, "--workers", 0,
               "--pictures", tmp_path / "pictures")  # fmt: skip
    said += ran("crossval", tmp_path / "prepared", "-o", tmp_path / "run", *study, "--workers", 0)
    said += ran("train", tmp_path / "prepared", "-o", tmp_path / "model", *study, "--workers", 0)
    said += ran("predict", tmp_path / "model", manifest, "-o", tmp_path / "answers")
    tree = world / f"{CANARY} Jane"
    said += cystgrid("predict", tmp_path / "model", "--t1", tree, "--t2", tree / "none",
                     "--roi", "0,1,0,1,0,1", "-o", tmp_path / "none").output  # fmt: skip
    assert CANARY not in said.replace(str(world), "")
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 40
    for path in written:
        assert CANARY not in str(path.relative_to(tmp_path))
        assert CANARY.encode() not in path.read_bytes(), path
        assert str(world).encode() not in path.read_bytes(), path


@pytest.fixture(scope="module")
def prepared(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "prepared"
    ran("prepare", world / f"{CANARY} Jane/cohort.csv", "-o", folder, "--study",
        world / "study.toml", "--workers", 0)  # fmt: skip
    return folder


def test_folds_of_the_papers_own_file_are_run(world, prepared, tmp_path):
    """Its JSON becomes splits, and every patient is predicted in the fold that it says."""
    names = [f"P{n:03}" for n in range(1, 10)]
    labels = {"normal": 0, "low": 1, "high": 2}
    truth = pd.read_csv(world / f"{CANARY} Jane/cohort.csv").set_index("patient")["label"]

    def entry(name):
        return {"image_T1": f"scans/{name}/t1", "image_T2": f"scans/{name}/t2",
                "label": labels[truth[name]]}  # fmt: skip

    folds = [[n for n in names if truth[n] == label] for label in labels]
    parts = [[fold[i] for fold in folds] for i in range(3)]
    raw = {"num_fold": 3}
    for i in range(3):
        sides = {"test": parts[i], "val": parts[(i + 1) % 3], "train": parts[(i + 2) % 3]}
        raw[f"fold{i}"] = {side: [entry(n) for n in group] for side, group in sides.items()}
    source = world / f"{CANARY} Jane/split.json"
    source.write_text(json.dumps(raw))
    out = tmp_path / "cohort.csv"
    text = ran("cohort", "import", "transformer-ipmn", source, "-o", out)
    splits = tmp_path / "cohort-splits/split.json"
    assert "cohort-splits/split.json" in text
    ran("crossval", prepared, "-o", tmp_path / "run", "--study", world / "study.toml",
        "--splits", splits, "--workers", 0)  # fmt: skip
    table = pd.read_csv(tmp_path / "run/predictions.csv").set_index("patient")
    assert {n: int(table["outer_fold"][n]) for n in names} == {
        name: i for i, part in enumerate(parts) for name in part
    }
    assert read_splits(tmp_path / "run/splits.json") == read_splits(splits)
    source.unlink()


def test_folds_that_name_others_are_said_to_and_folds_of_nobody_refused(prepared, world, tmp_path):
    fold = {"test": ["P001", "X"], "inner": [{"train": ["P002", "P003"], "validation": ["P004"]}]}
    path = tmp_path / "folds.json"
    path.write_text(json.dumps({"outer": [fold]}))
    words = ("crossval", prepared, "--study", world / "study.toml", "--workers", 0)
    text = ran(*words, "-o", tmp_path / "run", "--splits", path)
    assert "1 of their 5 ids are not among the patients" in text
    assert "8 patients are in no test fold" in text
    path.write_text(json.dumps({"outer": [{**fold, "test": ["X"]}]}))
    done = cystgrid(*words, "-o", tmp_path / "none", "--splits", path)
    assert done.exit_code == 3
    assert "left empty" in done.output
    path.write_text(json.dumps({"outer": [{**fold, "test": ["P002"]}]}))
    done = cystgrid(*words, "-o", tmp_path / "none", "--splits", path)
    assert done.exit_code == 3
    assert "'P002' on two sides" in done.output
    assert not (tmp_path / "none").exists()


def test_merged_labels_and_absent_scans_are_told(world, tmp_path):
    """One cohort, two studies: what one of them merges and allows, the other refuses."""
    manifest = tmp_path / "tree/cohort.csv"
    shutil.copytree(world / f"{CANARY} Jane", manifest.parent)
    rows = list(csv.DictReader(manifest.open(encoding="utf-8")))
    for row in rows:
        row["label"] = "cancer" if row["label"] == "high" else row["label"]
    rows[0]["t1"] = ""
    with manifest.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    study = tmp_path / "study.toml"
    study.write_text(
        STUDY.replace("[splits]", 'missing_modality = "allow"\n[splits]')
        + '[cohort.merge]\nhigh = ["high", "cancer"]\n'
    )
    told = ran("cohort", "check", manifest, "--study", study, "--workers", 0)
    assert "9 without a problem" in told
    assert "3 cancer as high" in told
    assert "P001: t1 is missing; t2 is used alone, as the study allows." in told
    told = ran("prepare", manifest, "-o", tmp_path / "prepared", "--study", study, "--workers", 0)
    assert "9 prepared, 0 unchanged, 0 refused, 1 without t1, 3 cancer as high" in told
    assert "no T1" in (tmp_path / "prepared/quality.html").read_text("utf-8")
    done = cystgrid("prepare", manifest, "-o", tmp_path / "other", "--workers", 0)
    assert done.exit_code == 3
    assert "label is unknown: 'cancer' (known: normal, low, high, adenocarcinoma)" in done.output
