"""A patient's map: every member counts alike, in a unit that compares."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cystgrid.explanations.options import Options
from cystgrid.explanations.patient_map import patient_map
from cystgrid.explanations.placing import on_slices
from cystgrid.explanations.relevance import METHODS, relevance
from cystgrid.grids.tiling import GridSettings
from cystgrid.models.network import Shape
from cystgrid.models.registry import build_model
from cystgrid.training.network_member import NetworkMember
from training.conftest import make_patient

PATIENT = make_patient(1)
ONE_SCAN = replace(
    PATIENT,
    crop=np.stack([np.full_like(PATIENT.crop[0], np.nan), PATIENT.crop[1]]),
    percentiles=np.stack([np.full_like(PATIENT.percentiles[0], np.nan), PATIENT.percentiles[1]]),
)


def member(name="vit_tiny", inputs="early", seed=0, scale=1.0):
    torch.manual_seed(seed)
    channels = 1 if inputs in ("t1", "t2") else 2
    network = build_model(name, inputs, Shape(channels, 3, 4, 16, cube=32), "none").eval()
    with torch.no_grad():
        network.backbone.get_submodule(network.head).weight.mul_(scale)
    standard = np.tile(np.linspace(0, 1, PATIENT.percentiles.shape[1]), (2, 1))
    grid = GridSettings(cells=4, cube=32)
    return NetworkMember(
        network, standard, tuple(range(channels)), grid, "float32", torch.device("cpu")
    )


def explained(members, method, inputs=("t1", "t2"), patient=PATIENT):
    return patient_map(members, patient, method, 1, inputs, Options())


def single(one, method):
    """The map of one member by itself, brought to a sum of 1."""
    inputs = one.crops([PATIENT]).central(4, one.network.form)
    made = relevance(one.network, inputs, method, classes=[1], options=Options(cells=4))
    placed = on_slices(made.values[0], one.network.form, 4, PATIENT.crop.shape[1])
    return placed / np.abs(placed).sum()


@pytest.mark.parametrize("method", ["rollout", "grad-cam", "integrated-gradients"])
def test_members_count_alike(method):
    """One member's gradients a thousand times the other's: it gets no more say."""
    members = [member(seed=0, scale=1000.0), member(seed=1)]
    made = explained(members, method)
    mean = sum(single(each, method).astype(float) for each in members) / 2
    seen = mean[:, made.window.first : made.window.stop]
    assert np.allclose(made.values, mean / np.abs(seen).mean(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "inputs", "method", "of"),
    [
        ("vit_tiny", "early", "rollout", ("t1+t2",)),
        ("vit_tiny", "late", "rollout", ("t1", "t2")),
        ("vit_tiny", "t1", "rollout", ("t1",)),
        ("resnet18", "early", "grad-cam", ("t1+t2",)),
        ("resnet18", "early", "occlusion-cells", ("t1", "t2")),
        ("densenet121-3d", "early", "occlusion-cells", ("t1", "t2")),
    ],
)
def test_the_unit_is_the_even_share_over_what_was_seen(name, inputs, method, of):
    channels = ("t1",) if inputs == "t1" else ("t1", "t2")
    made = explained([member(name, inputs)], method, channels)
    assert made.of == of
    depth = PATIENT.crop.shape[1]
    assert made.values.shape[:2] == (len(of), depth)
    window = made.values[:, made.window.first : made.window.stop]
    assert np.abs(window).mean() == pytest.approx(1, abs=1e-4)
    outside = np.delete(made.values, np.arange(made.window.first, made.window.stop), axis=1)
    assert not outside.any()
    assert sum(made.shares.slices) == pytest.approx(1)
    weighed = len(of) > 1 and made.method.weighs_scans
    assert bool(made.shares.modalities) == weighed
    assert made.shares.unweighed == (of if len(of) > 1 and not weighed else ())
    edges = [[-0.5, -0.5, 0, 1], [made.values.shape[3] - 0.5, made.values.shape[2] - 0.5, 0, 1]]
    crop = [[-0.5, -0.5, 0, 1], [15.5, 15.5, 0, 1]]
    assert np.allclose(np.array(edges) @ made.affine.T, np.array(crop) @ PATIENT.affine.T)


@pytest.mark.parametrize("method", METHODS)
def test_an_absent_scan_has_no_part_in_late_fusion_s_map(method):
    """Its branch attends to what stands in for the scan; that is not shown and not counted."""
    made = explained([member("vit_tiny", "late")], method, patient=ONE_SCAN)
    assert made.of == ("t1", "t2") and made.absent == {"t1"}
    assert not made.values[0].any() and made.values[1].any()
    assert [of for of, _ in made.seen] == ["t2"]
    assert made.shares.modalities == pytest.approx({"t2": 1})
    assert made.shares.sentence().endswith("; 100 % T2")
    window = made.values[1, made.window.first : made.window.stop]
    assert np.abs(window).mean() == pytest.approx(1, abs=1e-4)  # the unit is of what was seen


def test_a_patient_without_any_scan_that_is_used_has_an_empty_map():
    made = explained([member("vit_tiny", "t1")], "rollout", ("t1",), ONE_SCAN)
    assert not made.values.any()
    assert "points at nothing" in made.shares.sentence()
