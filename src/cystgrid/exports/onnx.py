"""A deployed model as one ONNX graph: from a prepared crop to the members' mean probabilities."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.export import Dim

from cystgrid.exports.checking import Check, check_exported
from cystgrid.exports.graph import Whole
from cystgrid.exports.source import Source
from cystgrid.extras import require

if TYPE_CHECKING:
    from onnx import ModelProto

GRAPH = "model.onnx"
INPUTS = ("crop", "percentiles", "slices")
OUTPUT = "probabilities"

OPSET = 20
"""ONNX Runtime has read it since 1.17 (2024)."""

LARGEST_FILE = 2**31 - 2**20
"""Bytes of weights that one protobuf file can hold; more lie beside it."""

Session = Any
"""onnxruntime's, which has no types."""


def write_onnx(source: Source, folder: Path, about: dict[str, Any]) -> Check:
    """Write ``folder/model.onnx`` and ask ONNX Runtime what it says.

    Args:
        source: the model.
        folder: there already, empty.
        about: what the file says of itself; values that are no text stand there as JSON.

    Raises:
        SettingsError: the extra ``export`` is not installed.
        StoreError: the graph says something else than the model.
    """
    require("export", "--to onnx", "onnx", "onnxruntime", "onnxscript")
    graph = _graph(source)
    _describe(graph, source, about)
    path = folder / GRAPH
    _save(graph, path)
    return check_exported(source, _runner(path), GRAPH)


def _graph(source: Source) -> ModelProto:
    """The whole model, traced with two patients; batch and slices stay open."""
    whole = Whole(source.preparation(), source.ensemble()).eval()
    two = source.tensors([source.cases[1], source.cases[2]])
    batch, slices = Dim("batch"), Dim("slice")
    with _quiet():
        program = torch.onnx.export(
            whole,
            two,
            dynamo=True,
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_shapes=({0: batch, 2: slices}, {0: batch}, {0: batch}),
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    graph: ModelProto = program.model_proto
    return graph


def _describe(graph: ModelProto, source: Source, about: dict[str, Any]) -> None:
    """Metadata in; traces of this machine's folders, which torch leaves at every node, out."""
    from onnx.helper import set_model_props

    parts = [graph.graph, *graph.functions]
    for part in parts:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
        values = [*part.value_info, *part.input, *part.output] if part is graph.graph else []
        for each in (*part.node, *values):
            each.ClearField("metadata_props")
            each.ClearField("doc_string")
    words = describe_inputs(source)
    for each in graph.graph.input:
        each.doc_string = words[each.name]
    graph.graph.output[0].doc_string = describe_output(source)
    graph.producer_name, graph.producer_version = "cystgrid", about["versions"]["cystgrid"]
    graph.doc_string = about["notice"]
    set_model_props(
        graph,
        {
            name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for name, value in about.items()
        },
    )


def describe_inputs(source: Source) -> dict[str, str]:
    """Shape, order of axes and unit of every input."""
    names, pixels = " and ".join(source.channels).upper(), source.prepared
    return {
        "crop": (
            f"float32 (batch, {len(source.channels)}, slice, {pixels}, {pixels}): {names} in this "
            "order, corrected, smoothed and cropped by `cystgrid prepare`, in the scanner's "
            "own units, not standardised; slices from foot to head, rows from anterior to "
            "posterior, columns from the patient's right to left; NaN throughout for a scan that "
            "there is not. All slices of the crop: the graph takes the central ones."
        ),
        "percentiles": (
            f"float64 (batch, {len(source.channels)}, 11): percentiles 1, 10, 20, ..., 90, 99 of "
            "each whole corrected scan's voxels above its mean, as `cystgrid prepare` stores them; "
            "NaN for a scan that there is not."
        ),
        "slices": (
            "int64 (batch,): each patient's own number of slices. A batch is as deep as its "
            "deepest patient; the others repeat their last slice up to there."
        ),
    }


def describe_output(source: Source) -> str:
    """Shape and order of the probabilities."""
    classes = source.model.classes
    return (
        f"float32 (batch, {len(classes)}): mean over {len(source.members)} members of the "
        f"probabilities of {', '.join(classes)}, in this order; not calibrated"
    )


def _save(graph: ModelProto, path: Path) -> None:
    import onnx

    size = sum(len(each.raw_data) for each in graph.graph.initializer)
    if size <= LARGEST_FILE:
        onnx.save_model(graph, str(path))
    else:
        beside = f"{path.name}.data"
        onnx.save_model(graph, str(path), save_as_external_data=True, location=beside)
    onnx.checker.check_model(str(path), full_check=True)


def open_session(path: Path, threads: int = 1) -> Session:
    """The graph in ONNX Runtime, on the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _runner(path: Path) -> Any:
    session = open_session(path)

    def run(crop: Tensor, percentiles: Tensor, slices: Tensor) -> NDArray[np.float64]:
        given = (crop.numpy(), percentiles.numpy(), slices.numpy())
        answers = session.run([OUTPUT], dict(zip(INPUTS, given, strict=True)))[0]
        return np.asarray(answers, dtype=np.float64)

    return run


@contextmanager
def _quiet() -> Iterator[None]:
    """Within it, the exporter keeps to itself what only its developers can act on."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
