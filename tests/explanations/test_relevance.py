"""Every method on every network: shapes, names, the network left as found, wrong use."""

import pytest
import torch
from explained import CELLS, build, inputs_of

from cystgrid import explain

VIT = ("vit_tiny", "early")


@pytest.mark.parametrize("name", explain.METHODS)
def test_a_transformers_map_has_the_inputs_own_size(name):
    network = build(*VIT)
    found = explain.relevance(network, inputs_of(network), name, options=CELLS)
    assert found.values.shape[2:] == (32, 32) and found.values.dtype == torch.float32
    assert found.values.shape[:2] == (2, len(found.of))
    assert found.of == (("t1", "t2") if explain.METHODS[name].signed else ("t1+t2",))
