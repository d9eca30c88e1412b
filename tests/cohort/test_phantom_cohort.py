"""A written cohort: balance, reproducibility, and no class to be read off global statistics."""

import csv
import hashlib
import json
from collections import Counter

import nibabel as nib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cystgrid.cohort.phantom import COLUMNS, write_phantom_cohort
from cystgrid.errors import CohortError

PATIENTS = 90
COARSE = 4.0
PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9)
NEAR_CHANCE = 0.45
"""Balanced accuracy; chance is 1/3 and its deviation over 90 patients about 0.05."""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms")
    return write_phantom_cohort(
        folder, patients=PATIENTS, seed=11, workers=2, quiet=True, reduction=COARSE
    )


@pytest.fixture(scope="module")
def rows(manifest):
    with manifest.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def scans(manifest, rows):
    return [[nib.load(manifest.parent / row[name]) for name in ("t1", "t2")] for row in rows]


def skill(features, labels):
    """Cross-validated balanced accuracy of a logistic regression, mean of three shuffles."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    folds = [StratifiedKFold(5, shuffle=True, random_state=seed) for seed in range(3)]
    return np.mean(
        [
            balanced_accuracy_score(labels, cross_val_predict(model, features, labels, cv=fold))
            for fold in folds
        ]
    )


def statistics(voxels):
    return [voxels.mean(), voxels.std(), *np.percentile(voxels, PERCENTILES)]


@pytest.fixture(scope="module")
def global_statistics(scans):
    return np.array(
        [[s for image in pair for s in statistics(np.asarray(image.dataobj))] for pair in scans]
    )


def test_global_statistics_do_not_tell_the_class(global_statistics, rows):
    assert skill(global_statistics, [row["label"] for row in rows]) < NEAR_CHANCE


@pytest.mark.parametrize("giveaway", ["brightness", "fluid"])
def test_a_giveaway_would_be_caught(giveaway, global_statistics, scans, rows):
    labels = [row["label"] for row in rows]
    given = []
    for before, pair, label in zip(global_statistics, scans, labels, strict=True):
        grade = ("normal", "low", "high").index(label)
        t2 = np.asarray(pair[1].dataobj).astype(np.float32)
        if giveaway == "brightness":
            t2 += 0.1 * grade * np.percentile(t2, 99)
        else:  # as if a bright organ grew with the grade
            t2.flat[: grade * t2.size // 40] = np.percentile(t2, 99.5)
        given.append([*before[: len(before) // 2], *statistics(t2)])
    assert skill(np.array(given), labels) > 0.6


def test_geometry_centre_age_and_sex_do_not_tell_the_class(scans, rows):
    features = np.array(
        [
            [*t1.shape, *t1.header.get_zooms(), *t2.shape, *t2.header.get_zooms(),
             float(row["age"]), row["sex"] == "M", *(row["center"] == c for c in ["alpha", "beta"])]
            for (t1, t2), row in zip(scans, rows, strict=True)
        ]
    )  # fmt: skip
    assert skill(features, [row["label"] for row in rows]) < NEAR_CHANCE


def test_classes_are_balanced_within_every_centre(rows):
    counts = Counter((row["center"], row["label"]) for row in rows)
    per_centre = Counter(row["center"] for row in rows)
    assert len(per_centre) == 7
    for (center, _), count in counts.items():
        assert 3 * count == per_centre[center]


def test_manifest_and_files(manifest, rows):
    assert tuple(rows[0]) == COLUMNS
    assert [row["patient"] for row in rows[:2]] == ["P001", "P002"]
    for row in rows:
        for column in ("t1", "t2", "roi", "lesion"):
            assert (manifest.parent / row[column]).is_file()
    assert "No clinical data" in (manifest.parent / "README.txt").read_text()


def test_masks_lie_on_t2_and_lesions_inside_the_pancreas(manifest, rows, scans):
    for row, (t1, t2) in zip(rows, scans, strict=True):
        roi, lesion = (nib.load(manifest.parent / row[name]) for name in ("roi", "lesion"))
        for mask in (roi, lesion):
            assert mask.shape == t2.shape
            np.testing.assert_array_equal(mask.affine, t2.affine)
        inside, growth = np.asarray(roi.dataobj) > 0, np.asarray(lesion.dataobj) > 0
        assert inside.any()
        assert not (growth & ~inside).any()
        assert growth.any() == (row["label"] != "normal")
        assert t1.shape != t2.shape or not np.allclose(t1.affine, t2.affine)


def test_qform_and_sform_say_the_same_scanner_space(scans):
    for pair in scans:
        for image in pair:
            qform, q_code = image.get_qform(coded=True)
            sform, s_code = image.get_sform(coded=True)
            assert (q_code, s_code) == (1, 1)
            np.testing.assert_allclose(qform, sform, atol=1e-3)


def test_every_cyst_is_kept_in_the_mask(manifest, rows):
    for row in rows:
        truth = json.loads((manifest.parent / "truth" / row["patient"] / "truth.json").read_text())
        image = nib.load(manifest.parent / row["lesion"])
        where = nib.affines.apply_affine(image.affine, np.argwhere(np.asarray(image.dataobj)))
        for cyst in truth["cysts"]:
            near = np.linalg.norm(where - cyst["centre_mm"], axis=1)
            assert near.min() < cyst["diameter_mm"] / 2 + max(image.header.get_zooms())


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("image_format", ["nifti", "dicom"])
def test_bytes_do_not_depend_on_workers(tmp_path, image_format):
    common = {"patients": 2, "seed": 5, "image_format": image_format, "quiet": True}
    for name, workers in (("alone", 0), ("pair", 2)):
        write_phantom_cohort(tmp_path / name, workers=workers, reduction=10.0, **common)
    assert digests(tmp_path / "alone") == digests(tmp_path / "pair")


def test_bytes_depend_on_the_seed_and_a_patient_not_on_the_others(tmp_path, manifest):
    for name, seed in (("same", 11), ("other", 12)):
        write_phantom_cohort(tmp_path / name, patients=2, seed=seed, quiet=True, reduction=COARSE)
    same, other, whole = (
        digests(f) for f in (tmp_path / "same", tmp_path / "other", manifest.parent)
    )
    mine = [name for name in same if name.startswith(("scans", "truth"))]
    assert len(mine) == 2 * 5
    assert all(same[name] == whole[name] for name in mine)
    assert all(same[name] != other[name] for name in mine if name.startswith("scans"))


@pytest.mark.parametrize(
    "wrong",
    [{"patients": 0}, {"seed": -1}, {"workers": -1}, {"image_format": "png"}, {"reduction": 0.5}],
)
def test_senseless_requests_are_refused(tmp_path, wrong):
    with pytest.raises(CohortError, match="expected"):
        write_phantom_cohort(tmp_path / "none", **({"patients": 3, "seed": 0} | wrong))
    assert not (tmp_path / "none").exists()
