"""Reading MR series: time and peak memory of cystgrid against SimpleITK's own reader.

    python benchmarks/read_series.py --series 100 --slices 40

writes classic MR series with headers as scanners make them into a temporary folder, reads each with
both readers in turn, one thread each, and checks that they agree on every voxel and its place.
SimpleITK's time is that of ``GetGDCMSeriesFileNames`` and ``ImageSeriesReader``: it sorts the files
and reads them, and checks none of what cystgrid checks. Peak memory is that of a process of its own
which reads the same series, beyond what the process held before it read the first.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from series_files import write_series

from cystgrid.scans.reading import read_scan
from cystgrid.scans.volume import Volume

Read = Volume | sitk.Image


def read_with_cystgrid(folder: Path) -> Volume:
    """The one series of a folder, its axes turned to run R, A, S."""
    return read_scan(folder)


def read_with_simpleitk(folder: Path) -> sitk.Image:
    """The same by ITK's series reader, as stored."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


READERS: dict[str, Callable[[Path], Read]] = {
    "cystgrid": read_with_cystgrid,
    "SimpleITK": read_with_simpleitk,
}


def times(folders: list[Path]) -> dict[str, NDArray[np.float64]]:
    """Seconds that each reader took for each series; the readers take turns in being first."""
    spent = {name: np.zeros(len(folders)) for name in READERS}
    for number, folder in enumerate(folders):
        read = {}
        for name in sorted(READERS, reverse=bool(number % 2)):
            start = time.perf_counter()
            read[name] = READERS[name](folder)
            spent[name][number] = time.perf_counter() - start
        check_equal(read["cystgrid"], read["SimpleITK"], number)
    return spent


def check_equal(ours: Volume, theirs: sitk.Image, number: int) -> None:
    """End the run if the readers disagree on a voxel or its place."""
    turned = sitk.DICOMOrient(theirs, "RAS")
    voxels = sitk.GetArrayFromImage(turned).transpose(2, 1, 0)
    origin = np.array(turned.GetOrigin()) * [-1, -1, 1]  # LPS+ to RAS+
    same_place = np.allclose(origin, ours.affine[:3, 3]) and np.allclose(
        turned.GetSpacing(), ours.spacing
    )
    if not (same_place and np.array_equal(voxels, ours.voxels)):
        sys.exit(f"the readers disagree on series {number}")


def peak_memory() -> int:
    """Largest resident size of this process so far, in bytes (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    sys.exit("this system does not tell a process's peak memory")


def memory_of(name: str, root: Path) -> int:
    """Peak memory of a process of its own that reads every series with one reader, in bytes."""
    command = [sys.executable, __file__, "--memory-of", name, "--folder", str(root)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_memory(name: str, root: Path) -> None:
    """What ``memory_of`` starts: bytes by which reading raised the peak of this process."""
    before = peak_memory()
    for folder in sorted(root.iterdir()):
        READERS[name](folder)
    print(peak_memory() - before)  # noqa: T201


def compare(root: Path, series: int, slices: int) -> None:
    """Write the series, read them, print the figures."""
    folders = [root / f"{number:04}" for number in range(series)]
    for number, folder in enumerate(folders):
        write_series(folder, slices, seed=number)
    for name in READERS:  # what is loaded or made only once belongs to neither
        READERS[name](folders[0])
    spent = times(folders)
    print(f"{series} series of {slices} slices, every voxel equal")  # noqa: T201
    for name, seconds in spent.items():
        print(  # noqa: T201
            f"{name:10} {seconds.sum():7.2f} s, {np.median(seconds) * 1000:6.1f} ms a series "
            f"(median), peak memory +{memory_of(name, root) / 2**20:.0f} MiB"
        )
    ratio = spent["cystgrid"].sum() / spent["SimpleITK"].sum()
    print(f"cystgrid takes {ratio:.2f} x SimpleITK's time")  # noqa: T201


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--series", type=int, default=100)
    parser.add_argument("--slices", type=int, default=40)
    parser.add_argument("--memory-of", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    if chosen.memory_of:
        print_memory(chosen.memory_of, chosen.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), chosen.series, chosen.slices)


if __name__ == "__main__":
    main()
