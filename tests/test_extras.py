"""What an install without extras can do, and what it says of the rest; what is declared is used."""

import ast
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import nibabel as nib
import numpy as np
import pytest
from packaging.utils import canonicalize_name

import bare_process
from bare_process import EXTRAS, NAME, REQUIRED, ROOT
from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.errors import SettingsError
from cystgrid.explanations.relevance import METHODS
from cystgrid.extras import Extra, require
from cystgrid.models.entries import MODELS
from test_cli import STUDY

FOUND_BY_OTHERS = {
    "onnxscript": "torch's exporter imports it",
    "pyjpegls": "pydicom's decoder of JPEG-LS",
    "pylibjpeg": "pydicom's decoders of JPEG and JPEG 2000",
    "pylibjpeg-openjpeg": "pylibjpeg's decoder of JPEG 2000",
    "python-multipart": "starlette's reader of forms",
}
"""Declared, and imported nowhere in src: for whom they are."""

OWNERS = importlib.metadata.packages_distributions()
SOURCES = sorted((ROOT / "src/cystgrid").rglob("*.py"))
DECLARED = REQUIRED.union(*(names for extra, names in EXTRAS.items() if extra != "dev")) - {NAME}


def imported(code):
    """The distributions that a source file's imports need, those inside functions too."""
    modules = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            modules |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules.add(node.module.partition(".")[0])
    others = modules - set(sys.stdlib_module_names) - {"cystgrid", "_typeshed"}
    return {canonicalize_name(OWNERS.get(module, [module])[0]) for module in others}


def test_what_is_imported_is_declared_and_what_is_declared_is_used():
    used = set().union(*(imported(path.read_text("utf-8")) for path in SOURCES))
    assert used - DECLARED == set()
    assert DECLARED - used == set(FOUND_BY_OTHERS)


def test_an_import_that_is_not_declared_would_be_found():
    code = "def f():\n    from hypothesis import given\n    import numpy.linalg"
    assert imported(code) - DECLARED == {"hypothesis"}


def test_the_extras_are_those_of_the_messages_and_all_is_all_of_them():
    named = set(get_args(Extra))
    assert set(EXTRAS) == named | {"all", "dev"}
    texts = bare_process.PROJECT["optional-dependencies"]
    assert texts["all"] == [f"cystgrid[{','.join(sorted(named))}]"]


def asked_for():
    """``(extra, package)`` of every call of ``require`` in src, and of models and methods."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "require":
                extra, packages = node.args[0].value, node.args[2:]
                yield from ((extra, w.value) for w in packages if isinstance(w, ast.Constant))
    yield from (("systems", package) for entry in MODELS.values() for package in entry.packages)
    yield from (
        ("attribution", package) for method in METHODS.values() for package in method.packages
    )


def test_the_extra_that_a_message_names_brings_the_package():
    asked = set(asked_for())
    assert {extra for extra, _ in asked} == set(get_args(Extra))
    for extra, package in asked:
        assert canonicalize_name(OWNERS[package][0]) in EXTRAS[extra], (extra, package)


def test_a_package_that_is_not_there_is_named():
    require("search", "search.method", "numpy")
    with pytest.raises(SettingsError, match=r"no package nowhere.*cystgrid\[search\]', or wait"):
        require("search", "search.method", "nowhere", or_else="wait")


def run_bare(commands):
    """Exit code and output of each command, where only what is required can be imported."""
    done = subprocess.run(
        [sys.executable, bare_process.__file__], input=json.dumps(commands), text=True,
        capture_output=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """What the commands are given."""
    folder = tmp_path_factory.mktemp("bare")
    write_phantom_cohort(folder / "phantoms", patients=9, seed=4, reduction=3.0)
    write_phantom_cohort(folder / "new", patients=1, seed=5, reduction=3.0, image_format="dicom")
    (folder / "study.toml").write_text(STUDY)
    (folder / "optuna.toml").write_text(
        STUDY + '[search]\nmethod = "optuna"\n[search.space]\nlearning_rate = [1e-4, 1e-3]\n'
    )
    (folder / "archive.toml").write_text('protocol = "dicomweb"\n[dicomweb]\nurl = "http://[::1]/"')
    image = nib.Nifti1Image(np.zeros((4, 4, 3), np.int16), np.eye(4))
    (folder / "cyst-x/IPMN_Classification").mkdir(parents=True)
    for place in ("t1/images", "t1/masks", "t2/images", "t2/masks"):
        (folder / "cyst-x/IPMN_images_masks" / place).mkdir(parents=True)
        nib.save(image, folder / "cyst-x/IPMN_images_masks" / place / "a.nii.gz")
    return folder


def main_path(world):
    """Every stage of the journey, from DICOM and NIfTI to a report."""
    prepared, run, model = (str(world / name) for name in ("prepared", "run", "model"))
    study, new = ["--study", str(world / "study.toml")], str(world / "new/cohort.csv")
    here = ["--workers", "0", "--quiet"]
    return [
        ["prepare", str(world / "phantoms/cohort.csv"), "-o", prepared, *study, *here],
        ["crossval", prepared, "-o", run, *study, "--models", "vit", *here],
        ["tables", run],
        ["explain", run, prepared, "--figure", "3"],
        ["report", run, "--prepared", prepared],
        ["train", prepared, "-o", model, *study, "--model", "resnet18", *here],
        ["predict", model, new, "-o", str(world / "answer"), "--dicom-out", str(world / "dicom")],
        ["explain", model, new, "-o", str(world / "maps")],
        ["export", model, "--to", "timm", "-o", str(world / "timm")],
        ["verify", run, model, prepared],
    ]


def beyond(world):
    """Commands that an extra is for, by its name."""
    prepared, model, run = str(world / "prepared"), str(world / "model"), str(world / "run")
    out, study = str(world / "out"), ["--study", str(world / "study.toml")]
    crossval = ["crossval", prepared, "-o", out, "--workers", "0"]
    archive = str(world / "archive.toml")
    return [
        ("attribution", ["explain", model, str(world / "new/cohort.csv"), "-o", out,
                         "--method", "integrated-gradients"]),
        ("attribution", ["explain", run, prepared, "--check"]),
        ("cluster", [*crossval, *study, "--engine", "ray"]),
        ("export", ["export", model, "--to", "onnx", "-o", out]),
        ("export", ["export", model, "--to", "monai-bundle", "-o", out]),
        ("pacs", ["pacs", "find", "--settings", archive]),
        ("page", ["serve", model, "-o", out]),
        ("search", [*crossval, "--study", str(world / "optuna.toml")]),
        ("sheets", ["cohort", "import", "cyst-x", str(world / "cyst-x"), "-o", out + ".csv"]),
        ("systems", [*crossval, *study, "--models", "densenet121-3d"]),
        ("systems", [*crossval, *study, "--models", "cnn-svm"]),
        ("systems", ["train", prepared, "-o", out, *study, "--model", "cnn-svm"]),
    ]  # fmt: skip


def test_without_extras_the_journey_is_whole_and_the_rest_says_what_it_needs(world):
    """One process, so that torch is imported once."""
    journey, rest = main_path(world), beyond(world)
    verbs = [["--help"], *([words[0], "--help"] for words in journey)]
    said = run_bare([*verbs, *journey, *(words for _, words in rest)])
    for words, (code, output) in zip([*verbs, *journey], said, strict=False):
        assert code == 0, (words, output)
    for (extra, words), (code, output) in zip(rest, said[len(verbs) + len(journey) :], strict=True):
        plain = " ".join(output.split())
        assert code == 3, (words, output)
        assert f"pip install 'cystgrid[{extra}]'" in plain, (words, output)
    assert not (world / "out").exists() or not list((world / "out").iterdir())


def test_the_control_a_required_package_is_missed_where_it_is_hidden(monkeypatch):
    """The process really cannot import what it does not have."""
    monkeypatch.setitem(bare_process.PROJECT, "dependencies", ["rich", "typer"])
    assert {"numpy", "torch", "pydicom"} <= bare_process.hidden()
    monkeypatch.setattr(bare_process.Without, "gone", frozenset({"wave"}))
    assert bare_process.Without.find_spec("wave") is None
    assert bare_process.Without.find_spec("chunk") is not None
    assert Path(bare_process.Without.find_spec("json").origin).is_file()
