"""Who came in, who was left out and why: written, read back, and known for phantoms."""

import json

import pytest

from cystgrid.cohort.manifest import read_manifest
from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.errors import StoreError
from cystgrid.preparation.cohort import PreparationReport
from cystgrid.preparation.flow import CohortFlow, origin_of, read_flow, write_flow


def flow_of(text, folder, refused=()):
    path = folder / "cohort.csv"
    path.write_text("patient,label,t1,t2,roi\n" + text)
    manifest = read_manifest(path)
    return CohortFlow.of(manifest, PreparationReport(1, 0, refused, 1.0, {"t1": 1}))


def test_what_is_written_is_read_back(tmp_path):
    rows = "a,low,,,\nb,adenocarcinoma,,,\nc,high,,,\nd,adenocarcinoma,,,\n"
    flow = flow_of(rows, tmp_path, (("a", "t1: got nothing"),))
    assert flow.rows == 4 and flow.excluded == {"adenocarcinoma": 2}
    assert flow.origin == "not marked" and flow.lacking == {"t1": 1}
    write_flow(flow, tmp_path)
    assert read_flow(tmp_path) == flow


def test_phantoms_and_drawn_lesions_are_known_by_what_lies_beside_the_manifest(tmp_path):
    cohort = write_phantom_cohort(tmp_path / "phantoms", patients=1, seed=1, reduction=6.0)
    assert origin_of(cohort) == "phantoms"
    copy = tmp_path / "cohort.csv"
    copy.write_bytes(cohort.read_bytes())
    assert origin_of(copy) == "not marked"
    (tmp_path / "inserted.json").write_text("{}")
    assert origin_of(copy) == "drawn lesions"
    (tmp_path / "README.txt").write_text("Digital phantoms, not ours")
    assert origin_of(copy) == "drawn lesions"


def test_no_file_is_none_and_another_file_is_refused(tmp_path):
    assert read_flow(tmp_path) is None
    write_flow(flow_of("a,low,,,\n", tmp_path), tmp_path)
    good = json.loads((tmp_path / "cohort.json").read_text())
    for bad in ([], {**good, "schema": 9}, {**good, "origin": "elsewhere"}, {**good, "rows": "x"}):
        (tmp_path / "cohort.json").write_text(json.dumps(bad))
        with pytest.raises(StoreError, match="run cystgrid prepare again"):
            read_flow(tmp_path)
