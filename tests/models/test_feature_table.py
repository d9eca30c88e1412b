"""Tables of features: listed columns alone enter, each patient has a row, each cell a number."""

import numpy as np
import pandas as pd
import pytest

from cystgrid.errors import CohortError, SettingsError
from cystgrid.models.classical import Cases
from cystgrid.models.feature_models import Forest
from cystgrid.models.feature_table import FeatureSettings, read_features

PATIENTS = [f"p{n:02}" for n in range(30)]


@pytest.fixture
def table(tmp_path):
    """Noise, and a column that gives the answer away."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"patient": PATIENTS, "volume": rng.normal(size=30), "leak": np.arange(30) % 3,
         "texture": rng.normal(size=30)}
    )  # fmt: skip
    path = tmp_path / "features.csv"
    frame.to_csv(path, index=False)
    return path


def settings(path, *columns):
    return FeatureSettings(file=str(path), columns=columns or ("volume", "texture"))


def test_rows_follow_the_patients_and_columns_the_list(table):
    found = read_features(settings(table, "texture", "volume"), ["p03", "p01"])
    assert list(found.columns) == ["texture", "volume"]
    assert list(found.index) == ["p03", "p01"]
    whole = pd.read_csv(table).set_index("patient")
    np.testing.assert_allclose(found, whole.loc[["p03", "p01"], ["texture", "volume"]], rtol=1e-12)


def test_a_column_that_is_not_listed_cannot_enter(table):
    """The planted answer changes no byte of what is read; listed, it is learned at once."""

    def accuracy(*columns):
        features = read_features(settings(table, *columns), PATIENTS)
        cases = [
            Cases(tuple(part), ("",) * len(part), None, features.loc[part])
            for part in (PATIENTS[:18], PATIENTS[18:24], PATIENTS[24:])
        ]
        targets = np.arange(30) % 3
        model = Forest()
        model.fit(cases[0], targets[:18], cases[1], targets[18:24], 3, 0)
        return (model.probabilities(cases[2]).argmax(1) == targets[24:]).mean()

    before = read_features(settings(table), PATIENTS)
    assert accuracy("leak") == 1
    assert accuracy() < 1
    changed = pd.read_csv(table)
    changed["leak"] = "anything"
    changed.to_csv(table, index=False)
    pd.testing.assert_frame_equal(read_features(settings(table), PATIENTS), before)


@pytest.mark.parametrize("name", ["label", "patient", "predicted"])
def test_answers_are_no_features(name):
    with pytest.raises(ValueError, match=f"'{name}' is none"):
        settings("f.csv", name)
    with pytest.raises(ValueError, match="every column once"):
        settings("f.csv", "a", "a")


def test_unknown_patients_columns_and_cells_are_named(table):
    with pytest.raises(CohortError, match=r"no row for 1 of 2 patients \(who, ...\)"):
        read_features(settings(table), ["p01", "who"])
    with pytest.raises(SettingsError, match=r"no column 'volum'.*did you mean 'volume'"):
        read_features(settings(table, "volum"), PATIENTS)
    table.write_text("patient,a\np,1\np,2\n")
    with pytest.raises(CohortError, match="patient 'p' twice"):
        read_features(settings(table, "a"), ["p"])
    for cell in ("big", "inf"):
        table.write_text(f"patient,a\np,{cell}\n")
        with pytest.raises(CohortError, match=f"'{cell}' as a of patient p"):
            read_features(settings(table, "a"), ["p"])


def test_empty_cells_are_unknown_values(table):
    table.write_text("patient,a,b\np,,2.5\nq, 1 ,nan\n")
    found = read_features(settings(table, "a", "b"), ["p", "q"])
    np.testing.assert_array_equal(found, [[np.nan, 2.5], [1, np.nan]])


def test_ids_are_text_and_files_that_are_none_are_errors(tmp_path, table):
    table.write_text("patient,a\n007,1\nNA,2\n")
    assert read_features(settings(table, "a"), ["007", "NA"])["a"].tolist() == [1, 2]
    for path in (tmp_path / "gone.csv", tmp_path):
        with pytest.raises(SettingsError, match="on reading"):
            read_features(settings(path, "a"), ["p"])
