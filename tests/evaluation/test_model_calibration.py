"""What a deployed model keeps of its validation patients, and what follows for a new one."""

import numpy as np
import pytest

from cystgrid.errors import SettingsError
from cystgrid.evaluation.calibration import fit_temperature, scaled
from cystgrid.evaluation.model_calibration import Calibration

CLASSES = ("normal", "low", "high")


def drawn(patients, seed=0, sharpness=2.0):
    generator = np.random.default_rng(seed)
    values = generator.dirichlet(np.ones(3), patients)
    truth = (generator.random(patients)[:, None] > values.cumsum(axis=1)).sum(axis=1)
    return truth, scaled(values, 1.0 / sharpness)


def test_sets_hold_the_truth_as_often_as_they_say():
    calibration = Calibration.fit(*drawn(2000), error_rate=0.1)
    truth, values = drawn(20_000, seed=1)
    held = [
        CLASSES[t] in calibration.in_set(p, CLASSES) for t, p in zip(truth, values, strict=True)
    ]
    assert np.mean(held) == pytest.approx(0.9, abs=0.02)
    sizes = [len(calibration.in_set(p, CLASSES)) for p in values]
    assert 1 < np.mean(sizes) < 3  # neither everything nor one class alone


def test_probabilities_are_those_of_the_temperature():
    truth, values = drawn(500)
    calibration = Calibration.fit(truth, values, error_rate=0.1)
    assert calibration.temperature == fit_temperature(truth, values)
    np.testing.assert_array_equal(
        calibration.calibrated(values[0]), scaled(values[:1], calibration.temperature)[0]
    )


def test_too_few_patients_rule_nothing_out_and_the_note_says_so():
    calibration = Calibration.fit(*drawn(8), error_rate=0.1)  # the 9th smallest of 8
    assert calibration.threshold is None
    assert calibration.set_text(np.array([1.0, 0.0, 0.0]), CLASSES) == "normal|low|high"
    assert "too few" in calibration.note()
    enough = Calibration.fit(*drawn(9), error_rate=0.1)
    assert enough.threshold is not None
    assert "too few" not in enough.note()


def test_it_goes_through_json_and_a_damaged_one_is_refused():
    calibration = Calibration.fit(*drawn(50), error_rate=0.1)
    assert Calibration.of(calibration.model_dump(mode="json")) == calibration
    assert Calibration.of(None) is None
    with pytest.raises(SettingsError, match="temperature"):
        Calibration.of({**calibration.model_dump(), "temperature": "hot"})
