"""Two-dimensional networks inflated to three dimensions (Carreira & Zisserman 2017; LaLonde 2019).

Every square kernel is repeated along the slices and divided by their number, W3D = tile(W2D) /
depth, so that a volume of identical slices gives what the slice alone gives the flat network,
wherever no window reaches beyond the first or last slice (there zeros are seen, as in INN).
Kernels that are not square keep a depth of 1; the number of slices never shrinks. In plane, odd
windows are padded by half of their size, so that small crops are not used up.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from cystgrid.models.pooling import MaxPool, MeanPool


def inflate(module: nn.Module) -> nn.Module:
    """The same network for volumes; changes ``module`` where it can, and returns the result.

    Raises:
        TypeError: a layer of two dimensions that there is no rule for.
    """
    if isinstance(module, nn.Conv2d):
        return inflate_convolution(module)
    if isinstance(module, nn.BatchNorm2d):
        return _same_norm(module)
    if isinstance(module, nn.MaxPool2d):
        return _max_pool(_same(module.kernel_size), _same(module.stride))
    if isinstance(module, nn.AvgPool2d):
        return _mean_pool(_same(module.kernel_size), _same(module.stride), _same(module.padding))
    if "2d" in type(module).__name__ and not list(module.children()):
        raise TypeError(f"no rule to inflate {type(module).__name__}")
    for name, child in list(module.named_children()):
        setattr(module, name, inflate(child))
    return _with_inflated_pools(module) if _pools_in_its_code(module) else module


def inflate_convolution(flat: nn.Conv2d, depth: int | None = None) -> nn.Conv3d:
    """A convolution of volumes that starts from one of images.

    Args:
        flat: without groups or dilation.
        depth: slices of the kernel; None for as many as a square kernel has rows, else 1.
    """
    rows, columns = flat.kernel_size
    slices = depth or (rows if rows == columns else 1)
    deep = nn.Conv3d(
        flat.in_channels,
        flat.out_channels,
        (slices, rows, columns),
        stride=(1, flat.stride[0], flat.stride[1]),
        padding=(slices // 2, rows // 2, columns // 2),
        bias=flat.bias is not None,
        device=flat.weight.device,
    )
    with torch.no_grad():
        deep.weight.copy_(flat.weight[:, :, None].expand(-1, -1, slices, -1, -1) / slices)
        if flat.bias is not None and deep.bias is not None:
            deep.bias.copy_(flat.bias)
    return deep


def _same(size: int | tuple[int, ...]) -> int:
    """A pool's size, which torch takes as one number for both directions."""
    return size if isinstance(size, int) else int(size[0])


def _same_norm(flat: nn.BatchNorm2d) -> nn.BatchNorm3d:
    norm = nn.BatchNorm3d(
        flat.num_features, eps=flat.eps, momentum=flat.momentum, device=flat.weight.device
    )
    norm.load_state_dict(flat.state_dict())
    return norm


def _max_pool(size: int, stride: int) -> MaxPool:
    return MaxPool(size, stride, size // 2, depth=size)


def _mean_pool(size: int, stride: int, padding: int) -> MeanPool:
    return MeanPool(size, stride, padding, depth=size)


POOLS = {functional.max_pool2d: "max", functional.avg_pool2d: "mean"}
"""Pools that torchvision's Inception blocks call in their code instead of owning them."""


def _pools_in_its_code(module: nn.Module) -> bool:
    """Whether the module's own steps name a pool of images."""
    steps = (getattr(type(module), name, None) for name in ("forward", "_forward"))
    named = {name for step in steps if step is not None for name in step.__code__.co_names}
    return bool(named & {"max_pool2d", "avg_pool2d"})


def _with_inflated_pools(module: nn.Module) -> fx.GraphModule:
    """The same module with its steps written down, and modules in place of its pools."""
    traced = fx.symbolic_trace(module)
    for node in traced.graph.nodes:
        kind = POOLS.get(node.target) if node.op == "call_function" else None
        if kind is None:
            continue
        size, stride, padding = _window(node)
        pool = _max_pool(size, stride) if kind == "max" else _mean_pool(size, stride, padding)
        traced.add_submodule(node.name, pool)
        node.op, node.target, node.args, node.kwargs = "call_module", node.name, node.args[:1], {}
    traced.recompile()
    return traced


def _window(node: fx.Node) -> tuple[int, int, int]:
    """Size, stride and padding that a step gives its pool, by place or by name."""
    given: dict[str, Any] = dict(
        zip(("kernel_size", "stride", "padding"), node.args[1:4], strict=False)
    )
    given |= node.kwargs
    return int(given["kernel_size"]), int(given["stride"]), int(given.get("padding", 0))


def repeat_inputs(convolution: nn.Conv3d, width: int, copies: int) -> nn.Conv3d:
    """A convolution whose first ``width`` inputs come ``copies`` times, with equal shares.

    Equal copies then give what one gave. Further inputs stay as they are.
    """
    weight = convolution.weight.detach()
    shared = weight[:, :width].repeat(1, copies, 1, 1, 1) / copies
    wide = nn.Conv3d(
        convolution.in_channels + (copies - 1) * width,
        convolution.out_channels,
        convolution.kernel_size,  # type: ignore[arg-type]
        convolution.stride,  # type: ignore[arg-type]
        convolution.padding,  # type: ignore[arg-type]
        bias=convolution.bias is not None,
        device=weight.device,
    )
    with torch.no_grad():
        wide.weight.copy_(torch.cat([shared, weight[:, width:]], dim=1))
        if convolution.bias is not None and wide.bias is not None:
            wide.bias.copy_(convolution.bias)
    return wide


def repeat_norm(norm: nn.BatchNorm3d, width: int, copies: int) -> nn.BatchNorm3d:
    """A norm whose first ``width`` channels come ``copies`` times."""
    wide = nn.BatchNorm3d(
        norm.num_features + (copies - 1) * width,
        eps=norm.eps,
        momentum=norm.momentum,
        device=norm.weight.device,
    )
    repeated = partial(_repeated, width=width, copies=copies)
    wide.load_state_dict({name: repeated(tensor) for name, tensor in norm.state_dict().items()})
    return wide


def _repeated(tensor: Tensor, *, width: int, copies: int) -> Tensor:
    if tensor.ndim == 0:  # the count of batches seen
        return tensor
    return torch.cat([tensor[:width].repeat(copies), tensor[width:]])
