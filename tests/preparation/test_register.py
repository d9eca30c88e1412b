"""T1 onto T2: what is measured, what is applied, and what is refused."""

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

import registration_pair
from cystgrid.errors import ScanError
from cystgrid.preparation import register as module
from cystgrid.preparation.align import WorldBox, moved
from cystgrid.preparation.misalignment import Misalignment
from cystgrid.preparation.register import register
from cystgrid.preparation.registration import RegistrationSettings
from cystgrid.preparation.rigid import RigidFit
from cystgrid.scans.reading import read_scan
from registration_pair import (
    BOX,
    RIGID,
    bytes_of,
    displaced,
    displacement,
    make_other_body,
    make_pair,
)

MEASURE = RegistrationSettings(sampling_mm=3.0)
IDENTITY = np.eye(4)


@pytest.fixture(scope="module")
def pair():
    return make_pair()


@pytest.fixture(scope="module")
def other_body():
    return make_other_body()


def corners_apart(one, other):
    """Largest distance in mm between where two transforms take the corners of BOX."""
    corners = np.array(np.meshgrid(*zip(BOX.low, BOX.high, strict=True))).reshape(3, -1).T
    places = [corners @ each[:3, :3].T + each[:3, 3] for each in (one, other)]
    return np.linalg.norm(places[0] - places[1], axis=1).max()


def test_off_does_nothing(pair):
    done = register(*pair, RegistrationSettings(mode="off"), BOX)
    assert np.array_equal(done.transform, IDENTITY)
    assert (done.before, done.after, done.figures, done.flags) == (None, None, {}, ())


def test_measure_reports_and_applies_nothing(pair):
    reference, moving = pair
    done = register(reference, displaced(moving, displacement((6, -2, 4))), MEASURE, BOX)
    assert np.array_equal(done.transform, IDENTITY)
    assert done.residual.shift_mm == pytest.approx((6, -2, 4), abs=1)
    assert done.figures["residual_mm"] == pytest.approx(np.sqrt(56), abs=1)
    (flag,) = done.flags
    assert flag.startswith("t1: lies 7.")


def test_scans_that_agree_are_not_flagged(pair):
    done = register(*pair, MEASURE, BOX)
    assert done.figures["residual_mm"] < 1
    assert done.flags == ()


@pytest.mark.parametrize("shift", [(0, 0, 0), (8, -4, 3), (-5, 2, -7)])
@pytest.mark.parametrize("degrees", [0, 3])
def test_a_known_displacement_is_undone(pair, shift, degrees):
    reference, moving = pair
    truth = displacement(shift, degrees)
    done = register(reference, displaced(moving, truth), RIGID, BOX)
    assert corners_apart(done.transform, truth) < 2
    assert done.shift_mm == pytest.approx(shift, abs=1)
    assert done.rotation_degrees == pytest.approx(degrees, abs=1)
    assert done.figures["residual_mm"] < 1
    assert done.information_after > done.information_before - 0.01


def test_undoing_the_registration_is_the_way_back(pair):
    reference, moving = pair
    moving = displaced(moving, displacement((5, -4, 3), 2))
    there = register(reference, moving, RIGID, BOX).transform
    back = register(moving, reference, RIGID, BOX).transform
    assert corners_apart(back @ there, IDENTITY) < 2


def test_registering_twice_finds_nothing_more(pair):
    reference, moving = pair
    moving = displaced(moving, displacement((5, -4, 3), 2))
    once = register(reference, moving, RIGID, BOX).transform
    again = register(reference, moved(moving, once), RIGID, BOX).transform
    assert corners_apart(again, IDENTITY) < 0.5


def test_the_same_bytes_whatever_the_process_did_before(pair):
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    try:
        first = bytes_of(*pair)
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(4)
        np.random.default_rng(1).normal(size=10)
        sitk.AdditiveGaussianNoise(sitk.Image(8, 8, sitk.sitkFloat32))
        assert bytes_of(*pair) == first
        assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == 4
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def test_the_same_bytes_in_another_process(pair):
    command = [sys.executable, registration_pair.__file__]
    other = subprocess.run(command, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == bytes_of(*pair)


def test_a_scan_elsewhere_is_refused_in_both_modes(pair):
    reference, moving = pair
    far = displaced(moving, displacement((900, 0, 0)))
    for settings in (MEASURE, RIGID):
        with pytest.raises(ScanError, match="does not overlap"):
            register(reference, far, settings, BOX)


def test_too_little_overlap_is_refused_by_rigid_and_flagged_by_measure(pair):
    reference, moving = pair
    aside = displaced(moving, displacement((0, 0, 85)))
    with pytest.raises(ScanError, match=r"share \d+% of the region, expected at least 50%"):
        register(reference, aside, RIGID, BOX)
    done = register(reference, aside, MEASURE, BOX)
    assert "could not be measured" in done.flags[0]
    assert done.figures == {}


def test_noise_and_another_body_are_refused_by_rigid_and_flagged_by_measure(pair, other_body):
    reference, moving = pair
    noise = moving.with_voxels(np.random.default_rng(0).normal(100, 20, size=moving.shape))
    for stranger in (noise, other_body):
        with pytest.raises(ScanError, match="leave the patient out"):
            register(reference, stranger, RIGID, BOX)
        done = register(reference, stranger, MEASURE, BOX)
        assert "could not be measured" in done.flags[0]
        assert done.residual is None


def test_a_flat_scan_is_refused_by_rigid_and_flagged_by_measure(pair):
    reference, moving = pair
    flat = moving.with_voxels(np.full(moving.shape, 7.0))
    with pytest.raises(ScanError, match="could not be followed"):
        register(reference, flat, RIGID, BOX)
    assert "shows no edges" in register(reference, flat, MEASURE, BOX).flags[0]


def test_beyond_the_bounds_is_refused(pair):
    reference, moving = pair
    apart = displaced(moving, displacement((9, 0, 0), 4))
    within = RIGID.model_copy(update={"largest_shift_mm": 12.0})
    register(reference, apart, within, BOX)
    for bound in ({"largest_shift_mm": 6.0}, {"largest_rotation_degrees": 2.0}):
        with pytest.raises(ScanError, match=r"a (shift|turn) of .* at most"):
            register(reference, apart, within.model_copy(update=bound), BOX)


def test_one_that_has_not_settled_is_refused(pair):
    reference, moving = pair
    apart = displaced(moving, displacement((9, 0, 0), 4))
    with pytest.raises(ScanError, match="still moves after 2 steps"):
        register(reference, apart, RIGID.model_copy(update={"iterations": 2}), BOX)


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (RigidFit(IDENTITY, 0.5, 0.4, 9), "mutual information of 0.400"),
        (RigidFit(displacement((7, 0, 0)), 0.5, 0.6, 9), r"by edges that are \d\.\d mm apart"),
        (RigidFit(displacement((0, 0, 0), 75), 0.5, 0.6, 9), "do not clearly fall"),
        (RuntimeError("All samples map outside moving image buffer"), "could not be followed"),
    ],
)
def test_what_the_optimiser_claims_is_checked(pair, monkeypatch, fit, message):

    def fake(*_, **__):
        if isinstance(fit, RuntimeError):
            raise fit
        return fit

    monkeypatch.setattr(module, "fit_rigid", fake)
    with pytest.raises(ScanError, match=message):
        register(*pair, RIGID, BOX)


def test_edges_have_the_last_word_on_the_shift(pair, monkeypatch):
    """Where mutual information stops short of the truth, edges bring it there, and say by what."""
    reference, moving = pair
    truth = displacement((5, -4, 3))
    short = RigidFit(displacement((5, -4, 0.8)), 0.5, 0.6, 9)
    monkeypatch.setattr(module, "fit_rigid", lambda *_, **__: short)
    done = register(reference, displaced(moving, truth), RIGID, BOX)
    assert corners_apart(done.transform, truth) < 0.7
    assert done.disagreement_mm == pytest.approx(2.2, abs=0.5)


def test_a_shift_that_will_not_go_is_refused(pair, monkeypatch):
    def stubborn(*_, **__):
        return Misalignment((0.0, 0.0, 2.0), 0.9, 0.8, 0.5, at_limit=False)

    monkeypatch.setattr(module, "measure_shift", stubborn)
    monkeypatch.setattr(module, "fit_rigid", lambda *_, **__: RigidFit(IDENTITY, 0.5, 0.6, 9))
    with pytest.raises(ScanError, match=r"leaves the scans 2\.0 mm apart"):
        register(*pair, RIGID, BOX)


def test_messages_and_flags_name_the_scan_and_no_path(pair, other_body):
    reference, _ = pair
    with pytest.raises(ScanError) as caught:
        register(reference, other_body, RIGID, BOX, "p07: t1")
    assert caught.value.where == "p07: t1"
    assert other_body.source not in str(caught.value)


def test_a_small_region_is_looked_at_with_its_surroundings(pair, monkeypatch):
    seen = []

    def spy(_reference, _moving, box, **_):
        seen.append(box)
        return Misalignment((0.0, 0.0, 0.0), 1.0, 1.0, 1.0, at_limit=False)

    monkeypatch.setattr(module, "measure_shift", spy)
    register(*pair, MEASURE, WorldBox((0, 0, -40), (10, 10, 40)))
    assert seen == [WorldBox((-35, -35, -50), (45, 45, 50))]


def test_real_pairs_move_by_what_they_were_moved(real_data):
    """The shift of a displaced T1 less that of the T1 as it is; the truth of that is known."""
    brain = real_data / "brain_t1_t2/patient01"
    reference, moving = (read_scan(brain / f"study1_T{n}W.nii.gz") for n in (2, 1))
    middle = WorldBox.around(reference).centre
    region = WorldBox(tuple(middle - 40), tuple(middle + 40))
    shift = np.array([7.0, -5.0, 6.0])
    for mode in ("measure", "rigid"):
        settings = RegistrationSettings(mode=mode)
        found = []
        for scan in (moving, displaced(moving, displacement(shift))):
            done = register(reference, scan, settings, region)
            found.append(done.before.shift_mm if mode == "measure" else done.shift_mm)
        assert np.linalg.norm(np.subtract(*found[::-1]) - shift) < 0.5
