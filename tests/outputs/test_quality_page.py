"""The quality page: one file, nothing from outside, everybody on it, nothing taken for markup."""

import base64
import hashlib
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from cystgrid.cohort.findings import Finding
from cystgrid.cohort.likeness import Copies
from cystgrid.outputs.quality.check_page import check_page, write_check_page
from cystgrid.outputs.quality.check_text import check_lines
from cystgrid.outputs.quality.page import CARDS_A_PAGE, render_page
from cystgrid.outputs.quality.pictures import outline_path, picture
from cystgrid.outputs.quality.prepared_page import (
    PreparedFacts,
    Refusal,
    prepared_facts,
    write_prepared_page,
)
from cystgrid.preparation.check import CohortCheck
from cystgrid.preparation.check_row import RowCheck
from cystgrid.preparation.facts import RoiFacts, ScanFacts
from cystgrid.preparation.groups import Group
from cystgrid.preparation.outliers import Outlier
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.thumbnail import Thumbnail
from cystgrid.provenance import NOTICE

HOSTILE = "<script>alert(1)</script>\"'&amp;"


def thumbnail(name="t1", seed=0):
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:80, 0:112]
    body = ((rows - 40) / 36) ** 2 + ((columns - 56) / 50) ** 2 < 1
    grey = body * (120 + 40 * np.sin(rows / 5) * np.cos(columns / 7)) + random.normal(
        0, 9, (80, 112)
    )
    mask = ((rows - 35) / 9) ** 2 + ((columns - 50) / 20) ** 2 < 1
    return Thumbnail(name, grey.clip(0, 255).astype(np.uint8), mask, 3.0)


def row(line, name, center="alpha", thumbnails=()):
    scans = tuple(
        ScanFacts(m, (256, 192, 30), (1.4, 1.4, 6.5), "axial", 2.0, (0.0, 80.0, 700.0), 1500.0)
        for m in ("t1", "t2")
    )
    roi = RoiFacts("mask", 42.0, (120.0, 60.0, 70.0), {"t1": 100.0, "t2": 100.0})
    return RowCheck(line, name, "low", center, name, scans, roi, 87.0, tuple(thumbnails))


def check(rows, **found):
    empty = {
        "problems": (),
        "warnings": (),
        "copies": (),
        "groups": (),
        "outliers": (),
        "notes": (),
    }
    return CohortCheck(tuple(rows), **(empty | found), excluded={}, seconds=1.0)


@pytest.fixture(scope="module")
def full():
    """A little of everything."""
    pictures = (thumbnail("t1", 1), thumbnail("t2", 2))
    rows = [row(2, "p1", thumbnails=pictures), row(3, HOSTILE, "beta", pictures), row(4, "p3")]
    return check(
        rows,
        problems=(Finding(4, "p3", "t1", "does not exist"), Finding(9, "", "", "holds 3 cells")),
        warnings=(Finding(3, HOSTILE, "roi", "lies on neither scan's grid."),),
        copies=(Copies("same voxels", (("p1", "t1"), (HOSTILE, "t1"))),),
        groups=(Group((HOSTILE, "p1"), "ids"),),
        outliers=(Outlier(2, "t2", "slice spacing", 6.5, 8.0, 3.0, "alpha"),),
        notes=("5 of 5 patients have one DICOM patient id.",),
    )


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def cards(self):
        return [a["data-patient"] for a in self.all("article")]


def test_everybody_and_everything_found_stands_on_the_page(full):
    page = Page(render_page(check_page(full)))
    assert page.cards() == ["p1", HOSTILE, "p3"]
    assert len(page.all("img")) == 4
    assert NOTICE in page.text
    for words in (
        "does not exist", "holds 3 cells", "lies on neither", "same voxels", "slice spacing 6.5 mm",
        "no scan could be read", "5 of 5 patients",
    ):  # fmt: skip
        assert words in page.text
    assert page.text.index("Problems") < page.text.index("Geometry")


def test_the_outlying_cell_is_marked_with_a_sign_and_its_reason(full):
    (cell,) = [a for a in Page(render_page(check_page(full))).all("td") if "title" in a]
    assert "warning" in cell["class"]
    assert "far above the median of centre alpha" in cell["title"]
    assert "▲" in render_page(check_page(full))


def test_no_text_becomes_markup(full):
    page = Page(render_page(check_page(full)))
    assert len(page.all("script")) == 1
    assert len(page.all("article")) == 3


def test_nothing_is_asked_of_a_network_and_only_our_script_may_run(full):
    html = render_page(check_page(full))
    page = Page(html)
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "data", "srcset", "style", "onclick"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/jpeg;", "#")), (tag, name)
    assert not re.search(r"https?://|url\(|@import", html)
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag in ("script", "style"):
        inside = re.search(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_the_same_findings_give_the_same_bytes(full, tmp_path):
    write_check_page(full, tmp_path / "one.html")
    write_check_page(full, tmp_path / "two.html")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_an_empty_check_says_so():
    page = Page(render_page(check_page(check([]))))
    assert "No problem was found." in page.text
    assert page.cards() == []
    assert "0 patients read" in check_lines(check([]))


def test_a_thousand_patients_stay_small(tmp_path):
    pair = [(thumbnail("t1", n), thumbnail("t2", n + 50)) for n in range(10)]
    rows = [row(n + 2, f"p{n:04d}", f"c{n % 7}", pair[n % 10]) for n in range(1000)]
    write_check_page(check(rows), tmp_path / "check.html")
    assert (tmp_path / "check.html").stat().st_size < 15e6
    assert len(Page((tmp_path / "check.html").read_text("utf-8")).cards()) == 1000


def test_a_picture_shows_the_pixels_and_holds_nothing_else():
    made = picture(thumbnail(), "p1")
    content = base64.b64decode(made.uri.removeprefix("data:image/jpeg;base64,"))
    image = Image.open(io.BytesIO(content))
    shown = np.asarray(image).astype(float)
    assert image.mode == "L"
    assert (made.width, made.height) == image.size == (112, 80)
    assert np.abs(shown - thumbnail().pixels).mean() < 6
    assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert picture(thumbnail(), "p1") == made


def area(path):
    """Of closed curves in half pixels, by the shoelace formula, in pixels."""
    total = 0.0
    for curve in filter(None, path.split("z")):
        steps = [tuple(map(int, step.split())) for step in curve.replace("M", "").split("l")]
        points = np.cumsum(steps, axis=0)
        x, y = points.T
        total += (np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    return abs(total) / 4


@pytest.mark.parametrize("hole", [False, True])
def test_an_outline_encloses_its_mask(hole):
    rows, columns = np.mgrid[0:60, 0:80]
    mask = ((rows - 30) / 20) ** 2 + ((columns - 30) / 28) ** 2 < 1
    if hole:
        mask &= ~(((rows - 30) / 8) ** 2 + ((columns - 30) / 8) ** 2 < 1)
    path = outline_path(mask)
    assert path.count("M") == path.count("z") == (2 if hole else 1)
    assert area(path) == pytest.approx(mask.sum(), rel=0.03)
    assert outline_path(np.zeros((5, 5), dtype=bool)) == ""


def test_an_outline_lies_where_its_mask_does():
    mask = np.zeros((20, 30), dtype=bool)
    mask[0:4, 10:16] = True  # reaches the upper edge
    steps = outline_path(mask).removesuffix("z").replace("M", "").split("l")
    x, y = (np.cumsum([tuple(map(int, step.split())) for step in steps], axis=0) / 2).T
    assert (x.min(), x.max(), y.min(), y.max()) == (10, 16, 0, 4)


def test_the_terminal_tells_problems_first(full):
    lines = check_lines(full).splitlines()
    assert lines[0].startswith("3 patients read, 2 without a problem; 2 problems, 1 warning")
    problems = lines.index("Problems")
    assert lines[problems + 1] == "  line 4: p3: t1 does not exist"
    assert lines[problems + 2] == "  line 9: holds 3 cells"
    assert lines.index("Geometry") < lines.index("Copies") < lines.index("Warnings")


def test_thousands_of_findings_are_cut_with_their_number():
    many = check([], problems=tuple(Finding(n, "", "t1", "does not exist") for n in range(5000)))
    assert "... and 4800 more" in check_lines(many)
    assert "3000 more are not shown" in Page(render_page(check_page(many))).text


def prepared(name="p1"):
    crop = np.random.default_rng(0).normal(100, 20, (2, 9, 64, 64)).astype(np.float32)
    lesion = np.zeros((9, 64, 64), dtype=np.float32)
    lesion[4, 20:40, 20:40] = 1
    return PreparedPatient(
        name, "low", "alpha", name, crop, np.zeros((2, 11)), np.diag([1.5, 1.0, 6.0, 1.0]),
        ("t1: covers 91.2% of the crop; the rest is 0.",),
        {"overlap_percent": 88.2, "t1_coverage": 0.912, "residual_mm": 1.4, "residual_x_mm": 1.0},
        lesion,
    )  # fmt: skip


def test_what_was_prepared_and_who_was_refused(tmp_path):
    facts = prepared_facts(prepared(), ("t1", "t2"), line=2)
    other = PreparedFacts("p2", None, "beta", (), {"overlap_percent": 70.0}, ())
    path = tmp_path / "prepared.html"
    write_prepared_page([facts, other], [Refusal("p3", "t1: got nothing", 4)], path)
    page = Page(path.read_text("utf-8"))
    assert page.cards() == ["p1", "p2"]
    assert len(page.all("img")) == len(page.all("path")) == 2
    for words in (
        "T1 coverage %", "91.2", "Overlap %", "Residual mm", "1.4", "p3", "t1: got nothing",
        "the rest is 0.", "All 2 patients",
    ):  # fmt: skip
        assert words in page.text, words
    assert "Residual x" not in page.text


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium: no browser to try it in")
def test_in_a_browser_the_sheet_is_paged(tmp_path):
    """The script runs under its own policy: one page of cards is shown, and the filters appear."""
    rows = [row(n + 2, f"p{n:04d}", thumbnails=(thumbnail(),)) for n in range(CARDS_A_PAGE + 5)]
    write_check_page(check(rows), tmp_path / "check.html")
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--dump-dom",
        f"--user-data-dir={tmp_path}/c",
    ]
    done = subprocess.run(
        [*command, (tmp_path / "check.html").as_uri()], capture_output=True, timeout=60, check=True
    )
    page = Page(done.stdout.decode("utf-8"))
    assert sum("hidden" in a for a in page.all("article")) == 5
    assert "hidden" not in page.all("form")[0]
    assert "1–48 of 53 patients" in page.text  # noqa: RUF001
