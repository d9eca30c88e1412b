"""Weights on disk: safetensors written atomically, known by their sha256. No pickle, ever."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load, save
from torch import Tensor

from cystgrid.errors import StoreError
from cystgrid.models.network import Network
from cystgrid.provenance import sha256_bytes, write_bytes


def save_weights(state: dict[str, Tensor], path: Path) -> str:
    """Write a network's tensors; returns the file's sha256."""
    content = save({name: tensor.contiguous() for name, tensor in state.items()})
    write_bytes(path, content)
    return sha256_bytes(content)


def load_weights(network: Network, path: Path, sha256: str) -> None:
    """Load a network's tensors after checking the file's bytes.

    Raises:
        StoreError: the file is missing, altered, or of another architecture.
    """
    content = read_checked(path, sha256)
    try:
        network.load_state(load(content))
    except RuntimeError as error:
        raise StoreError(
            path,
            got="tensors of another architecture",
            expected="those of model.json",
            do="train the model again",
        ) from error


def read_checked(path: Path, sha256: str) -> bytes:
    """Read a file of ours whose sha256 was recorded.

    Raises:
        StoreError: it is missing or its bytes are not those that were written.
    """
    if not path.is_file():
        raise StoreError(
            path,
            got="no such file",
            expected="the file that was written",
            do="restore it, or make it again",
        )
    content = path.read_bytes()
    found = sha256_bytes(content)
    if found != sha256:
        raise StoreError(
            path,
            got=f"sha256 {found[:12]}",
            expected=f"{sha256[:12]}",
            do="the file was altered: restore it, or make it again",
        )
    return content
