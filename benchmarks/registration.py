"""Registration on known shifts: how near to the truth T1 is found on phantom abdomens.

    python benchmarks/registration.py --cases 100 --picture registration.png

Each case is a phantom whose T1 is displaced by its affine: by up to 10 mm in a random direction,
and once more with a turn of up to 3 degrees about a random axis through the pancreas. The phantom's
own breathing comes on top of it, as its organs lie elsewhere in T1 than in T2 by up to 3, 6 and
10 mm, while spine, wall and aorta stay; the truth at the pancreas is the sum of the two. The region
is the pancreas's box. The error is the distance in mm, at its centre, of the shift found from the
truth. The same without a region ("whole scan") shows what the region is for: there a method finds
the wall and the spine, which are not where the pancreas is.

At the end one case is registered twice in this process with other threads set for ITK, and once in
a fresh process: the same bytes are expected.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import SimpleITK as sitk  # noqa: N813
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from threadpoolctl import threadpool_limits

from cystgrid.cohort.phantom import image_phantom
from cystgrid.errors import ScanError
from cystgrid.outputs.style import BLUE, ORANGE, figure_style, write_figure
from cystgrid.preparation.align import WorldBox, moved
from cystgrid.preparation.register import register
from cystgrid.preparation.registration import Registration, RegistrationSettings
from cystgrid.scans.volume import Volume

SHIFT_MM, TURN_DEGREES = 10.0, 3.0
CLOSE_MM = 1.0
VARIANTS = ("shift", "shift and turn")
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Method:
    """A mode, with the pancreas's box or without."""

    mode: Literal["measure", "rigid"]
    whole: bool

    def __str__(self) -> str:
        return f"{self.mode}, {'whole scan' if self.whole else 'pancreas'}"


METHODS = tuple(Method(mode, whole) for whole in (False, True) for mode in ("measure", "rigid"))


@dataclass(frozen=True, eq=False)
class Case:
    """A pair of scans, canonical, and the truth about them."""

    reference: Volume
    moving: Volume
    region: WorldBox
    shift_mm: Vector


@dataclass(frozen=True)
class Found:
    """One registration's shift at the pancreas's centre; ``refused`` says why there is none."""

    method: Method
    variant: str
    truth: tuple[float, ...]
    shift: tuple[float, ...]
    seconds: float
    refused: str = ""

    @property
    def error_mm(self) -> float:
        """Infinite where refused: nothing was found."""
        distance = float(np.linalg.norm(np.subtract(self.shift, self.truth)))
        return float("inf") if self.refused else distance


def make_case(seed: int, index: int, variant: str) -> Case:
    """A phantom, its T1 displaced; depends on nothing else."""
    random = np.random.default_rng([seed, index, VARIANTS.index(variant)])
    with threadpool_limits(1):
        phantom = image_phantom(seed, index)
    reference = Volume(phantom.t2.voxels, phantom.t2.affine).canonical()
    t1 = Volume(phantom.t1.voxels, phantom.t1.affine).canonical()
    inside = np.argwhere(phantom.pancreas)
    edges = [tuple(float(n) for n in ends) for ends in (inside.min(0) - 0.5, inside.max(0) + 0.5)]
    region = WorldBox.around(Volume(phantom.t2.voxels, phantom.t2.affine), edges[0], edges[1])
    direction, axis = (each / np.linalg.norm(each) for each in random.normal(size=(2, 3)))
    shift = direction * random.uniform(0, SHIFT_MM)
    degrees = random.uniform(0, TURN_DEGREES) if variant == "shift and turn" else 0.0
    turn = Rotation.from_rotvec(axis * np.radians(degrees)).as_matrix()
    pivot = region.centre + phantom.breathing  # where T1 shows the anatomy of the region's centre
    displaced = np.eye(4)
    displaced[:3, :3] = turn
    displaced[:3, 3] = pivot + shift - turn @ pivot
    moving = moved(t1, np.linalg.inv(displaced))
    return Case(reference, moving, region, phantom.breathing + shift)


def run(case: Case, method: Method) -> Registration:
    """Register a case."""
    region = None if method.whole else case.region
    return register(case.reference, case.moving, RegistrationSettings(mode=method.mode), region)


def shift_at(case: Case, done: Registration, method: Method) -> Vector:
    """The shift found at the pancreas's centre."""
    if method.mode == "rigid":
        return (
            done.transform[:3, :3] @ case.region.centre
            + done.transform[:3, 3]
            - (case.region.centre)
        )
    if done.residual is None:
        raise ScanError("t1", got="no distinct shift", expected="one", do="look at it")
    return np.array(done.residual.shift_mm)


def try_all(index: int, seed: int) -> list[Found]:
    """Every method on both variants of one phantom."""
    out = []
    for variant in VARIANTS:
        case = make_case(seed, index, variant)
        truth = tuple(case.shift_mm)
        for method in METHODS:
            start = time.perf_counter()
            try:
                shift, why = tuple(shift_at(case, run(case, method), method)), ""
            except ScanError as error:
                shift, why = (np.nan,) * 3, str(error)
            out.append(Found(method, variant, truth, shift, time.perf_counter() - start, why))
    return out


def print_table(found: list[Found]) -> None:
    """One line a method and variant."""
    print(f"{'':28}{'':16} within 1 mm  median mm  worst mm  refused  seconds")  # noqa: T201
    for method in METHODS:
        for variant in VARIANTS:
            chosen = [each for each in found if (each.method, each.variant) == (method, variant)]
            errors = np.array([each.error_mm for each in chosen])
            kept = errors[np.isfinite(errors)]
            print(  # noqa: T201
                f"{method!s:28}{variant:16} {np.mean(errors <= CLOSE_MM):11.1%}  "
                f"{np.median(kept):9.2f}  {kept.max():8.2f}  {len(errors) - len(kept):7d}  "
                f"{np.median([each.seconds for each in chosen]):7.2f}"
            )
    reasons = Counter(
        f"{each.method}: {re.sub('[0-9.]+ ', '... ', each.refused.split(';')[0])}"
        for each in found
        if each.refused
    )
    for reason, times in reasons.most_common():
        print(f"  {times} refused: {reason}")  # noqa: T201


def draw(found: list[Found], path: Path) -> None:
    """Known against recovered shift along each axis, at the pancreas."""
    with figure_style():
        figure = Figure(figsize=(9, 6.4), layout="constrained")
        for row, mode in zip(figure.subplots(2, 3), ("measure", "rigid"), strict=True):
            for number, axes in enumerate(row):
                for variant, colour in zip(VARIANTS, (BLUE, ORANGE), strict=True):
                    pairs = [
                        (each.truth[number], each.shift[number])
                        for each in found
                        if (each.method, each.variant) == (Method(mode, whole=False), variant)
                    ]
                    axes.plot(*np.transpose(pairs), ".", color=colour, label=variant, alpha=0.7)
                low, high = axes.get_xlim()
                axes.plot([low, high], [low, high], color="0.4", linewidth=0.8, zorder=0)
                ends = np.array([low, high])
                axes.fill_between(ends, ends - CLOSE_MM, ends + CLOSE_MM, color="0.9", zorder=0)
                axes.set_xlabel(f"known shift along {'xyz'[number]} in mm")
                axes.set_ylabel("recovered in mm")
                axes.set_title(f"{mode}: {('right', 'front', 'head')[number]}")
        figure.axes[0].legend()
        figure.suptitle(f"Shift of T1 against T2 at the pancreas of {len(found) // 8} phantoms")
        write_figure(figure, path, "Known: the displacement given to T1 plus the phantom's own "
                     "breathing. Grey band: 1 mm.")  # fmt: skip


def result_bytes(seed: int) -> bytes:
    """All numbers of one rigid registration."""
    done = run(make_case(seed, 0, VARIANTS[1]), Method("rigid", whole=False))
    return done.transform.tobytes() + repr(sorted(done.figures.items())).encode()


def same_bytes(seed: int) -> bool:
    """Twice here with other threads set for ITK, and once in a fresh process."""
    results = set()
    for threads in (1, 4):
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
        results.add(result_bytes(seed))
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        results.add(pool.submit(result_bytes, seed).result())
    return len(results) == 1


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--picture", type=Path)
    chosen = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(chosen.workers, context) as pool:
        rows = pool.map(partial(try_all, seed=chosen.seed), range(chosen.cases))
        found = [each for row in rows for each in row]
    print_table(found)
    print("same bytes twice, with other threads and in a fresh process:", same_bytes(chosen.seed))  # noqa: T201
    if chosen.picture:
        draw(found, chosen.picture)


if __name__ == "__main__":
    main()
