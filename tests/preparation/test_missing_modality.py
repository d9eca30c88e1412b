"""A study may let one scan be absent: the patient is prepared on the other, and says so."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cystgrid.cohort.manifest import Manifest, Patient
from cystgrid.errors import CohortError, ScanError
from cystgrid.outputs.grids import GridPicture, draw_grids
from cystgrid.outputs.preparation import draw_cohort_corrections
from cystgrid.outputs.quality.page import render_page
from cystgrid.outputs.quality.prepared_page import prepared_facts, prepared_page
from cystgrid.outputs.registration import draw_cohort_alignments
from cystgrid.preparation import cohort as cohort_module
from cystgrid.preparation.bias import N4Settings
from cystgrid.preparation.cohort import prepare_cohort
from cystgrid.preparation.patient import prepare_patient
from cystgrid.preparation.settings import PreparationSettings, reference_of
from cystgrid.preparation.standardise import fit_standard, standardise, unit_range
from cystgrid.preparation.store import Store, patient_folder

ALLOW = PreparationSettings(n4=N4Settings(iterations=(3,)), missing_modality="allow")
REFUSE = ALLOW.model_copy(update={"missing_modality": "refuse"})
BOX = "-30,30,-24,24,-20,20"


@pytest.fixture
def patient(scans):
    return Patient("p1", "low", scans.t1, scans.t2, BOX, "alpha", "g1", sex="F", age="61")


@pytest.mark.parametrize(("absent", "there"), [("t1", "t2"), ("t2", "t1")])
@pytest.mark.parametrize("order", [("t1", "t2"), ("t2", "t1")])
def test_the_scan_there_is_is_prepared_as_if_the_study_knew_no_other(patient, absent, there, order):
    settings = ALLOW.model_copy(update={"modalities": order})
    prepared = prepare_patient(replace(patient, **{absent: None}), settings)
    alone = prepare_patient(patient, ALLOW.model_copy(update={"modalities": (there,)}))
    channel = order.index(there)
    np.testing.assert_array_equal(prepared.crop[channel], alone.crop[0])
    np.testing.assert_array_equal(prepared.percentiles[channel], alone.percentiles[0])
    np.testing.assert_array_equal(prepared.affine, alone.affine)
    assert np.isnan(prepared.crop[1 - channel]).all()
    assert np.isnan(prepared.percentiles[1 - channel]).all()
    assert prepared.present == tuple(name == there for name in order)
    assert prepared.alignment == alone.alignment
    assert set(prepared.fingerprints) == {there}
    told = f"{absent}: there is no such scan; its part of the crop is empty."
    assert set(prepared.flags) == {*alone.flags, told}


def test_whoever_has_both_scans_is_prepared_alike_and_nobody_without_any(patient):
    one, other = (prepare_patient(patient, settings) for settings in (ALLOW, REFUSE))
    assert one.crop.tobytes() == other.crop.tobytes()
    assert one.present == (True, True)
    assert (one.flags, one.alignment) == (other.flags, other.alignment)
    with pytest.raises(CohortError, match="t1 and t2: got nothing"):
        prepare_patient(replace(patient, t1=None, t2=None), ALLOW)
    with pytest.raises(CohortError, match="t1: got nothing"):
        prepare_patient(replace(patient, t1=None), REFUSE)


def test_a_scan_that_is_named_and_cannot_be_read_is_not_absent(patient, tmp_path):
    (tmp_path / "broken.nii.gz").write_bytes(b"no scan")
    with pytest.raises(ScanError, match="t1: got"):
        prepare_patient(replace(patient, t1=str(tmp_path / "broken.nii.gz")), ALLOW)


def test_a_mask_drawn_on_the_absent_scan_is_placed_by_its_header(scans, patient):
    prepared = prepare_patient(replace(patient, t1=None, roi=scans.roi_t1), ALLOW)
    assert any("lies on neither scan's grid" in flag for flag in prepared.flags)
    assert prepared.alignment["roi_kept"] == 1


def test_rigid_registration_leaves_a_single_scan_alone(patient):
    rigid = ALLOW.registration.model_copy(update={"mode": "rigid"})
    prepared = prepare_patient(
        replace(patient, t1=None), ALLOW.model_copy(update={"registration": rigid})
    )
    assert "overlap_percent" not in prepared.alignment


def test_the_reference_is_t2_where_there_is_one():
    assert reference_of({"t1": 1, "t2": 2}) == reference_of(["t2"]) == "t2"
    assert reference_of(["t1"]) == "t1"


@pytest.fixture
def manifest(patient, make_scans, tmp_path):
    other = make_scans(tmp_path / "other", factor=2)
    return Manifest(
        tmp_path / "cohort.csv",
        (
            patient,
            replace(patient, patient="p2", t1=None, t2=other.t2, group="p2", sex="m", age="70"),
            replace(patient, patient="p3", t1=None, t2=None, group="p3"),
        ),
    )


def test_the_store_keeps_what_there_is_and_the_report_counts_what_there_is_not(manifest, tmp_path):
    report = prepare_cohort(manifest, tmp_path / "prepared", ALLOW)
    assert report.lacking == {"t1": 1}
    assert [name for name, _ in report.refused] == ["p3"]
    store = Store.open(tmp_path / "prepared")
    assert {n: (e.modalities, e.sex, e.age) for n, e in store.entries.items()} == {
        "p1": (("t1", "t2"), "F", "61"), "p2": (("t2",), "m", "70")
    }  # fmt: skip
    for one in manifest.patients[:2]:
        stored, made = store.load(one.patient), prepare_patient(one, ALLOW)
        assert stored.crop.tobytes() == made.crop.tobytes()
        assert stored.percentiles.tobytes() == made.percentiles.tobytes()
        assert (stored.present, stored.sex, stored.age) == (made.present, made.sex, made.age)
    card = json.loads((patient_folder(store.folder, "p2") / "patient.json").read_text())
    assert card["percentiles"][0] is None


def test_copies_of_the_scan_there_is_are_found(manifest, tmp_path):
    twin = replace(manifest.patients[1], t2=manifest.patients[0].t2)
    prepare_cohort(
        replace(manifest, patients=(manifest.patients[0], twin)), tmp_path / "prepared", ALLOW
    )
    (copies,) = Store.open(tmp_path / "prepared").copies()
    assert copies.scans == (("p1", "t2"), ("p2", "t2"))


def test_who_is_let_in_costs_no_voxel_work_and_neither_do_sex_and_age(
    manifest, tmp_path, monkeypatch
):
    folder = tmp_path / "prepared"
    manifest = replace(manifest, patients=manifest.patients[:2])
    prepare_cohort(manifest, folder, ALLOW)
    before = Store.open(folder)

    def forbidden(*_):
        raise AssertionError("voxels were worked on")

    monkeypatch.setattr(cohort_module, "prepare_patient", forbidden)
    older = tuple(replace(one, age="80", sex="o") for one in manifest.patients)
    report = prepare_cohort(replace(manifest, patients=older), folder, ALLOW)
    assert (report.prepared, report.unchanged) == (0, 2)
    after = Store.open(folder)
    assert {(e.sex, e.age) for e in after.entries.values()} == {("o", "80")}
    assert after.digest != before.digest
    report = prepare_cohort(manifest, folder, REFUSE)
    assert (report.unchanged, report.lacking) == (1, {})
    assert [name for name, _ in report.refused] == ["p2"]
    assert not patient_folder(folder, "p2").exists()


def test_a_standard_is_learned_from_the_scans_there_are():
    rng = np.random.default_rng(0)
    scans = np.sort(rng.random((5, 11)), axis=1)
    gaps = np.insert(scans, (0, 3), np.nan, axis=0)
    np.testing.assert_array_equal(fit_standard(gaps), fit_standard(scans))
    with pytest.raises(CohortError, match="3 training patients, none with a scan of this"):
        fit_standard(np.full((3, 11), np.nan))
    gaps[1, 4] = np.nan  # half a scan is a fault, not an absent one
    with pytest.raises(ValueError, match="not finite"):
        fit_standard(gaps)


def test_an_absent_scan_stays_absent_through_standardisation():
    empty = np.full((2, 3, 3), np.nan, dtype=np.float32)
    mapped = standardise(empty, np.full(11, np.nan), np.linspace(0, 100, 11))
    assert mapped.dtype == np.float32
    assert np.isnan(mapped).all()
    assert np.isnan(unit_range(mapped)).all()


def test_pages_and_pictures_say_that_there_is_no_scan(patient, tmp_path):
    single = prepare_patient(replace(patient, t1=None), ALLOW)
    both = prepare_patient(patient, ALLOW)
    text = render_page(
        prepared_page([prepared_facts(each, ("t1", "t2")) for each in (single, both)], [])
    )
    assert text.count("<figcaption>no T1</figcaption>") == 1
    assert text.count("p1: there is no T1") == 1
    assert text.count("without T1") == 1
    assert "without T2" not in text
    assert text.count("<figcaption>T2</figcaption>") == 2
    sizes = {(t.pixels.shape, t.absent) for t in prepared_facts(single, ("t1", "t2")).thumbnails}
    assert len({shape for shape, _ in sizes}) == 1
    assert {absent for _, absent in sizes} == {True, False}
    for name, prepared in (("single", single), ("both", both)):
        draw_grids([GridPicture("p1", prepared, ("t1", "t2"))], 9, tmp_path / f"{name}.png")
    draw_grids([GridPicture("p1", single, ("t1", "t2"))], 9, tmp_path / "again.png")
    assert (tmp_path / "single.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    assert (tmp_path / "single.png").stat().st_size < (tmp_path / "both.png").stat().st_size


def test_what_there_is_not_has_no_picture_and_an_earlier_one_goes(manifest, tmp_path):
    for name in ("p2-alignment.png", "p2-t1.png"):
        (tmp_path / name).write_bytes(b"of an earlier preparation")
    draw_cohort_alignments(manifest, ALLOW, tmp_path, quiet=True)
    draw_cohort_corrections(
        replace(manifest, patients=manifest.patients[1:]), ALLOW, tmp_path, quiet=True
    )
    assert {path.name for path in tmp_path.glob("*.png")} == {"p1-alignment.png", "p2-t2.png"}
