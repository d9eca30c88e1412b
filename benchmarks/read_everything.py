"""What cystgrid says of everything that lies in a folder: read, or refused and why, in one table.

    python benchmarks/read_everything.py FOLDER > table.md

A folder that holds one DICOM series is read as a scan; every other file is tried by itself. The
last line counts. Whatever is no ``ScanError`` ends the run with a traceback: that would be a bug.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pydicom import config

from cystgrid.errors import ScanError
from cystgrid.scans.dicom import is_dicom
from cystgrid.scans.reading import read_scan

FEWEST_SLICES = 3
"""DICOM files in one folder, without sub-folders, from which on it is tried as one series."""


def units(root: Path) -> Iterator[Path]:
    """Folders that look like one series, and single files."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    folders = Counter(path.parent for path in files)
    done: set[Path] = set()
    for path in files:
        folder = path.parent
        if folder in done:
            continue
        if folders[folder] >= FEWEST_SLICES and is_series(folder):
            done.add(folder)
            yield folder
        else:
            yield path


def is_series(folder: Path) -> bool:
    """Whether all of a folder's files are DICOM under names of one kind, as an export writes."""
    files = [path for path in folder.iterdir() if path.is_file()]
    shapes = {"".join("9" if c.isdigit() else c for c in path.name) for path in files}
    return len(shapes) == 1 and all(is_dicom(path) for path in files)


def kind(path: Path) -> str:
    """What lies there, in a few words."""
    if path.is_dir():
        return f"DICOM series, {sum(1 for _ in path.iterdir())} files"
    if path.name.lower().endswith((".nii", ".nii.gz")):
        return "NIfTI by its name"
    return "DICOM file" if is_dicom(path) else "another file"


def said(path: Path) -> tuple[bool, str]:
    """Whether it is read, and what is said of it."""
    try:
        scan = read_scan(path)
    except ScanError as error:
        hidden = error.naming(lambda file: file.name)
        field = hidden.where.removeprefix(path.name).strip(": ")
        return False, f"{field + ': ' if field else ''}got {hidden.got}; expected {hidden.expected}"
    size = " x ".join(map(str, scan.shape))
    spacing = " x ".join(f"{step:.3g}" for step in scan.spacing)
    return True, " ".join([f"{size} voxels of {spacing} mm.", *scan.notes])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    root: Path = parser.parse_args().folder
    config.settings.reading_validation_mode = config.IGNORE
    lines, counts, start = [], Counter[bool](), time.perf_counter()
    for path in units(root):
        read, text = said(path)
        counts[read] += 1
        cells = [f"`{path.relative_to(root)}`", kind(path), "read" if read else "refused", text]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    head = ["| file | what it is | | what cystgrid says |", "|---|---|---|---|"]
    seconds = time.perf_counter() - start
    tail = f"\n{counts[True]} read, {counts[False]} refused, 0 tracebacks, {seconds:.0f} s"
    sys.stdout.write("\n".join([*head, *lines, tail, ""]))


if __name__ == "__main__":
    main()
