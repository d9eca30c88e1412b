"""What the report says that a run took: trainings of which its figures are, and others apart."""

from pathlib import Path
from types import SimpleNamespace

from cystgrid.outputs.report.compute import compute_section, reported_trainings


def job(pair, outer, inner, trained=3):
    return {"pair": pair, "outer": outer, "inner": inner, "files": {"curve.csv": ""},
            "bytes": 10**6, "trials": [{"trained": trained}], "selected_epoch": 2,
            "collapsed": False}  # fmt: skip


def run_of(jobs, *methods):
    named = [SimpleNamespace(model=model, inputs=inputs) for model, inputs in methods]
    card = {"device": "cpu", "models": {}}
    return SimpleNamespace(jobs=jobs, methods=named, card=card, folder=Path("no folder"))


def rows_of(run):
    table = compute_section(run).blocks[0]
    return {row[0].text: [cell.text for cell in row[1:3]] for row in table.rows}, table.notes


def test_trainings_that_no_reported_figure_is_of_are_counted_apart():
    jobs = [job("vit-early", outer, inner) for outer in range(2) for inner in range(2)]
    jobs += [job("vit-early", outer, "peer", trained=50) for outer in range(2)]
    jobs += [job("cnn-t1", 0, 0)]
    run = run_of(jobs, ("vit", "early"), ("vit+cnn", "early"))
    rows, notes = rows_of(run)
    assert rows == {
        "vit-early": ["4", "12"],
        "vit-early, chosen on the test fold": ["2", "100"],
        "cnn-t1, not in the tables": ["1", "3"],
    }
    assert "rows of their own" in notes[1]
    assert reported_trainings(run) == 4
