"""The paper's JSON of folds: plain, nested, single; train, val and test stay what they are."""

import json

import pytest

from cystgrid.cohort.layouts import import_layout
from cystgrid.errors import CohortError

NAMES = [f"CAD_{i:02}" for i in range(12)]


def entry(name, label=None, form="{m}\\{n}.nii.gz"):
    number = int(name[-2:]) % 3 if label is None else label
    t1, t2 = (form.format(m=m, n=name) for m in ("T1", "T2"))
    return {"image_T1": t1, "image_T2": t2, "label": number}


def part(fold, of=3):
    """Test, validation and training names of a fold."""
    parts = [NAMES[i::of] for i in range(of)]
    test, val = parts[fold], parts[(fold + 1) % of]
    return test, val, [n for n in NAMES if n not in (*test, *val)]


@pytest.fixture
def tree(tmp_path, nifti):
    root = tmp_path / "ipmn"
    nifti(*(root / m / f"{n}.nii.gz" for m in ("T1", "T2") for n in NAMES))
    return root


def write(root, raw, name="split.json"):
    path = root / name
    path.write_text(json.dumps(raw))
    return path


def plain():
    folds = {}
    for i in range(3):
        test, val, train = part(i)
        folds[f"fold{i}"] = {
            side: [entry(n) for n in names]
            for side, names in (("train", train), ("val", val), ("test", test))
        }
    return {"num_fold": 3, **folds}


def test_plain_folds_keep_train_val_and_test(tree, round_trip):
    result = import_layout("transformer-ipmn", write(tree, plain()))
    assert [p.patient for p in result.patients] == NAMES
    assert [p.label for p in result.patients[:3]] == ["normal", "low", "high"]
    assert result.patients[0].center == "MCF"
    for i, fold in enumerate(result.splits["split"].outer):
        test, val, train = part(i)
        assert fold.test == tuple(test)
        assert [(t.train, t.validation) for t in fold.inner] == [(tuple(train), tuple(val))]
    round_trip(result)


def test_nested_folds_keep_every_inner_one(tree, round_trip):
    raw = {"num_fold": 3}
    for i in range(3):
        test, _, _ = part(i)
        rest = [n for n in NAMES if n not in test]
        inner = {
            f"inner{j}": {
                "train": [entry(n) for k, n in enumerate(rest) if k % 4 != j],
                "val": [entry(n) for k, n in enumerate(rest) if k % 4 == j],
            }
            for j in range(4)
        }
        raw[f"fold{i}"] = {**inner, "test": [entry(n) for n in test]}
    splits = import_layout("transformer-ipmn", write(tree, raw)).splits["split"]
    assert [len(fold.inner) for fold in splits.outer] == [4, 4, 4]
    assert (
        splits.outer[1].inner[2].validation == tuple(n for n in NAMES if n not in part(1)[0])[2::4]
    )
    round_trip(import_layout("transformer-ipmn", tree))


def test_one_fold_alone(tree):
    splits = import_layout("transformer-ipmn", write(tree, plain()["fold1"])).splits["split"]
    assert [fold.test for fold in splits.outer] == [tuple(part(1)[0])]


def test_a_patients_folder_can_be_its_id(tmp_path, nifti, round_trip):
    root = tmp_path / "by_patient"
    nifti(*(root / "data" / n / f"{m}.nii.gz" for m in ("T1", "T2") for n in NAMES))
    raw = json.loads(json.dumps(plain()).replace("T1\\\\CAD", "CAD").replace("T2\\\\CAD", "CAD"))
    for fold in [value for key, value in raw.items() if key != "num_fold"]:
        for side in fold.values():
            for item in side:
                name = item["image_T1"].removesuffix(".nii.gz")
                item["image_T1"], item["image_T2"] = f"{name}/T1.nii.gz", f"{name}/T2.nii.gz"
    path = write(tmp_path, raw)
    result = import_layout("transformer-ipmn", path, {"images": str(root / "data")})
    assert [p.patient for p in result.patients] == NAMES
    round_trip(result)


def test_whoever_is_left_out_is_dropped_from_the_folds_and_counted(tree, reasons):
    (tree / "T1" / "CAD_03.nii.gz").unlink()
    raw = plain()
    for fold in ("fold0", "fold1", "fold2"):
        for side in raw[fold].values():
            side[:] = [entry("CAD_04", label=3) if "CAD_04" in e["image_T1"] else e for e in side]
    raw["fold0"]["train"].append(entry("CAD_05", label=0))
    result = import_layout("transformer-ipmn", write(tree, raw))
    found = reasons(result)
    assert found["two labels"] == ["CAD_05"]
    assert found["only T2, and a pair is wanted (single=keep keeps it)"] == ["CAD_03"]
    assert next(p for p in result.patients if p.patient == "CAD_04").label == "adenocarcinoma"
    assert (
        "folds 'split': 2 of their 12 ids are not among the patients and are dropped"
        in result.notes
    )
    assert "CAD_03" not in result.splits["split"].outer[0].test
    kept = import_layout("transformer-ipmn", tree, {"single": "keep"})
    assert next(p for p in kept.patients if p.patient == "CAD_03").t1 == ""


def test_a_fold_that_leaks_is_not_taken_and_said_so(tree):
    raw = plain()
    raw["fold0"]["train"].append(raw["fold0"]["test"][0])
    result = import_layout("transformer-ipmn", write(tree, raw))
    assert len(result.patients) == 12
    assert not result.splits
    assert "folds 'split' not taken: a patient stands on two sides of a fold" in result.notes


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ([], "the file: got no object"),
        ({"fold0": {"train": [], "val": []}}, r"fold0\.test: got no list"),
        ({"fold0": {"test": [{"image_T1": "a"}], "train": [], "val": []}}, "without a label"),
        ({"fold0": {"test": [{"label": 1}], "train": [], "val": []}}, "neither image_T1"),
        ({"fold0": {"test": [{"image_T1": 3, "label": 1}], "train": [], "val": []}}, "no path"),
    ],
)
def test_other_forms_are_one_error_with_the_place(tmp_path, raw, words):
    with pytest.raises(CohortError, match=words):
        import_layout("transformer-ipmn", write(tmp_path, raw))


def test_images_that_no_rule_names_and_broken_json_are_refused(tmp_path):
    item = {"image_T1": "a/x1.nii", "image_T2": "b/y9.nii", "label": 1}
    raw = {"fold0": {"test": [item], "train": [], "val": []}}
    with pytest.raises(CohortError, match="no rule makes into one id"):
        import_layout("transformer-ipmn", write(tmp_path, raw))
    (tmp_path / "split.json").write_text("[" * 100_000)
    with pytest.raises(CohortError, match="cannot be read"):
        import_layout("transformer-ipmn", tmp_path)
