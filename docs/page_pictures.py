"""Makes docs/page-box.png and docs/page-result.png: the page as a reader of a phantom sees it.

    python docs/page_pictures.py MODEL STUDY BOX

MODEL, a folder of DICOM files (the demo's ``new/scans/P001``), and the region in mm RAS+. Needs
Chromium.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

DOCS = Path(__file__).parent
EDGES = ("x0", "x1", "y0", "y1", "z0", "z1")
WIDTH, HEIGHT, MILLISECONDS = 1100, 1000, 120_000


@contextmanager
def link_of(model: Path, folder: Path) -> Iterator[str]:
    """A page of the model, until the end of the block."""
    command = [sys.executable, "-u", "-m", "cystgrid", "serve", str(model), "-o", str(folder),
               "--port", "0"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield next(filter(None, (re.search(r"http://\S+", line) for line in server.stdout)))[0]
        finally:
            server.send_signal(signal.SIGINT)


def main() -> None:
    """Drop the study, draw the box, read; a picture before and after."""
    model, study, box = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3].split(",")
    files = [str(path) for path in sorted(study.rglob("*.dcm"))]
    with (
        tempfile.TemporaryDirectory() as folder,
        link_of(model, Path(folder) / "studies") as link,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(MILLISECONDS)
        page.goto(link)
        page.set_input_files("#files", files)
        page.wait_for_url("**/studies/*")
        for name, edge in zip(EDGES, box, strict=True):
            page.fill(f"[name={name}]", edge)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=DOCS / "page-box.png", full_page=True)
        page.click("text=Read this study")
        page.wait_for_selector("#linked")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=DOCS / "page-result.png")
        browser.close()


if __name__ == "__main__":
    main()
