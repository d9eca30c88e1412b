"""The manual's code blocks run, page after page, in one folder: what a reader types works.

A fenced block is run: ``sh`` as commands, ``python`` as a program, ``toml`` with a title is that
file. Phantoms are coarser than the reader's, and work is done in this process, for other tests run
beside it; nothing else differs. What needs another's machine is indented or ``text``, and is not
run.
"""

import contextlib
import functools
import io
import re
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest
from openpyxl import Workbook
from typer.testing import CliRunner

from cystgrid.cli import app
from cystgrid.cohort import phantom

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WALK = ("five-minutes", "own-cohort", "cyst-x", "one-patient", "reading-maps", "adding-a-model")
"""Pages that are walked in this order: each goes on with what the ones before have made."""

RUN, SHOWN = ("sh", "python", "toml"), ("text",)
ELSEWHERE = {
    "explanations": "test_explain.py",
    "models": "models/test_page.py",
    "pacs": "pacs/test_pacs_settings.py",
}
"""Pages whose blocks another test runs."""

COARSE = 4.0
"""The reader's phantoms with pixels so much larger: made and prepared in less time."""

CLASSES = {"normal": 0, "low": 1, "high": 2}


def blocks(page):
    """Language, title and text of every fenced block."""
    return [(found[1], found[2], found[3]) for found in BLOCK.finditer(read(page))]


def read(page):
    return (DOCS / f"{page}.md").read_text("utf-8")


def shaped_like_cyst_x(phantoms, root):
    """The phantoms in the places, and with the sheets, of the public data set."""
    rows, names = pd.read_csv(phantoms / "cohort.csv"), []
    for number, row in rows.iterrows():
        name = f"{('NU', 'MCF')[number % 2]}_{number + 1:02d}"
        names.append((name, CLASSES[row["label"]]))
        for kind in ("t1", "t2"):
            place = root / "IPMN_images_masks" / kind
            for folder, source in (("images", row[kind]), ("masks", row["roi"])):
                (place / folder).mkdir(parents=True, exist_ok=True)
                shutil.copy(phantoms / source, place / folder / f"{name}.nii.gz")
    sheets = root / "IPMN_Classification"
    sheets.mkdir()
    for kind in ("_t1", "_t2", ""):  # the sheet of pairs has a column more
        book = Workbook()
        scans = 1 if kind else 2
        book.active.append([*["name"] * scans, "sex", "age", "a", "b", "risk"])
        for name, risk in names:
            book.active.append([*[name] * scans, "", 60, "", "", risk])
        book.save(sheets / f"IPMN_labels{kind}_total.xlsx")


def run(language, title, text):
    if language == "toml":
        Path(title).write_text(text, "utf-8")
    elif language == "python":
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, "the manual", "exec"), {"__name__": "__main__"})
    else:
        for line in filter(None, map(str.strip, text.splitlines())):
            program, *words = shlex.split(line, comments=True)
            assert program == "cystgrid", line
            done = CliRunner().invoke(app, words)
            assert done.exit_code == 0, (line, done.output)


def test_what_a_reader_types_works(tmp_path, monkeypatch, no_workers, record_property):
    coarse = functools.partial(phantom.write_phantom_cohort, reduction=COARSE)
    monkeypatch.setattr(phantom, "write_phantom_cohort", coarse)
    monkeypatch.chdir(tmp_path)
    count = 0
    for page in WALK:
        if page == "cyst-x":
            shaped_like_cyst_x(tmp_path / "phantoms", tmp_path / "Cyst-X")
        for language, title, text in blocks(page):
            if language in RUN:
                run(language, title, text)
                count += 1
    assert count > 15
    record_property("figure", f"{count} blocks of the manual were run")


@pytest.mark.parametrize("page", sorted(path.stem for path in DOCS.glob("*.md")))
def test_every_block_is_run_or_only_shown(page):
    for language, title, text in blocks(page):
        assert language in (*RUN, *SHOWN), (page, language)
        if language in RUN:
            assert page in WALK or page in ELSEWHERE, f"{page}: nobody runs {text[:60]!r}"
        if language == "toml" and page in WALK:
            assert title, f"{page}: a file without a name"


def test_every_picture_of_the_manual_is_there_and_has_words():
    for path in DOCS.glob("*.md"):
        for words, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", path.read_text("utf-8")):
            assert words, (path.name, target)
            assert (DOCS / target).is_file(), (path.name, target)
