"""The verb: what it refuses, and that nothing half-written is left."""

import json

import pytest
from typer.testing import CliRunner

from cystgrid.cli import app
from cystgrid.errors import StoreError, UsageError
from cystgrid.exports import export as verb
from cystgrid.exports.checking import Check
from cystgrid.exports.export import export_model
from cystgrid.exports.source import Source
from cystgrid.provenance import NOTICE, sha256_file


@pytest.fixture
def writes_a_file(monkeypatch):
    """Instead of a real graph, which takes seconds."""

    def write(source, folder, facts):
        (folder / "model.onnx").write_text("a graph")
        return Check(10, 2e-7, 3e-3), "## Use\nso"

    monkeypatch.setitem(verb.WRITERS, "onnx", write)


def test_the_folder_describes_itself(trained, tmp_path, writes_a_file):
    export_model(trained(), "onnx", tmp_path / "out", quiet=True)
    record = json.loads((tmp_path / "out" / "export.json").read_text())
    assert record["notice"] == NOTICE
    assert record["check"]["largest_difference"] == 2e-7
    assert record["calibration"]["temperature"] == 1.5
    assert record["model_sha256"] == sha256_file(trained() / "model.json")
    for name, expected in record["files"].items():
        assert sha256_file(tmp_path / "out" / name) == expected
    assert set(record["files"]) == {"README.md", "model.onnx"}
    text = (tmp_path / "out" / "README.md").read_text()
    assert NOTICE in text and "2.0e-07" in text and "3.0e-03" in text and "1.500" in text
    assert "p00" not in text + json.dumps(record)


def test_an_older_export_gives_way_and_nothing_else_does(trained, tmp_path, writes_a_file):
    out = tmp_path / "out"
    export_model(trained(), "onnx", out, quiet=True)
    export_model(trained(), "onnx", out, quiet=True)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"notes\.txt"):
        export_model(trained(), "onnx", out, quiet=True)
    assert (out / "notes.txt").read_text() == "mine"
    with pytest.raises(StoreError, match="a model"):
        export_model(trained(), "onnx", trained(), quiet=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="a file"):
        export_model(trained(), "onnx", tmp_path / "file", quiet=True)


def test_what_fails_leaves_the_older_export_and_no_other(trained, tmp_path, monkeypatch):
    def fail(source, folder, facts):
        (folder / "model.onnx").write_text("half")
        raise StoreError("model.onnx", got="a difference", expected="none", do="report it")

    monkeypatch.setitem(verb.WRITERS, "onnx", fail)
    with pytest.raises(StoreError, match="a difference"):
        export_model(trained(), "onnx", tmp_path / "out", quiet=True)
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_no_network_is_refused(trained, tmp_path):
    with pytest.raises(UsageError, match="majority, which is no network"):
        Source.take_up(trained("majority"))


def test_the_command_line(trained, tmp_path, writes_a_file):
    out = str(tmp_path / "out")
    done = CliRunner().invoke(app, ["export", str(trained()), "--to", "onnx", "-o", out])
    assert done.exit_code == 0 and "2.0e-07" in done.output and NOTICE in done.output
    done = CliRunner().invoke(app, ["export", str(tmp_path), "--to", "onnx", "-o", out])
    assert done.exit_code == 3 and done.stderr.count("\n") == 1
    done = CliRunner().invoke(app, ["export", str(trained()), "--to", "word", "-o", out])
    assert done.exit_code == 2
