"""Batch normalisation in training: by each batch's statistics, or by those it came with."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from cystgrid.errors import SettingsError
from cystgrid.training.settings import TrainingSettings


def train_mode(network: nn.Module, settings: TrainingSettings) -> None:
    """Set a network to be trained; frozen batch norms stay as they are at inference.

    Their scale and shift are trained either way.
    """
    network.train()
    if settings.batch_norm == "frozen":
        for norm in _norms(network):
            norm.eval()


def refuse_folded(network: nn.Module, settings: TrainingSettings) -> None:
    """Refuse to normalise by batch what was published with its normalisation folded in.

    Such weights scale in the convolutions, and every batch norm has mean 0, variance 1 and scale 1;
    only its shift is another than a new network's. The statistics of a batch then normalise a
    second time, and what comes out may be nothing at all.

    Raises:
        SettingsError: the network holds such weights, and the recipe takes each batch's statistics.
    """
    norms = [norm for norm in _norms(network) if norm.affine and norm.track_running_stats]
    if settings.batch_norm == "frozen" or not norms or not all(map(_folded, norms)):
        return
    raise SettingsError(
        "training.batch_norm",
        got="weights whose batch normalisation is folded into their convolutions, "
        'and batch_norm = "batch"',
        expected='batch_norm = "frozen" for such weights',
        do='set batch_norm = "frozen" in [recipes.<model>], or take other weights',
    )


def _norms(network: nn.Module) -> list[_BatchNorm]:
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


def _folded(norm: _BatchNorm) -> bool:
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None  # asked for before
    near = 2 * norm.eps  # some writers take the norm's own epsilon off, so that the root is 1
    fresh = bool((mean == 0).all() and (norm.weight == 1).all())
    fresh = fresh and bool(((variance - 1).abs() <= near).all())
    return fresh and bool((norm.bias != 0).any())
