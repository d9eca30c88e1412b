"""Random scenes: the same number, the same grids, and what is told of them is true."""

import pytest
import torch

from cystgrid.grids.tiling import untile
from cystgrid.pretraining.draws import Draws
from cystgrid.pretraining.feed import feed
from cystgrid.pretraining.scene import draw_scenes
from cystgrid.pretraining.shapes import Space, ellipsoid, field, occupancy
from cystgrid.pretraining.stream import Stream
from cystgrid.pretraining.tissues import SCALES, Fact, Tissue

STREAM = Stream(seed=5, batch=12, cells=4, pixels=32, patch=16)


def same(one, other):
    return all(
        torch.equal(getattr(one, name), getattr(other, name))
        for name in ("grids", "fractions", "facts")
    )


def test_a_number_always_gives_the_same_batch_and_every_number_another():
    first = STREAM.draw(3)
    STREAM.draw(4)
    assert same(STREAM.draw(3), first)
    assert not torch.equal(STREAM.draw(4).grids, first.grids)
    other = Stream(seed=6, batch=12, cells=4, pixels=32, patch=16)
    assert not torch.equal(other.draw(3).grids, first.grids)


def test_no_two_grids_of_a_batch_are_alike():
    grids = STREAM.draw(0).grids.flatten(1)
    apart = torch.cdist(grids, grids) + torch.eye(len(grids))
    assert float(apart.min()) > 0.1


def test_grids_and_fractions_are_within_their_limits():
    for number in range(4):
        batch = STREAM.draw(number)
        assert batch.grids.shape == (12, 2, 64, 64)
        assert batch.fractions.shape == (12, 16, len(Tissue))
        assert batch.grids.isfinite().all()
        assert float(batch.grids.min()) >= 0 and float(batch.grids.max()) <= 1
        assert float(batch.fractions.min()) >= 0
        assert float(batch.fractions.sum(dim=2).max()) <= 1 + 1e-4


def test_every_tissue_and_every_fact_comes_and_stays_away():
    scenes = draw_scenes(Draws(0, 0, 64), slices=9, pixels=48)
    held = scenes.fractions.flatten(2).amax(dim=2) > 0.5  # (scene, tissue)
    assert held.any(dim=0).all()
    always = [Tissue.PANCREAS, Tissue.VESSEL]
    assert (~held).any(dim=0)[[tissue for tissue in Tissue if tissue not in always]].all()
    assert (scenes.facts > 0).any(dim=0).all()
    assert (scenes.facts == 0).any(dim=0).all()


def test_what_is_told_of_cysts_and_nodules_is_what_is_painted():
    scenes = draw_scenes(Draws(1, 0, 64), slices=9, pixels=48)
    most = scenes.fractions.flatten(2).amax(dim=2)
    none = scenes.facts[:, Fact.CYSTS] == 0
    assert float(most[none, Tissue.CYST].max()) < 0.5
    assert torch.equal(none, scenes.facts[:, Fact.CYST_RADIUS] == 0)
    voxels = (scenes.fractions[:, Tissue.CYST] > 0.5).flatten(1).sum(dim=1)
    radius = scenes.facts[:, Fact.CYST_RADIUS] * SCALES[Fact.CYST_RADIUS]
    rank = torch.corrcoef(torch.stack([voxels.float() ** (1 / 3), radius]))[0, 1]
    assert float(rank) > 0.7
    nodule = scenes.facts[:, Fact.NODULE] == 1
    assert float(most[~nodule, Tissue.NODULE].max()) < 0.5


def test_an_absent_scan_is_black_and_both_are_never_absent():
    batch = Stream(seed=2, batch=96, cells=1, pixels=32, patch=16).draw(0)
    black = batch.grids.flatten(2).amax(dim=2) == 0  # (grid, modality)
    assert black.any(dim=0).all()
    assert not black.all(dim=1).any()


def test_patches_stand_where_their_pixels_stand():
    draws = Draws(3, 0, 2)
    scenes = draw_scenes(draws, slices=4, pixels=32)
    stream = Stream(seed=3, batch=2, cells=4, pixels=32, patch=16)
    patches = stream.draw(0).fractions.transpose(1, 2).unflatten(2, (4, 4))  # rows, columns
    cells = untile(patches, 4)  # (grid, tissue, cell, 2, 2)
    whole = scenes.fractions.unflatten(4, (2, 16)).unflatten(3, (2, 16)).mean(dim=(4, 6))
    torch.testing.assert_close(cells, whole)


@pytest.mark.parametrize("workers", [1, 2])
def test_worker_processes_change_nothing_and_keep_the_order(workers):
    alone = list(feed(STREAM, 2, 7, workers=0))
    ahead = list(feed(STREAM, 2, 7, workers=workers))
    assert len(alone) == len(ahead) == 5
    assert all(map(same, alone, ahead))


def test_an_ellipsoid_holds_its_volume_wherever_it_lies():
    space = Space.of(torch.ones(3), 40, 40)
    radii = torch.tensor([[9.0, 6.0, 4.0]]).expand(3, 3)
    turns = torch.cat([torch.eye(3)[None], Draws(0, 0, 2).rotations()])
    centre = torch.tensor([[0.0, 0, 0], [2.5, -3, 1], [-1, 4, 2]])
    volume = occupancy(ellipsoid(space, centre, radii, turns)).flatten(1).sum(dim=1)
    expected = 4 / 3 * torch.pi * 9 * 6 * 4
    torch.testing.assert_close(volume, torch.full((3,), expected), rtol=0.06, atol=0)


def test_a_field_takes_its_nodes_values_at_the_corners_and_lies_between_them():
    space = Space.of(torch.ones(2), 5, 17)
    drawn = Draws(4, 0, 2)
    smooth = field(space, drawn, nodes=5, count=3)
    nodes = Draws(4, 0, 2).normal(3, 5, 5, 5)
    torch.testing.assert_close(smooth[:, :, :, ::4, ::4], nodes)
    assert float(smooth.max()) <= float(nodes.max()) + 1e-5
