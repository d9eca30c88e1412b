"""Where a training runs, and in which arithmetic."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

import torch
from threadpoolctl import threadpool_limits

Precision = Literal["float32", "bfloat16"]


def training_device() -> torch.device:
    """The CUDA device of this process if there is one (``take_turn``), else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def take_turn(worker: int) -> None:
    """In a worker: of n CUDA devices that are visible, worker k uses device k mod n.

    More workers than devices share them. The device that a training runs on is no part of its
    seed: devices of one kind give the same bytes.

    Args:
        worker: number among the workers of this machine, from 0.
    """
    devices = torch.cuda.device_count()
    if devices:
        torch.cuda.set_device(worker % devices)


def resolve_precision(wanted: str, device: torch.device) -> Precision:
    """What ``auto`` means on this device; ``float32`` and ``bfloat16`` are taken at their word."""
    if wanted == "float32" or (wanted == "auto" and not _has_bfloat16(device)):
        return "float32"
    return "bfloat16"


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capability = torch.cpu.get_capabilities()
    return any(capability.get(name, False) for name in ("avx512_bf16", "amx_bf16", "sve_bf16"))


def arithmetic(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Within it, products run in ``precision``; weights and sums that need it stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


@contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """Within it, the same inputs give the same bytes: fixed threads, deterministic kernels.

    The threads are those of torch, of NumPy's and SciPy's linear algebra, and of scikit-learn.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it to be exact
    filled: Any = torch.utils.deterministic  # a module with a property, which no stub knows
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    filled_before = filled.fill_uninitialized_memory
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=False)
    filled.fill_uninitialized_memory = False  # a tenth of a step, for what no kernel reads
    try:
        with threadpool_limits(limits=threads):
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        filled.fill_uninitialized_memory = filled_before
