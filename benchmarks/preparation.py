"""Preparing one patient against N4 at full resolution, and a cohort on one core and on two.

    python benchmarks/preparation.py [--full] [--patients 6] [--json FILE]

The reference is SimpleITK's N4 on every voxel with four levels of fifty iterations, as it is often
run: two minutes a scan of 256 x 256 x 40 (``--full``); by default scans have a quarter of the
pixels along each in-plane side. Our own fields are also compared with our settings on every voxel.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
from measuring import Line, alternate, report, seconds

from cystgrid.cohort.manifest import Manifest, read_manifest
from cystgrid.cohort.phantom import write_phantom_cohort
from cystgrid.preparation.bias import N4Settings, bias_field, body_mask, thick_axis
from cystgrid.preparation.cohort import prepare_cohort
from cystgrid.preparation.patient import prepare_patient, read_scans
from cystgrid.preparation.settings import PreparationSettings
from cystgrid.preparation.threads import one_itk_thread
from cystgrid.scans.volume import Volume

REDUCTION, SEED = 4.0, 3
OFTEN = N4Settings(shrink_mm=1e-3, control_mm=1e3, iterations=(50, 50, 50, 50))
"""Every voxel; one span at the first level, as ITK has it by default."""

EVERY_VOXEL = N4Settings(shrink_mm=1e-3)
"""Our settings, without the coarse copy."""


def main() -> None:
    """Measure, print the table, write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="scans of 256 x 256 x 40")
    parser.add_argument("--patients", type=int, default=6, help="of the cohort")
    parser.add_argument("--rounds", type=int, default=3, help="of what takes turns")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, one_itk_thread():
        cohort = write_phantom_cohort(
            Path(folder) / "scans",
            patients=asked.patients,
            seed=SEED,
            reduction=1.0 if asked.full else REDUCTION,
            workers=1,
        )
        manifest = read_manifest(cohort)
        lines = [
            *against_n4(manifest),
            cores(manifest, Path(folder) / "prepared", asked.rounds),
        ]
    report(lines, asked.json)


def scans_of(manifest: Manifest) -> list[Volume]:
    """Both scans of the first patient."""
    return list(read_scans(manifest.patients[0], PreparationSettings()).values())


def against_n4(manifest: Manifest) -> list[Line]:
    """The whole preparation of a patient against N4 of its scans; how alike the fields are."""
    patient, settings = manifest.patients[0], PreparationSettings()
    scans = scans_of(manifest)
    shape = " x ".join(map(str, scans[-1].shape))
    pair = alternate(
        lambda: prepare_patient(patient, settings),
        lambda: [bias_field(scan, OFTEN) for scan in scans],
        rounds=1,
        warmup=0,
    )
    lines = [Line.of(f"a patient, scans of {shape}", pair, goal="20 x", note="N4 4 x 50 alone")]
    own = seconds(lambda: [bias_field(scan, N4Settings()) for scan in scans])
    lines.append(Line("of it N4, both scans", "s", own))
    lines += [
        Line(f"fields' correlation, scan {number}", "r", correlation(scan), goal=">= 0.999",
             note="ours against our settings on every voxel, within the body")
        for number, scan in enumerate(scans, start=1)
    ]  # fmt: skip
    return lines


def correlation(scan: Volume) -> float:
    """Of the logarithms of our field and of our settings' field on every voxel."""
    body = body_mask(scan.voxels, thick_axis(scan))
    fields = [np.log(bias_field(scan, each))[body] for each in (N4Settings(), EVERY_VOXEL)]
    return float(np.corrcoef(fields)[0, 1])


def cores(manifest: Manifest, folder: Path, rounds: int) -> Line:
    """A cohort with two workers against one; starting them is part of it."""

    def prepare(workers: int) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        prepare_cohort(manifest, folder, PreparationSettings(), workers=workers, quiet=True)

    pair = alternate(lambda: prepare(2), lambda: prepare(1), rounds, warmup=0)
    name = f"{len(manifest.patients)} patients, 2 workers against 1"
    return Line.of(name, pair, goal=">= 1.8 x", note="with the workers' start")


if __name__ == "__main__":
    main()
