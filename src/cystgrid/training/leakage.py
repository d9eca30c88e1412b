"""What must not stand on two sides of a fold, though its names differ: one image under two ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cystgrid.cohort.likeness import Copies, parted
from cystgrid.cohort.splits import InnerFold, Splits
from cystgrid.errors import CohortError

Sides = dict[str, str]
"""Each patient's side."""


def check_copies(copies: Iterable[Copies], splits: Splits) -> None:
    """Refuse folds that put copies of one scan on two sides: a model would know the answer.

    Args:
        copies: of the prepared scans.
        splits: outer and inner folds.

    Raises:
        CohortError: naming the fold, the patients and how alike their scans are.
    """
    for where, sides in _divisions(splits):
        _check(copies, sides, where)


def check_inner_copies(copies: Iterable[Copies], folds: Iterable[InnerFold]) -> None:
    """As ``check_copies``, of folds without a test side."""
    for number, fold in enumerate(folds):
        _check(copies, _inner_sides(fold), f"fold {number}")


def _divisions(splits: Splits) -> Iterator[tuple[str, Sides]]:
    for i, outer in enumerate(splits.outer):
        for j, inner in enumerate(outer.inner):
            sides = _inner_sides(inner)
            yield f"outer fold {i}, inner fold {j}", {**sides, **dict.fromkeys(outer.test, "test")}


def _inner_sides(fold: InnerFold) -> Sides:
    return {
        **dict.fromkeys(fold.train, "training"),
        **dict.fromkeys(fold.validation, "validation"),
    }


def _check(copies: Iterable[Copies], sides: Sides, where: str) -> None:
    for each in parted(copies, sides):
        found = [f"{name} in {sides[name]}" for name in each.patients if name in sides]
        alike = "" if each.kind == "same voxels" else f", correlation {each.likeness:.3f}"
        raise CohortError(
            f"splits: {where}",
            got=f"copies of one scan on two sides: {', '.join(found)} ({each.kind}{alike})",
            expected="every scan on one side",
            do='give these patients one value in the column "group" and prepare again, or set '
            'splits.copies = "allow" if they only look alike',
        )
