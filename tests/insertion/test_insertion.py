"""Lesions drawn into scans: of the volume and place that the truth tells, and nowhere else."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from cystgrid.cli import app
from cystgrid.cohort.phantom.disease import Cyst, Disease
from cystgrid.cohort.phantom.shapes import Ellipsoid, Tube
from cystgrid.insertion.blend import Levels, blend, measure, shading
from cystgrid.insertion.covers import cover
from cystgrid.insertion.gland import course_in_box, course_in_mask, grow
from cystgrid.provenance import sha256_file
from cystgrid.scans.volume import Volume

RUN = CliRunner()


def abdomen(shape=(96, 80, 30), spacing=(1.5, 1.5, 4.0), seed=0):
    """A bright body in dark air, with noise."""
    random = np.random.default_rng(seed)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -np.array(spacing) * (np.array(shape) - 1) / 2
    place = np.indices(shape).reshape(3, -1).T @ affine[:3, :3] + affine[:3, 3]
    body = (np.linalg.norm(place / (62, 50, 1e3), axis=1) < 1).reshape(shape)
    voxels = body * (300 + 60 * (place[:, 0] > 0).reshape(shape)) + random.normal(0, 8, shape)
    return Volume(np.abs(voxels).astype(np.float32), affine)


def one_cyst(centre, radius):
    ball = Ellipsoid(np.asarray(centre, float), np.full(3, float(radius)), np.eye(3))
    line = np.array([[200.0, 200, 200], [201, 200, 200]])
    far = Tube(line, np.full(2, 0.1))
    return Disease(
        "low", "branch-duct cyst", far, (Cyst((ball,), far, 2 * radius, ball.centre, None),)
    )


@pytest.mark.parametrize("thick", [0, 1, 2])
def test_a_cysts_volume_and_place_are_the_truths_whichever_way_slices_run(thick):
    spacing = [1.3, 1.3, 1.3]
    spacing[thick] = 5.0
    shape = [90, 90, 90]
    shape[thick] = 24
    scan = abdomen(tuple(shape), tuple(spacing))
    centre, radius = np.array([7.0, -5, 11]), 14.0
    covers = cover(one_cyst(centre, radius), scan)
    inside = covers.cysts[0]
    volume = inside.sum() * np.prod(spacing)
    assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.03)
    index = np.argwhere(inside > 0) + [part.start for part in covers.box]
    weights = inside[inside > 0]
    found = (scan.world(index) * weights[:, None]).sum(axis=0) / weights.sum()
    np.testing.assert_allclose(found, centre, atol=0.3)


def test_an_oblique_scan_has_the_same_cyst():
    turn = np.eye(4)
    turn[:3, :3] = nib.eulerangles.euler2mat(0.2, 0.1, -0.15)
    upright = abdomen()
    oblique = Volume(upright.voxels, turn @ upright.affine)
    centre = np.array([4.0, 6, -8])
    plain, turned = (
        cover(one_cyst(place, 10), scan).cysts[0].sum()
        for place, scan in ((centre, upright), (turn[:3, :3] @ centre, oblique))
    )
    assert turned == pytest.approx(plain, rel=1e-3)


def test_a_course_runs_from_the_patients_right_to_the_left_through_its_region():
    low, high = np.array([-80.0, -20, -30]), np.array([50.0, 40, 40])
    boxed = course_in_box(low, high, np.random.default_rng(0))
    assert (boxed > low).all() and (boxed < high).all()
    masked = course_in_mask(np.random.default_rng(1).uniform(low, high, (4000, 3)))
    for course in (boxed, masked):
        assert course[0, 0] > course[-1, 0] + 40


@pytest.mark.parametrize("label", ["normal", "low", "high"])
def test_lesions_grow_along_the_course_by_the_rule_of_their_class(label):
    course = course_in_box(np.full(3, 500.0), np.full(3, 600.0), np.random.default_rng(2))
    for turn in range(6):
        disease = grow(course, label, turn, np.random.default_rng(turn))
        assert bool(disease.cysts) <= (label != "normal")
        assert disease.label == label
        for cyst in disease.cysts:
            apart = np.linalg.norm(course - cyst.centre, axis=1).min()
            assert apart < cyst.diameter / 2 + 12
        if label == "high":
            nodule = any(cyst.nodule for cyst in disease.cysts)
            assert nodule or disease.duct_diameter >= 5 - 1e-6


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    rows = ["patient,label,t1,t2,roi,center"]
    for n, label in enumerate(("", "normal", "high")):
        for m, modality in enumerate(("t1", "t2")):
            scan = abdomen(seed=10 * n + m)
            image = nib.Nifti1Image(scan.voxels, scan.affine)
            image.set_sform(scan.affine, 1)
            image.set_qform(scan.affine, 1)
            nib.save(image, folder / f"{n}-{modality}.nii.gz")
        rows.append(f'p{n},{label},{n}-t1.nii.gz,{n}-t2.nii.gz,"-40,40,-30,30,-35,35",c')
    path = folder / "cohort.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def inserted(cohort, tmp_path_factory):
    folder = tmp_path_factory.mktemp("inserted")
    done = RUN.invoke(app, ["insert", str(cohort), "-o", str(folder), "--workers", "0"])
    assert done.exit_code == 0, done.output
    assert "left out: 1" in done.output and "no clinical data" in done.output
    return folder


def rows_of(folder):
    return list(csv.DictReader((folder / "cohort.csv").open(encoding="utf-8")))


def test_every_copy_of_a_patient_is_of_its_group_and_classes_are_balanced(inserted):
    rows = rows_of(inserted)
    assert [row["patient"] for row in rows] == ["p0-1", "p0-2", "p0-3", "p1-1", "p1-2", "p1-3"]
    assert [row["group"] for row in rows] == ["p0"] * 3 + ["p1"] * 3
    assert sorted(row["label"] for row in rows) == ["high"] * 2 + ["low"] * 2 + ["normal"] * 2


def test_inside_it_is_fluid_with_noise_and_outside_every_voxel_stays_what_it_was():
    scan = abdomen()
    covers = cover(one_cyst((5, -4, 6), 16), scan)
    field = np.full(scan.shape, 1.5, dtype=np.float32)
    random = np.random.default_rng(3)
    made = blend(scan, covers, Levels(1000.0, 500.0, 20.0), field, random).voxels
    share = np.zeros(scan.shape)
    share[covers.box] = covers.fluid
    np.testing.assert_array_equal(made[share == 0], scan.voxels[share == 0])
    inside = made[share == 1]
    assert np.median(inside) == pytest.approx(1500, rel=0.2)  # a patient's own fluid varies
    assert inside.std() == pytest.approx(30, rel=0.1)
    partly = (share > 0.2) & (share < 0.8)
    between = (made[partly] > scan.voxels[partly]) & (made[partly] < np.median(inside))
    assert between.mean() > 0.95


def test_levels_are_the_scans_own():
    scan = abdomen()
    covers = cover(one_cyst((20, 0, 0), 12), scan)
    field = shading(scan)
    levels = measure(scan, field, covers, "t2")
    assert levels.noise == pytest.approx(8, rel=0.35)
    assert levels.fluid == pytest.approx(360, rel=0.15)
    assert field.shape == scan.shape


def test_a_normal_copy_has_no_lesion_and_others_have_what_the_truth_tells(inserted):
    for row in rows_of(inserted):
        lesion = nib.load(inserted / row["lesion"]).get_fdata()
        told = json.loads((inserted / row["t2"]).with_name("truth.json").read_text())
        assert told["label"] == row["label"] and told["drawn_into"] == row["group"]
        held = bool(told["cysts"]) or told["main_duct_is_lesion"]
        assert bool(lesion.any()) == held == (row["label"] != "normal")


def test_the_same_seed_gives_the_same_bytes_with_any_workers(cohort, inserted, tmp_path):
    done = RUN.invoke(app, ["insert", str(cohort), "-o", str(tmp_path / "b"), "--workers", "2"])
    assert done.exit_code == 0, done.output
    names = sorted(p.relative_to(inserted) for p in inserted.rglob("*") if p.is_file())
    assert names == sorted(
        p.relative_to(tmp_path / "b") for p in (tmp_path / "b").rglob("*") if p.is_file()
    )
    for name in names:
        assert sha256_file(inserted / name) == sha256_file(tmp_path / "b" / name), name


def test_another_cohort_is_never_replaced(cohort, inserted):
    before = sha256_file(inserted / "cohort.csv")
    done = RUN.invoke(app, ["insert", str(cohort), "-o", str(inserted), "--seed", "1"])
    assert done.exit_code == 3 and "another cohort" in done.output
    assert sha256_file(inserted / "cohort.csv") == before


def test_who_cannot_be_used_is_named_and_the_others_are_done(cohort, tmp_path):
    cut = cohort.with_name("cut.nii.gz")
    cut.write_bytes(cohort.with_name("0-t2.nii.gz").read_bytes()[:5000])
    broken = cohort.with_name("broken.csv")
    broken.write_text(cohort.read_text().replace("0-t2.nii.gz", "cut.nii.gz"))
    out = tmp_path / "out"
    done = RUN.invoke(app, ["insert", str(broken), "-o", str(out), "--copies", "1"])
    assert done.exit_code == 4, done.output
    assert "refused: p0: t2" in done.output
    assert [row["patient"] for row in rows_of(out)] == ["p1-1"]
