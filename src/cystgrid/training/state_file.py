"""Where something that was stopped goes on from: one safetensors file that carries its own seal.

Its metadata holds the sha256 of the whole file, taken with zeros in that sha256's place. It is
written tensor by tensor, so that nothing needs the memory of all of it twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from cystgrid.errors import StoreError
from cystgrid.provenance import READ_BYTES, write_pieces

TOLD = "progress"
HEADER = 8
"""Bytes of a safetensors file that hold the length of its header, JSON."""

LONGEST = 1 << 27
"""Bytes of a header: safetensors takes no longer one."""

BLANK = "0" * 64
"""In the place of the sha256 while it is taken."""

TYPES = {
    torch.float64: "F64", torch.int64: "I64", torch.float32: "F32", torch.int32: "I32",
    torch.float16: "F16", torch.bfloat16: "BF16", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
"""As safetensors names them; in this order in the file, so that each is aligned."""


@dataclass(frozen=True)
class Saved:
    """What a state holds.

    Attributes:
        told: JSON.
        tensors: by name, on the processor.
    """

    told: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def write_state(path: Path, told: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write a state, whole or not at all (``provenance.write_pieces``).

    Args:
        path: of the file.
        told: what it says of itself, as JSON; ``sha256`` is added.
        tensors: on any device.
    """
    order = list(TYPES)
    placed = dict(sorted(tensors.items(), key=lambda each: order.index(each[1].dtype)))
    header = _header({**told, "sha256": BLANK}, placed)
    seal = hashlib.sha256(header)
    for piece in map(_bytes, placed.values()):
        seal.update(piece)
    sealed = header.replace(BLANK.encode(), seal.hexdigest().encode(), 1)

    def pieces() -> Iterator[Any]:
        yield sealed
        yield from map(_bytes, placed.values())

    write_pieces(path, pieces(), len(header) + sum(map(_size, placed.values())))


def _header(told: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> bytes:
    entries: dict[str, Any] = {"__metadata__": {TOLD: json.dumps(told)}}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + _size(tensor)
        entries[name] = {
            "dtype": TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]
        }  # fmt: skip
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % HEADER)
    return len(text).to_bytes(HEADER, "little") + text


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _bytes(tensor: Tensor) -> Any:
    """A tensor's values in order, as a buffer."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()


def read_state(path: Path) -> Saved:
    """Read what ``write_state`` wrote.

    Raises:
        StoreError: it is damaged.
        OSError: it cannot be read.
    """
    told = read_told(path)
    try:
        with safe_open(path, framework="pt") as content:
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise _damaged(path) from error
    return Saved(told, tensors)


def read_told(path: Path) -> dict[str, Any]:
    """What a state says of itself, after a look at every byte of it.

    Raises:
        StoreError: it is damaged.
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        try:
            length = stream.read(HEADER)
            text = stream.read(min(int.from_bytes(length, "little"), LONGEST))
            told: dict[str, Any] = json.loads(json.loads(text)["__metadata__"][TOLD])
            own = str(told["sha256"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise _damaged(path) from error
        seal = hashlib.sha256((length + text).replace(own.encode(), BLANK.encode(), 1))
        while piece := stream.read(READ_BYTES):
            seal.update(piece)
    if seal.hexdigest() != own:
        raise _damaged(path)
    return told


def _damaged(path: Path) -> StoreError:
    return StoreError(
        path, got="altered content", expected="a saved state", do="remove it to begin anew"
    )
