"""The watcher over many studies, killed again and again, with the archive stopped in the middle.

    python benchmarks/watch.py [--studies 20] [--kills 6] [--stops 3] [--protocol dicomweb|dimse]

Needs Debian's orthanc and orthanc-dicomweb. Phantom studies are put into an Orthanc on loopback,
which replaces what is stored twice. `cystgrid pacs watch` runs as a process of its own; it is
killed by SIGKILL, and Orthanc is stopped and started, at moments drawn at random. In the end every
study must have its results, no instance may have arrived twice, and every source must have its
bytes.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from prediction import COMMAND, make_model
from pydicom import dcmread

from cystgrid.cohort.phantom import write_phantom_cohort

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from pacs.orthanc import PASSWORD, PASSWORD_ENV, Orthanc

WATCH = """
[watch]
days = 100000
poll_seconds = 1
quiet_seconds = 2
roi_folder = "regions"
"""
OBJECTS = 5
"""Of each answer: report, map, two pictures, region."""

DOWN_SECONDS, ALIVE_SECONDS = (1.0, 4.0), (4.0, 20.0)
"""How long Orthanc stays away, and how long there is between two events, at random."""


def put_studies(orthanc: Orthanc, folder: Path, count: int) -> dict[str, bytes]:
    """Phantom studies in the archive, a mask for each; returns every source's content."""
    write_phantom_cohort(
        folder / "new", patients=count, seed=7, reduction=4.0, image_format="dicom"
    )
    (folder / "regions").mkdir()
    for scans in sorted((folder / "new/scans").iterdir()):
        study = dcmread(next(scans.rglob("*.dcm"))).StudyInstanceUID
        mask = (folder / "new/truth" / scans.name / "pancreas.nii.gz").read_bytes()
        (folder / "regions" / f"{study}.nii.gz").write_bytes(mask)
        orthanc.put(sorted(scans.rglob("*.dcm")))
    return {uid: orthanc.content(uid) for uid in orthanc.uids()}


def watcher(folder: Path, model: Path, settings: Path) -> subprocess.Popen[str]:
    """`cystgrid pacs watch --once`, as a process."""
    words = ["pacs", "watch", str(model), "-o", str(folder / "watched")]
    return subprocess.Popen(
        [*COMMAND, *words, "--settings", str(settings), "--once"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, PASSWORD_ENV: PASSWORD},
    )  # fmt: skip


def disturbed(
    folder: Path, model: Path, settings: Path, orthanc: Orthanc, events: list[str]
) -> tuple[str, Counter[str]]:
    """Run the watcher to its end through all events; returns what it said last, and what was done.

    Events that are left when it ends did not happen.
    """
    done: Counter[str] = Counter()
    process = watcher(folder, model, settings)
    for event in events:
        try:
            process.wait(random.uniform(*ALIVE_SECONDS))
            break
        except subprocess.TimeoutExpired:
            done[event] += 1
        if event == "kill":
            process.kill()
            process.wait()
            process = watcher(folder, model, settings)
        else:
            orthanc.stop()
            time.sleep(random.uniform(*DOWN_SECONDS))
            orthanc.start()
    told, _ = process.communicate()
    assert process.returncode == 0, told
    return told, done


def main() -> None:
    """Run it and say what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=20)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--stops", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--protocol", choices=("dicomweb", "dimse"), default="dicomweb")
    asked = parser.parse_args()
    random.seed(asked.seed)
    events = ["kill"] * asked.kills + ["stop"] * asked.stops
    random.shuffle(events)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = make_model(folder)
        orthanc = Orthanc(folder / "orthanc").start()
        try:
            sources = put_studies(orthanc, folder, asked.studies)
            settings = orthanc.settings(folder, asked.protocol, WATCH)
            begun = time.monotonic()
            _, done = disturbed(folder, model, settings, orthanc, events)
            seconds = time.monotonic() - begun
            uids = orthanc.uids()
            results = len(set(uids) - set(sources))
            changed = [uid for uid, content in sources.items() if orthanc.content(uid) != content]
            twice = orthanc.arrivals() - len(sources) - results
        finally:
            orthanc.stop()
    sys.stdout.write(
        f"{asked.protocol}: {asked.studies} studies ({len(sources)} instances), "
        f"{done['kill']} kills, {done['stop']} stops, {seconds:.0f} s: "
        f"{results} of {OBJECTS * asked.studies} results, "
        f"{twice} arrived twice, {len(uids) - len(set(uids))} stored twice, "
        f"{len(changed)} sources changed\n"
    )
    if results != OBJECTS * asked.studies or twice or changed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
