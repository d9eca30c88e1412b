"""docs/explanations.md: its example runs as it stands there, its table is that of the methods."""

import re
import subprocess
import sys
from pathlib import Path

from cystgrid import explain

PAGE = (Path(__file__).parents[2] / "docs" / "explanations.md").read_text("utf-8")


def test_the_example_runs(capsys):
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    found = {}
    exec(block, found)
    shown = capsys.readouterr().out
    assert "('image',) torch.Size([2, 1, 224, 224])" in shown
    assert "'rollout', 'gradient-rollout', 'grad-cam'" in shown
    assert "True 0.0" in shown
    assert len(found["found"].values[0, 0].unique()) == 4


def test_every_method_is_there_with_what_it_is():
    rows = re.findall(r"^\| `(.*?)` \|.*?\| (yes|no) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
    assert [row[0] for row in rows] == list(explain.METHODS)
    for name, specific, networks, values in rows:
        method = explain.METHODS[name]
        assert method.class_specific == (specific == "yes")
        assert method.signed == values.startswith("signed")
        assert {"attention": "plain ViTs", "any": "any"}.get(method.needs, networks) == networks
    for option in explain.Options.model_fields:
        assert f"`{option}`" in PAGE, option


def test_the_package_alone_stays_light():
    """`import cystgrid` loads no torch, and `explain` no captum before it is needed."""
    light = "import sys, cystgrid; assert 'torch' not in sys.modules"
    full = "from cystgrid import explain; assert explain.METHODS and 'captum' not in sys.modules"
    subprocess.run([sys.executable, "-c", f"{light}\n{full}"], check=True)
