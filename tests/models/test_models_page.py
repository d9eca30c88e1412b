"""docs/models.md: its example is run as it stands there, and its table is the registry's."""

import importlib
import re
import runpy
import sys
from pathlib import Path

from cystgrid.models.entries import MODELS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "models.md"


def test_the_example_of_adding_a_model_works(tmp_path, monkeypatch):
    """Its blocks, one after the other: a module with a model, and that model's test."""
    blocks = re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(blocks) == 2
    (tmp_path / "small_model.py").write_text(blocks[0])
    (tmp_path / "its_test.py").write_text(blocks[1])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(MODELS, "small", None)  # so that it is gone after this test
    try:
        importlib.import_module("small_model")
        runpy.run_path(str(tmp_path / "its_test.py"))
    finally:
        sys.modules.pop("small_model", None)


def test_the_page_is_the_registrys():
    made = runpy.run_path(str(ROOT / "docs" / "models.py"))["page"]()
    assert PAGE.read_text("utf-8") == made, "run `make structure`"
    for name in MODELS:
        assert f"| `{name}` |" in made
