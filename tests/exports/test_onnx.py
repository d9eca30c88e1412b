"""A graph that says what the model says, described so that others can feed it."""

import json
import sys

import numpy as np
import onnx
import pytest

from cystgrid.errors import SettingsError, StoreError
from cystgrid.exports import checking
from cystgrid.exports import onnx as exporting
from cystgrid.exports.export import export_model
from cystgrid.exports.source import Source
from cystgrid.preparation.store import Store
from cystgrid.provenance import NOTICE, sha256_file
from cystgrid.training.deployed import load_model

NAME = "timm:test_vit"
"""timm's own smallest transformer."""


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "out"
    return export_model(trained(NAME, 2), "onnx", folder, quiet=True)


def test_real_patients_get_the_models_probabilities(exported, trained, small_cohort):
    store = Store.open(small_cohort)
    session = exporting.open_session(exported.folder / "model.onnx")
    for name in list(store.patients)[:4]:
        one = store.load(name)
        given = {
            "crop": one.crop[None],
            "percentiles": one.percentiles[None],
            "slices": np.array([one.crop.shape[1]]),
        }
        expected = load_model(trained(NAME, 2)).probabilities([one])
        np.testing.assert_allclose(session.run(None, given)[0], expected, atol=1e-5)


def test_the_report_holds_what_was_found(exported):
    assert 0 < exported.check.largest < 1e-5
    assert exported.check.answers == 0  # this model answers in float32
    text = exported.text()
    assert NOTICE in text and f"{exported.check.largest:.1e}" in text


def test_the_graph_says_what_it_is(exported, trained):
    graph = onnx.load(exported.folder / "model.onnx")
    said = {each.key: each.value for each in graph.metadata_props}
    assert said["notice"] == graph.doc_string == NOTICE
    assert json.loads(said["classes"]) == ["normal", "low", "high"]
    assert said["model_sha256"] == sha256_file(trained(NAME, 2) / "model.json")
    assert json.loads(said["calibration"])["temperature"] == 1.5
    crop = graph.graph.input[0]
    assert "foot to head" in crop.doc_string and "T1 AND T2" in crop.doc_string
    sizes = [dim.dim_value or dim.dim_param for dim in crop.type.tensor_type.shape.dim]
    assert sizes == ["batch", 2, "slice", 16, 16]


def test_no_path_of_this_machine_is_in_it(exported, trained):
    content = (exported.folder / "model.onnx").read_bytes()
    for trace in (b"site-packages", b"/src/", str(trained(NAME, 2).parent).encode()):
        assert trace not in content


def test_large_weights_lie_beside_the_graph(trained, tmp_path, monkeypatch):
    source = Source.take_up(trained(NAME, 1))
    graph = onnx.ModelProto()
    monkeypatch.setattr(exporting, "_graph", lambda source: graph)
    monkeypatch.setattr(exporting, "_describe", lambda *args: None)
    monkeypatch.setattr(exporting, "LARGEST_FILE", 10)
    monkeypatch.setattr(exporting, "check_exported", lambda source, run, what: run)
    weight = onnx.numpy_helper.from_array(np.ones((40, 40), np.float32), "weight")
    output = onnx.helper.make_tensor_value_info("probabilities", 1, [40, 40])
    graph.CopyFrom(
        onnx.helper.make_model(
            onnx.helper.make_graph(
                [onnx.helper.make_node("Identity", ["weight"], ["probabilities"])],
                "one", [], [output], [weight],
            ),
            opset_imports=[onnx.helper.make_opsetid("", exporting.OPSET)], ir_version=10,
        )
    )  # fmt: skip
    exporting.write_onnx(source, tmp_path, {})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.onnx", "model.onnx.data"]
    found = exporting.open_session(tmp_path / "model.onnx").run(None, {})[0]
    np.testing.assert_array_equal(found, np.ones((40, 40)))


def test_without_the_extra_the_message_names_it(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SettingsError, match=r"cystgrid\[export\]"):
        export_model(trained(NAME, 1), "onnx", tmp_path / "out", quiet=True)
    assert not list(tmp_path.iterdir())


def test_an_export_that_says_something_else_is_refused(trained):
    source = Source.take_up(trained(NAME, 1))
    rows = iter([*[source.expected[n : n + 1] for n in range(len(source.cases))], source.expected])
    true = checking.check_exported(source, lambda *given: next(rows), "it")
    assert true.largest == 0
    for wrong in (source.expected + 2e-4, np.full_like(source.expected, np.nan)):
        with pytest.raises(StoreError, match="it: got probabilities that differ"):
            checking.check_exported(
                source, lambda crop, *rest, wrong=wrong: wrong[: len(crop)], "it"
            )
