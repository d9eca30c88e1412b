"""Integrated gradients (Sundararajan et al. 2017), by captum.

The gradient of the class's score is averaged on the straight way from an input that shows nothing
(absent scans; for other networks than ours all 0) to the input, and multiplied by their difference.
Values are signed, and sum to the difference of the two scores.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cystgrid.explanations.options import Options
from cystgrid.explanations.passing import at_once, baseline, chosen


def integrated_gradients(
    network: nn.Module, inputs: Tensor, classes: Sequence[int] | None, options: Options
) -> Tensor:
    """Maps ``(batch, channel, *spatial)``, one a channel; or one of all, ``(batch, 1, ...)``."""
    from captum.attr import IntegratedGradients  # takes seconds to import

    with torch.no_grad():
        target = chosen(network(inputs), classes)
    with torch.enable_grad():
        found: Tensor = IntegratedGradients(network).attribute(
            inputs.clone(),
            baselines=baseline(network, inputs).expand_as(inputs),
            target=target,
            n_steps=options.steps,
            internal_batch_size=max(at_once(network, inputs), len(inputs)),
        )
    found = found.detach().float()
    return found.sum(dim=1, keepdim=True) if options.together else found
