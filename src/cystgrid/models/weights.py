"""Pretrained weights: from a hub, from a file, or none; never a silent start from scratch.

Two channels into a network made for RGB: MRI channels have no colour, so each of C input channels
gets the sum of the RGB kernels divided by C (their mean times 3/C). A grey image given in all C
channels then gives the same features as it gives the original network.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from cystgrid.errors import WeightsError
from cystgrid.models.named_weights import HOW_TO_GET, no_weights_at
from cystgrid.models.shipped import check_beside_card

StateDict = dict[str, Tensor]


def fewer_colours(kernel: Tensor, channels: int) -> Tensor:
    """A first kernel for ``channels`` grey channels.

    Args:
        kernel: ``(out, colour, row, column)``, as pretrained; or with slices before the rows.
        channels: input channels wanted.

    Returns:
        The same with ``channels`` in place of colours; as it was if it already has that many.
    """
    if kernel.shape[1] == channels:
        return kernel
    grey = kernel.sum(dim=1, keepdim=True) / channels
    return grey.expand(-1, channels, *kernel.shape[2:]).clone()


def one_scan(state: Mapping[str, Tensor], channel: int, *, stem: str, black: float) -> StateDict:
    """The start of a network for one scan, from one for several: as if the others were black.

    Args:
        state: pretrained tensors; the stem has a bias.
        channel: number of the scan that is seen.
        stem: name of the first convolution's kernel.
        black: value of a black pixel as that convolution is given it.

    Returns:
        The state with a stem of one channel; the black scans' share has gone into its bias.
    """
    kernel = state[stem].float()
    bias = stem.removesuffix("weight") + "bias"
    others = kernel.sum(dim=(1, 2, 3)) - kernel[:, channel].sum(dim=(1, 2))
    return {
        **state,
        stem: kernel[:, channel : channel + 1].contiguous(),
        bias: state[bias].float() + black * others,
    }


def read_state(path: Path) -> StateDict:
    """Read a state dictionary from ``.safetensors`` or ``.pth``/``.pt``/``.bin``, running no code.

    Raises:
        WeightsError: no such file, not of that format, a pickle that holds more than tensors, or a
            start that is not as its card says.
    """
    if not path.is_file():
        raise no_weights_at(path)
    check_beside_card(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each format raises its own kinds; all mean "not readable"
        raise WeightsError(
            path,
            got=f"{type(error).__name__} on reading",
            expected="a .safetensors file or a .pth state dictionary of tensors only",
            do="download it again, or save it as safetensors",
        ) from error
    inner = state.get("state_dict", state.get("model", state)) if isinstance(state, dict) else state
    if not isinstance(inner, dict) or not all(isinstance(v, Tensor) for v in inner.values()):
        raise WeightsError(
            path,
            got=type(inner).__name__,
            expected="a dictionary of tensors",
            do="save the network's state_dict() alone",
        )
    return inner


def fetch(download: Callable[[], StateDict], what: str) -> StateDict:
    """Run a hub's download; whatever fails there becomes one line that says what to do.

    Raises:
        WeightsError: the hub cannot be reached or does not have the weights.
    """
    try:
        return download()
    except (OSError, RuntimeError, ValueError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"weights of {what}",
            got=f"{type(error).__name__} from the hub",
            expected="a download or a copy in the hub's cache",
            do=HOW_TO_GET,
        ) from error


def start_from(
    network: nn.Module, state: Mapping[str, Tensor], *, stem: str, head: str, where: str
) -> None:
    """Load a pretrained state into a network with other input channels and another head.

    Args:
        network: the network to start, with its own classes and channels.
        state: pretrained tensors; those of the head are left out, the head stays as initialised.
        stem: name of the first convolution's kernel.
        head: prefix of the classification head.
        where: the file or hub name, for messages.

    Raises:
        WeightsError: any other tensor is missing, unknown or of another shape.
    """
    body = {name: tensor for name, tensor in state.items() if not name.startswith(head + ".")}
    if stem in body:
        channels = network.get_parameter(stem).shape[1]
        body[stem] = fewer_colours(body[stem], channels)
    own = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if not name.startswith(head + ".")
    }
    faults = [f"{name} missing" for name in own if name not in body]
    faults += [f"{name} unknown" for name in body if name not in own]
    faults += [
        f"{name} of shape {tuple(body[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in body and body[name].shape != tensor.shape
    ]
    if faults:
        raise WeightsError(
            where,
            got=f"{len(faults)} tensors that do not fit ({faults[0]})",
            expected="the weights of this architecture",
            do="give the file that belongs to the model named",
        )
    network.load_state_dict(body, strict=False)
