"""Fitted classical models as bytes: skops for scikit-learn's parts, safetensors, JSON; no pickle.

The same content always gives the same bytes: archives carry no time, and the addresses by which
skops tells objects apart are renumbered in the order in which they appear.
"""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from cystgrid.errors import StoreError
from cystgrid.extras import require

TRUSTED = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)
"""What skops may build beside scikit-learn's public classes: all that our own models hold."""

SCHEMA = "schema.json"
"""skops' own name of its description of an object."""

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip archive can carry."""

ZIP, DENSE = zipfile.ZIP_DEFLATED, ".safetensors"
"""Weights are as good as random: compressing them takes long and gains nothing."""

ADDRESS, LOADER, PLAIN, ARRAY_FILE = "__id__", "__loader__", "JsonNode", "file"
"""skops' keys; a plain value's address says only which values happened to share memory."""


def pack(parts: Mapping[str, bytes]) -> bytes:
    """Several named pieces as one; equal pieces give equal bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in sorted(parts):
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_STORED if name.endswith(DENSE) else ZIP
            archive.writestr(info, parts[name], compresslevel=1)
    return content.getvalue()


def unpack(content: bytes) -> dict[str, bytes]:
    """The pieces that ``pack`` put together.

    Raises:
        StoreError: the content is something else.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
        raise _not_ours(error) from error


def dump_sklearn(fitted: Any) -> bytes:
    """A scikit-learn object, or dictionaries and lists of some.

    Raises:
        SettingsError: skops is not installed.
    """
    parts = unpack(_skops().dumps(fitted))
    schema = json.loads(parts.pop(SCHEMA))
    count = itertools.count()
    files: dict[str, str] = {}
    _renumber(schema, count, {}, files)
    arrays = {files[name]: _without_padding(part) for name, part in parts.items()}
    return pack({SCHEMA: json.dumps(schema).encode(), **arrays})


def _without_padding(part: bytes) -> bytes:
    """A stored array; between the fields of a tree's nodes lies whatever was in memory before."""
    array = np.load(io.BytesIO(part), allow_pickle=False)
    if array.dtype.names is None:
        return part
    clean = np.zeros(array.shape, dtype=array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    content = io.BytesIO()
    np.save(content, clean, allow_pickle=False)
    return content.getvalue()


def _renumber(
    node: Any, count: Iterator[int], numbers: dict[int, int], files: dict[str, str]
) -> None:
    """Number objects, and the files of arrays, in the order in which the description names them."""
    if isinstance(node, list):
        for part in node:
            _renumber(part, count, numbers, files)
        return
    if not isinstance(node, dict):
        return
    if node.get(LOADER) == PLAIN:
        node[ADDRESS] = next(count)
        return
    if ADDRESS in node:
        address = node[ADDRESS]
        if address not in numbers:
            numbers[address] = next(count)
        node[ADDRESS] = numbers[address]
    if isinstance(node.get(ARRAY_FILE), str):
        node[ARRAY_FILE] = files.setdefault(node[ARRAY_FILE], f"{len(files)}.npy")
    for part in node.values():
        _renumber(part, count, numbers, files)


def load_sklearn(content: bytes) -> Any:
    """Take up what ``dump_sklearn`` gave; nothing but known classes is built.

    Raises:
        SettingsError: skops is not installed.
        StoreError: the content is something else.
    """
    skops = _skops()
    try:
        return skops.loads(content, trusted=list(TRUSTED))
    except Exception as error:  # damaged archives raise errors of every kind there
        raise _not_ours(error) from error


def _skops() -> Any:
    """The package's reader and writer; of the extra ``systems``."""
    require("systems", "a fitted model", "skops")
    import skops.io

    return skops.io


def dump_json(value: Any) -> bytes:
    """A JSON-able value; key order does not matter."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False).encode()


def load_json(content: bytes) -> Any:
    """Take up what ``dump_json`` gave.

    Raises:
        StoreError: the content is something else.
    """
    try:
        return json.loads(content)
    except ValueError as error:
        raise _not_ours(error) from error


def _not_ours(error: Exception) -> StoreError:
    return StoreError(
        "a fitted model",
        got=f"{type(error).__name__} on reading",
        expected="what was written when it was fitted",
        do="restore the file, or fit the model again",
    )
