"""Arithmetic that gives the same bytes, and leaves no trace in the process."""

import torch

from cystgrid.training.device import reproducible


def test_within_it_kernels_are_exact_and_afterwards_all_is_as_it_was():
    before = torch.get_num_threads()
    assert torch.utils.deterministic.fill_uninitialized_memory
    with reproducible(before + 1):
        assert torch.get_num_threads() == before + 1
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.utils.deterministic.fill_uninitialized_memory, "costs a tenth of a step"
    assert torch.get_num_threads() == before
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory
