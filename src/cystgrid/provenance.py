"""What was read and what wrote it: sha256, atomic files, versions."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

NOTICE = "Research use only. Not for clinical decisions."
"""Stands in every output that shows a prediction."""

RECORDED_PACKAGES = (
    "cystgrid", "torch", "torchvision", "timm", "numpy", "scipy", "scikit-learn", "pandas",
    "SimpleITK", "nibabel", "pydicom", "highdicom", "safetensors",
)  # fmt: skip
READ_BYTES = 1 << 20


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file's bytes, read in pieces."""
    state = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(READ_BYTES):
            state.update(piece)
    return state.hexdigest()


def sha256_files(paths: Iterable[Path]) -> str:
    """Hex sha256 over several files' names and contents, in sorted order of name."""
    state = hashlib.sha256()
    for path in sorted(paths):
        state.update(f"{path.name}\0{sha256_file(path)}\n".encode())
    return state.hexdigest()


def sha256_bytes(content: bytes) -> str:
    """Hex sha256 of ``content``."""
    return hashlib.sha256(content).hexdigest()


def digest(value: Any) -> str:
    """Hex sha256 of a JSON-able value; key order does not matter."""
    return sha256_bytes(json.dumps(value, sort_keys=True, ensure_ascii=False).encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write so that a reader sees the old file or the whole new one: temporary, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """``write_bytes`` of UTF-8 text; line ends are written as they are."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """``write_bytes`` of indented UTF-8 JSON; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def versions() -> dict[str, str]:
    """Versions of Python, the platform and the packages that can change a number."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
