"""What a study makes of a manifest's labels: classes, merges, who is left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cystgrid.cohort.classes import CohortSettings
from cystgrid.cohort.manifest import read_manifest
from cystgrid.errors import CohortError, SettingsError
from cystgrid.study import Study

MERGED = CohortSettings(merge={"high": ("high", "cancer"), "low": ("mild",)})


def test_every_known_label_has_its_class_and_the_excluded_none():
    found = {label: MERGED.class_of(label) for label in (*MERGED.labels, "", None)}
    assert found == {
        "normal": "normal", "low": "low", "high": "high", "cancer": "high", "mild": "low",
        "adenocarcinoma": None, "": None, None: None,
    }  # fmt: skip


@pytest.mark.parametrize("label", ["hihg", "HIGH", "scans/Jane Doe/t1.nii", " high"])
def test_an_unknown_label_is_refused_and_shown_only_if_it_can_be(label):
    with pytest.raises(CohortError, match=r"label: got .* name it in cohort\.classes") as caught:
        MERGED.class_of(label)
    assert "Jane" not in str(caught.value)
    assert "normal, low, high, cancer, mild, adenocarcinoma" in str(caught.value)


def test_two_classes_of_three_labels():
    """The same labels serve a study of three classes and one of two."""
    two = CohortSettings(
        classes=("benign", "malignant"), exclude=(),
        merge={"benign": ("normal", "low"), "malignant": ("high", "adenocarcinoma")},
    )  # fmt: skip
    labels = ["normal", "low", "high", "adenocarcinoma", "benign"]
    assert [two.class_of(label) for label in labels] == [
        "benign", "benign", "malignant", "malignant", "benign"
    ]  # fmt: skip
    assert [CohortSettings().class_of(label) for label in labels[:4]] == [*labels[:3], None]


@given(st.permutations(["a", "b", "c", "d", "e"]), st.integers(1, 4))
def test_merging_follows_the_labels_wherever_they_stand(labels, cut):
    """Renaming labels changes names only; the order of a list changes nothing."""
    first, second = labels[:cut], labels[cut:]
    one = CohortSettings(classes=("x", "y"), exclude=(), merge={"x": first, "y": second})
    two = CohortSettings(classes=("x", "y"), exclude=(), merge={"y": second[::-1], "x": first})
    assert [one.class_of(each) for each in labels] == ["x"] * cut + ["y"] * (5 - cut)
    assert [two.class_of(each) for each in labels] == [one.class_of(each) for each in labels]
    assert set(one.labels) == {"x", "y", *labels}


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ('merge = {hihg = ["cancer"]}', r"classes to merge into \(normal, low, high\), not 'hihg'"),
        ('merge = {high = ["cancer"], low = ["cancer"]}', "merged once, not 'cancer' twice"),
        ('merge = {high = ["cancer", "cancer"]}', "merged once, not 'cancer' twice"),
        ('merge = {high = ["adenocarcinoma"]}', "'adenocarcinoma' stands in cohort.exclude"),
        ('exclude = ["x"]\nmerge = {high = ["x"]}', "'x' stands in cohort.exclude"),
        ('merge = {high = ["low"]}', "no classes themselves; 'low' is one"),
        ("merge = {high = []}", "one or more labels, none empty, to merge into 'high'"),
        ('merge = {high = [" "]}', "one or more labels, none empty, to merge into 'high'"),
        ('merge = {high = "cancer"}', "cohort.merge.high"),
        ('classes = ["a"]', "cohort.classes"),
        ('classes = ["a", "a"]', "differ from each other"),
        ('classes = ["low|high", "b"]', "not 'low|high'"),
        ('classes = ["a ", "b"]', "without blanks at their ends"),
        ('classes = ["a", ""]', "not ''"),
        ('classes = ["a\\u0007", "b"]', "printable names"),
    ],
)
def test_settings_that_contradict_themselves_are_one_line(tmp_path, section, words):
    path = tmp_path / "study.toml"
    path.write_text(f"[cohort]\n{section}\n")
    with pytest.raises(SettingsError, match=words) as caught:
        Study.read(path)
    assert "\n" not in str(caught.value)
    assert "study.toml: cohort." in str(caught.value)


def test_a_study_file_merges(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text('[cohort]\nexclude = []\n[cohort.merge]\nhigh = ["high", "adenocarcinoma"]\n')
    cohort = Study.read(path).cohort
    assert cohort.class_of("adenocarcinoma") == "high"
    assert CohortSettings.parse(cohort.model_dump(mode="json"), "x") == cohort


def test_the_manifest_keeps_its_labels_and_says_what_is_merged(tmp_path):
    path = tmp_path / "cohort.csv"
    labels = ["high", "cancer", "cancer", "mild", "adenocarcinoma", "", "cancer", "normal"]
    rows = "".join(f"p{n},{label},,,,\n" for n, label in enumerate(labels))
    path.write_text("patient,label,t1,t2,roi,center\n" + rows)
    manifest = read_manifest(path, MERGED)
    assert [patient.label or "" for patient in manifest.patients] == [
        label for label in labels if label != "adenocarcinoma"
    ]
    assert [str(each) for each in manifest.merged] == ["3 cancer as high", "1 mild as low"]
    assert manifest.excluded == {"adenocarcinoma": 1}
    with pytest.raises(CohortError, match=r"unknown: 'cancer' \(known: normal, low, high, adeno"):
        read_manifest(path, CohortSettings())
