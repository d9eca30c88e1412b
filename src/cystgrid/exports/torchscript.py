"""Modules of torch in files that need none of the code that made them.

A TorchScript file is a zip of tensors and of a program. torch's own reader of it, in C++, knows
tensors, numbers and lists and runs no Python, unlike a pickle.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cystgrid.provenance import write_bytes

TRACES = (".debug_pkl", "traced_inputs.pkl")
"""What torch adds for its developers: where in this machine's folders the code lay."""


def write_script(module: nn.Module, example: tuple[Tensor, ...], path: Path) -> None:
    """Trace a module with an example and write it; sizes of its first axis stay open.

    Args:
        module: that asks nothing about a value.
        example: its inputs.
        path: of the file.
    """
    content = io.BytesIO()
    with _deprecated(), torch.no_grad():
        torch.jit.save(torch.jit.trace(module, example, check_trace=False), content)
    write_bytes(path, _without_traces(content))


def read_script(path: Path) -> Any:
    """The module, on the processor."""
    with _deprecated():
        return torch.jit.load(str(path), map_location="cpu")


def _without_traces(content: io.BytesIO) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(kept, "w") as new:
        for each in old.infolist():
            if not each.filename.endswith(TRACES):
                new.writestr(each, old.read(each), zipfile.ZIP_STORED)
    return kept.getvalue()


@contextmanager
def _deprecated() -> Iterator[None]:
    """Within it, torch does not say that it would rather export: MONAI reads these files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
