"""The report of a run: what it says is what the files say, and no name becomes markup."""

import base64
import csv
import hashlib
import itertools
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cystgrid.cli import app
from cystgrid.provenance import NOTICE
from cystgrid.reporting import run_report
from report_pages import Page
from report_runs import CENTERS, CLASSES, HOSTILE, REASON


@pytest.fixture(scope="module")
def run(report_run):
    return report_run


@pytest.fixture(scope="module")
def page(run):
    notes = run_report(run, quiet=True)
    assert notes[-1] == str(run / "report.html")
    return Page((run / "report.html").read_text("utf-8"))


def test_every_section_is_there_and_the_head_says_phantoms_and_research(page):
    assert list(page.sections)[1:] == [
        "summary", "cohort", "demographics", "acquisition", "preparation", "design", "models",
        "performance", "classes", "comparisons", "calibration", "subgroups", "explanations",
        "cases", "failures", "compute", "limits", "settings", "versions", "checklists",
    ]  # fmt: skip
    head = page.sections[""]
    assert NOTICE in head and "digital phantoms, not patients" in head
    assert "digital phantoms" in page.sections["limits"]


def test_no_name_becomes_markup(page):
    assert "x" not in {a.get("src") for _, a in page.tags}
    assert len(page.all("script")) == 1
    assert not page.all("b") and not page.all("i") and not page.all("u")
    assert not any(name.startswith("on") for _, a in page.tags for name in a)
    for words in (f"p05{HOSTILE}", *CLASSES, *CENTERS, REASON, "lost<u>", "<b>flag</b>"):
        assert words in page.text, words


def test_nothing_is_asked_of_a_network_and_only_our_script_may_run(page):
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "data", "srcset", "style", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/", "#")), (tag, name, value)
    assert not re.search(r"https?://|url\(|@import", page.html)
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:;") and "unsafe" not in policy
    for tag in ("script", "style"):
        inside = re.search(f"<{tag}>(.*?)</{tag}>", page.html, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_the_page_is_in_order_for_those_who_hear_it(page):
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    links = {a["href"][1:] for a in page.all("a")}
    assert links <= set(ids)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(a.get("alt") for a in page.all("img"))
    assert all(a["role"] == "img" and a["aria-label"] for a in page.all("svg"))
    assert all(a.get("scope") in ("col", "row") for a in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    labels = [a["aria-label"] for _, a in page.tags if a.get("role") == "region"]
    assert len(labels) == len(set(labels))


def test_numbers_are_those_of_the_predictions(run, page):
    """Counted here from the rows of the file, without anything of the package."""
    with (run / "predictions.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    place = {name: number for number, name in enumerate(CLASSES)}
    errors = {row["Method"]: row for row in page.table("errors")}
    for model, method in {"vit_tiny": "vit_tiny (T1+T2 early)", "majority": "majority"}.items():
        off = [place[r["predicted"]] - place[r["label"]] for r in rows if r["model"] == model]
        told = errors[method]
        assert int(told["Patients"]) == len(off) == 12
        assert int(told["Right"]) == off.count(0)
        assert int(told["One grade too low"]) == off.count(-1)
        assert int(told["One grade too high"]) == off.count(1)
        assert int(told["Further too low"]) == off.count(-2)
        assert int(told["Further too high"]) == off.count(2)
        right = sum(r["label"] == r["predicted"] for r in rows if r["model"] == model)
        shown = next(r for r in page.table("table1") if r["method"] == method)
        assert float(shown["pooled_accuracy"]) == pytest.approx(right / 12, abs=1e-12)
    wrong = {(r["patient"], r["model"]) for r in rows if r["label"] != r["predicted"]}
    assert {r["Patient"] for r in page.table("hardest")} == {patient for patient, _ in wrong}


def test_the_flow_and_the_partitions_add_up(run, page):
    flow = {row["Step"]: int(row["Patients"]) for row in page.table("flow")}
    left = flow["Left out by label: adenocarcinoma"] + flow["Refused in preparation"]
    assert flow["Patients in the manifest"] + left == flow["Prepared"] == 12
    assert flow["With an out-of-fold prediction"] == 12
    everyone, *folds = page.table("partitions")
    splits = json.loads((run / "splits.json").read_text())
    for row, fold in zip(folds, splits["outer"], strict=True):
        assert int(row["Patients"]) == len(fold["test"])
    for column in ("Patients", *CLASSES):
        assert sum(int(row[column]) for row in folds) == int(everyone[column])
        assert sum(int(row[column]) for row in page.table("centres")) == int(everyone[column])
    assert everyone["Sex"] == "F 6, M 6"
    assert everyone["Age: median (range)"] == "45.5 (40-51)"


def test_tables_are_exported_as_the_run_wrote_them(run, page):
    exported = {a["data-name"]: a["data-csv"] for a in page.all("table") if "data-name" in a}
    for name in ("table1", "table3", "table4", "table5", "all_metrics", "calibration"):
        assert exported[name] == (run / "tables" / f"{name}.csv").read_text("utf-8")


def test_every_predicted_patient_is_a_case_and_some_carry_a_map(run, page):
    cards = [a for a in page.all("li") if "data-patient" in a]
    rows = pd.read_csv(run / "predictions.csv", dtype=str)
    rows = rows[rows["model"] == "vit_tiny"].set_index("patient")
    assert {a["data-patient"] for a in cards} == set(rows.index)
    for card in cards:
        row = rows.loc[card["data-patient"]]
        verdict = "right" if row["label"] == row["predicted"] else "wrong"
        assert (card["data-verdict"], card["data-label"]) == (verdict, row["label"])
    explained = [a for a in cards if "explained" in a["class"]]
    assert 0 < len(explained) <= 2 * 2 * len(CLASSES)
    maps = [a for a in page.all("image") if a.get("class") == "map"]
    assert len(maps) == 2 * len(explained)  # one map of both scans, on each of them
    lesions = [a for a in page.all("path") if a.get("class") == "lesion"]
    assert len(lesions) == 2 * sum(CLASSES.index(a["data-label"]) > 0 for a in cards)


def test_the_same_run_gives_the_same_bytes(run, page, tmp_path):
    run_report(run, output=tmp_path / "again.html", quiet=True)
    assert (tmp_path / "again.html").read_text("utf-8") == page.html


def test_checklists_are_whole_and_counted(page):
    claim, tripod = page.table("claim"), page.table("tripod")
    assert [row["Item"] for row in claim] == [str(number + 1) for number in range(44)]
    assert len({re.match(r"\d+", row["Item"])[0] for row in tripod}) == 27
    assert len(tripod) == 52
    for rows, name in ((claim, "CLAIM 2024"), (tripod, "TRIPOD+AI")):
        found = [row["Answered"] for row in rows]
        states = ("in this report", "in part", "the authors'")
        whole, part, left = (found.count(state) for state in states)
        assert whole + part + left == len(rows)
        told = (
            f"{name}: of {len(rows)} items, {whole} are answered here, {part} in part, and {left}"
        )
        assert told in page.sections["checklists"]
        for row in rows:
            assert (row["Answered"] == "the authors'") == (row["Where"] == "")
            assert (row["Answered"] == "in this report") == (row["Left to the authors"] == "")


def test_what_is_missing_is_said_and_answers_nothing(run, tmp_path):
    """No tables, no figures, nobody's sex, no trainings, no prepared patients, no flow."""
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("run.json", "splits.json", "predictions.csv"):
        shutil.copy(run / name, bare / name)
    notes = run_report(bare, quiet=True)
    assert "without --prepared" in notes[0]
    assert "report.html; the run is not finished" in notes[1]
    assert not (bare / "SHA256SUMS").exists(), "cystgrid verify would call the run finished"
    page = Page((bare / "report.html").read_text("utf-8"))
    for section, words in {
        "": "patients or phantoms is not recorded",
        "cohort": "is not recorded",
        "demographics": "There is no patients.csv",
        "acquisition": "give their folder with --prepared",
        "cases": "give their folder with --prepared",
        "performance": "Run cystgrid tables RUN",
        "calibration": "nothing can be said of calibration",
        "explanations": "No figure of explanations",
        "compute": "No finished training",
        "settings": "no study.toml",
        "limits": "Who was left out",
    }.items():
        assert words in page.sections[section], section
    rows = {row["Item"]: row for row in page.table("claim")}
    assert rows["35"]["Answered"] == rows["37"]["Answered"] == "the authors'"
    assert "nothing to show for it" in rows["35"]["Left to the authors"]
    assert rows["19"]["Answered"] == "in this report"


def test_without_maps_the_cases_are_there_all_the_same(run, tmp_path):
    run_report(run, output=tmp_path / "r.html", cases=0, model="majority", quiet=True)
    page = Page((tmp_path / "r.html").read_text("utf-8"))
    assert "majority" in page.sections["cases"]
    assert len([a for a in page.all("li") if "data-patient" in a]) == 12
    assert not [a for a in page.all("image") if a.get("class") == "map"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["nowhere"], 3, "run.json: got no such file, expected the run.json of a cross-validation"),
        (["RUN", "--prepared", "nowhere"], 3, "got no such folder, expected prepared data"),
        (["RUN", "--model", "nothing"], 2, "--model: got 'nothing', expected one of"),
        (["RUN", "-o", "RUN/run.json"], 3, "got something that cystgrid did not write"),
        (["RUN", "--cases", "-1"], 2, "--cases"),
    ],
)
def test_what_is_wrong_is_one_line(run, words, code, says):
    found = CliRunner().invoke(app, ["report", *(w.replace("RUN", str(run)) for w in words)])
    assert found.exit_code == code, found.output
    assert says in found.output
    if code == 3:
        assert found.output.count("\n") == 1


def test_a_run_of_other_folds_or_that_never_finished_is_refused(run, tmp_path):
    for name in ("run.json", "splits.json", "predictions.csv"):
        shutil.copy(run / name, tmp_path / name)
    splits = json.loads((tmp_path / "splits.json").read_text())
    splits["outer"].reverse()
    (tmp_path / "splits.json").write_text(json.dumps(splits))
    found = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert found.exit_code == 3 and "other folds than this run has" in found.output
    shutil.copy(run / "splits.json", tmp_path / "splits.json")
    (tmp_path / "predictions.csv").unlink()
    found = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert found.exit_code == 3 and "expected a finished run" in found.output


def test_a_file_that_is_not_as_the_run_wrote_it_is_refused(run, tmp_path):
    for name in ("run.json", "splits.json", "predictions.csv", "SHA256SUMS"):
        shutil.copy(run / name, tmp_path / name)
    text = (tmp_path / "predictions.csv").read_text("utf-8")
    (tmp_path / "predictions.csv").write_text(text.replace("0.", "0.0", 1), "utf-8")
    found = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert found.exit_code == 3 and "as on record" in found.output


def test_other_prepared_data_are_refused(run, tmp_path):
    shutil.copytree(run.parent / "prepared", tmp_path / "other")
    index = tmp_path / "other/prepared.json"
    from cystgrid.preparation.settings import PreparationSettings
    from cystgrid.preparation.store import write_index

    cards = json.loads(index.read_text())["patients"]
    write_index(tmp_path / "other", PreparationSettings(cell=16, margin_mm=3), cards)
    words = ["report", str(run), "--prepared", str(tmp_path / "other"), "-o", str(tmp_path / "r")]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 3 and "a run on prepared data" in found.output


def test_the_map_lies_where_its_values_are():
    """Drawn on a scan: clear up to an even share, and never where there is no slice."""
    from cystgrid.outputs.relevance_scale import map_pixels

    pixels = map_pixels(np.array([[0.0, 1.0, 1.5, 8.0, 80.0, -3.0, np.nan]]))
    alpha = pixels[0, :, 3]
    assert alpha[[0, 1, 5, 6]].tolist() == [0, 0, 0, 0]
    assert 0 < alpha[2] < alpha[3] == alpha[4] < 255
