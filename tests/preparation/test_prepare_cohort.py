import json
import os
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cystgrid.cohort.manifest import Manifest, Patient
from cystgrid.errors import CohortError, StoreError
from cystgrid.preparation import cohort as cohort_module
from cystgrid.preparation.bias import N4Settings
from cystgrid.preparation.cohort import prepare_cohort
from cystgrid.preparation.patient import prepare_patient
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.preparation.store import Store, patient_folder
from cystgrid.processes import each

SETTINGS = PreparationSettings(n4=N4Settings(iterations=(3,)), min_slices=5)


@pytest.fixture
def manifest(make_scans, tmp_path):
    patients = []
    for number, name in enumerate(["a 1/../x", "b", "ünï"]):
        made = make_scans(tmp_path / "scans" / str(number), factor=1 + number)
        patients.append(Patient(name, "low", made.t1, made.t2, made.roi_t2, "alpha"))
    return Manifest(tmp_path / "cohort.csv", tuple(patients))


def everything(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def change(manifest, position, **values):
    patients = list(manifest.patients)
    patients[position] = replace(patients[position], **values)
    return replace(manifest, patients=tuple(patients))


def counts(report):
    return report.prepared, report.unchanged, len(report.refused)


def test_what_is_stored_is_what_was_prepared(manifest, tmp_path):
    folder = tmp_path / "prepared"
    report = prepare_cohort(manifest, folder, SETTINGS)
    assert counts(report) == (3, 0, 0)
    store = Store.open(folder)
    assert store.patients == tuple(sorted(p.patient for p in manifest.patients))
    assert store.settings == SETTINGS
    assert store.modalities == ("t1", "t2")
    for patient in manifest.patients:
        stored, made = store.load(patient.patient), prepare_patient(patient, SETTINGS)
        for name in ("crop", "percentiles", "affine"):
            assert getattr(stored, name).tobytes() == getattr(made, name).tobytes()
        for name in ("patient", "label", "center", "group", "flags", "alignment"):
            assert getattr(stored, name) == getattr(made, name)
        assert {m: f.to_json() for m, f in stored.fingerprints.items()} == {
            m: f.to_json() for m, f in made.fingerprints.items()
        }
        assert isinstance(stored.crop, np.memmap)
        assert not stored.crop.flags.writeable
        assert store.entries[patient.patient].shape == made.crop.shape


def test_running_again_does_nothing(manifest, tmp_path, monkeypatch):
    folder = tmp_path / "prepared"
    prepare_cohort(manifest, folder, SETTINGS)
    before = everything(folder)

    def forbidden(*_):
        raise AssertionError("voxels were worked on")

    monkeypatch.setattr(cohort_module, "prepare_patient", forbidden)
    assert counts(prepare_cohort(manifest, folder, SETTINGS)) == (0, 3, 0)
    assert everything(folder) == before


def test_workers_and_order_do_not_change_a_byte(manifest, tmp_path):
    for name, workers, patients in (
        ("one", 0, manifest.patients),
        ("two", 2, manifest.patients[::-1]),
    ):
        prepare_cohort(
            replace(manifest, patients=patients), tmp_path / name, SETTINGS, workers=workers
        )
    assert everything(tmp_path / "one") == everything(tmp_path / "two")


def test_new_labels_cost_no_voxel_work(manifest, tmp_path):
    folder = tmp_path / "prepared"
    prepare_cohort(manifest, folder, SETTINGS)
    before = Store.open(folder)
    changed = change(manifest, 1, label="high", center="beta", group="g")
    assert counts(prepare_cohort(changed, folder, SETTINGS)) == (0, 3, 0)
    after = Store.open(folder)
    entry = after.entries["b"]
    assert (entry.label, entry.center, entry.group) == ("high", "beta", "g")
    assert after.digest != before.digest


def test_changed_scan_roi_or_settings_are_done_again(manifest, space, tmp_path):
    folder = tmp_path / "prepared"
    prepare_cohort(manifest, folder, SETTINGS)
    path = Path(manifest.patients[0].t2)
    image = nib.load(path)
    space.write_nifti(path, image.get_fdata(dtype=np.float32) * 1.5, image.affine)
    assert counts(prepare_cohort(manifest, folder, SETTINGS)) == (1, 2, 0)
    boxed = change(manifest, 1, roi="-30,30,-20,20,-10,10")
    assert counts(prepare_cohort(boxed, folder, SETTINGS)) == (1, 2, 0)
    other = SETTINGS.model_copy(update={"margin_mm": 5.0})
    assert counts(prepare_cohort(boxed, folder, other)) == (3, 0, 0)
    assert Store.open(folder).settings == other


def test_who_left_the_manifest_leaves_the_store(manifest, tmp_path):
    folder = tmp_path / "prepared"
    prepare_cohort(manifest, folder, SETTINGS)
    prepare_cohort(replace(manifest, patients=manifest.patients[:2]), folder, SETTINGS)
    store = Store.open(folder)
    assert store.patients == ("a 1/../x", "b")
    with pytest.raises(StoreError, match="patient 'ünï'"):
        store.load("ünï")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_refused_patient_leaves_nothing_and_stops_nobody(manifest, tmp_path, workers):
    folder = tmp_path / "prepared"
    prepare_cohort(manifest, folder, SETTINGS)
    path = Path(manifest.patients[1].t1)
    path.write_bytes(path.read_bytes()[:2000])
    report = prepare_cohort(manifest, folder, SETTINGS, workers=workers)
    assert counts(report) == (0, 2, 1)
    name, reason = report.refused[0]
    assert name == "b"
    assert reason.startswith("t1: got ")
    assert str(tmp_path) not in reason
    assert "b" not in Store.open(folder).patients
    assert not patient_folder(folder, "b").exists()


def test_a_patient_without_its_scan_is_refused_by_name(manifest, tmp_path):
    report = prepare_cohort(change(manifest, 0, t1=None), tmp_path / "prepared", SETTINGS)
    assert report.refused[0][0] == "a 1/../x"
    assert "t1: got nothing" in report.refused[0][1]


@pytest.mark.parametrize("name", ["crop.npy", "patient.json"])
@pytest.mark.parametrize("how", ["flip", "cut", "gone"])
def test_every_altered_file_is_found_and_made_again(manifest, tmp_path, name, how):
    folder = tmp_path / "prepared"
    manifest = replace(manifest, patients=manifest.patients[1:2])
    prepare_cohort(manifest, folder, SETTINGS)
    before = everything(folder)
    path = patient_folder(folder, "b") / name
    content = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    else:
        content[len(content) // 2] ^= 4
        path.write_bytes(content if how == "flip" else content[:-7])
    with pytest.raises(StoreError, match=name):
        Store.open(folder).load("b")
    assert counts(prepare_cohort(manifest, folder, SETTINGS)) == (1, 0, 0)
    assert everything(folder) == before


def test_no_flipped_bit_passes(manifest, tmp_path):
    """Any bit of any file: opening or loading fails, always."""
    folder = tmp_path / "prepared"
    prepare_cohort(replace(manifest, patients=manifest.patients[1:2]), folder, SETTINGS)
    rng = np.random.default_rng(0)
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        content = path.read_bytes()
        for position in rng.integers(len(content), size=25):
            broken = bytearray(content)
            broken[position] ^= 1 << int(rng.integers(8))
            path.write_bytes(broken)
            with pytest.raises(StoreError):
                Store.open(folder).load("b")
        path.write_bytes(content)
    Store.open(folder).load("b")


def die(_):
    os._exit(1)


def test_a_worker_that_dies_is_said_to_have_died(manifest):
    with pytest.raises(StoreError, match="fewer workers"):
        list(each(die, manifest.patients, 1))


def test_an_unfinished_folder_is_not_a_store(tmp_path):
    with pytest.raises(StoreError, match=r"prepared\.json"):
        Store.open(tmp_path)


def test_killed_before_the_end_goes_on(manifest, tmp_path):
    """No index yet and one card missing: the rest is kept, the end is the same."""
    folder = tmp_path / "prepared"
    prepare_cohort(manifest, folder, SETTINGS)
    before = everything(folder)
    (folder / "prepared.json").unlink()
    (patient_folder(folder, "b") / "patient.json").unlink()
    (patient_folder(folder, "b") / ".crop.npy.123.tmp").write_bytes(b"half")
    assert counts(prepare_cohort(manifest, folder, SETTINGS)) == (1, 2, 0)
    assert everything(folder) == before


@pytest.mark.parametrize(
    "patient", ["../../etc", "..", ".", "a/b", "a\\b", "a\0b", "x" * 4000, " ", "ü/é", "%2E%2E"]
)
def test_no_id_leads_out_of_the_folder(tmp_path, patient):
    place = patient_folder(tmp_path, patient)
    assert place.parent == tmp_path / "patients"
    assert place.name not in (".", "..")
    assert not set(place.name) & set("/\\\0: ")
    assert len(place.name) <= 117
    place.mkdir(parents=True)


def test_ids_never_share_a_folder(tmp_path):
    ids = ["a", "a.", ".a", "%2Ea", "a/b", "a%2Fb", "a_b", "a b", "x" * 150, "x" * 151, "~", "%7E"]
    assert len({patient_folder(tmp_path, each) for each in ids}) == len(ids)


def test_ids_that_differ_by_case_alone_are_refused(manifest, tmp_path):
    with pytest.raises(CohortError, match="upper and lower case"):
        prepare_cohort(change(manifest, 0, patient="B"), tmp_path / "prepared", SETTINGS)


def test_prepared_data_names_nobody(manifest, tmp_path):
    """Paths can hold names: none is stored."""
    folder = tmp_path / "prepared"
    prepare_cohort(manifest, folder, SETTINGS)
    for path in folder.rglob("*.json"):
        assert str(tmp_path) not in path.read_text("utf-8")
        assert "nii" not in path.read_text("utf-8")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused_before_any_work(manifest, tmp_path):
    folder = tmp_path / "prepared"
    folder.mkdir(mode=0o500)
    with pytest.raises(StoreError, match="written"):
        prepare_cohort(manifest, folder, SETTINGS)


def test_a_file_in_the_folders_place_is_refused(manifest, tmp_path):
    (tmp_path / "prepared").write_text("x")
    with pytest.raises(StoreError, match="written"):
        prepare_cohort(manifest, tmp_path / "prepared", SETTINGS)


def test_settings_of_another_version_are_refused(manifest, tmp_path):
    folder = tmp_path / "prepared"
    prepare_cohort(manifest, folder, SETTINGS)
    index = json.loads((folder / "prepared.json").read_text())
    index["settings"]["cell"] = 32
    (folder / "prepared.json").write_text(json.dumps(index))
    with pytest.raises(StoreError, match="altered"):
        Store.open(folder)


def test_a_process_reads_a_store_once_and_sees_every_change(manifest, tmp_path):
    folder = tmp_path / "prepared"
    prepare_cohort(manifest, folder, SETTINGS)
    first = Store.open(folder)
    assert Store.open(folder) is first
    card = patient_folder(folder, "b") / "patient.json"
    content = card.read_text("utf-8")
    card.write_text(content.replace('"low"', '"high"'), "utf-8")
    with pytest.raises(StoreError, match="altered"):
        Store.open(folder)
    card.write_text(content, "utf-8")
    assert Store.open(folder).digest == first.digest
    prepare_cohort(change(manifest, 1, label="high"), folder, SETTINGS)
    again = Store.open(folder)
    assert again.digest != first.digest
    assert again.entries["b"].label == "high"
    (folder / "prepared.json").unlink()
    with pytest.raises(StoreError, match=r"a folder without prepared\.json"):
        Store.open(folder)
