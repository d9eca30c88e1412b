"""From a mask as people store it, with labels of any number, to 0 and 1."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cystgrid.errors import ScanError
from cystgrid.scans.volume import Array, Volume

MOST_LABELS = 512
"""Different values beyond which a file is a scan, not a mask: the largest atlases hold fewer."""

LABELS_SHOWN = 8

WHOLE = 1e-3
"""How far from a whole number a label may lie: a mask that was saved with a scale factor."""

PIECE = 2**20
"""Voxels looked at together, so that no copy of a whole mask is sorted."""


def binary_mask(mask: Volume, labels: tuple[int, ...]) -> Volume:
    """The same grid with 1 in the voxels of the labels that are meant, and 0 elsewhere.

    Args:
        mask: voxels are 0 and labels.
        labels: those that count as inside; empty where the mask holds only one.

    Returns:
        The mask; ``notes`` say if it is empty, and which labels were taken and left.

    Raises:
        ScanError: its voxels are no labels, or the choice of labels does not fit them.
    """
    mask = _rounded(mask)
    found = _labels(mask)
    if not found:
        return mask.noted("The mask is empty.")
    if not labels and len(found) > 1:
        raise ScanError(
            mask.source,
            got=f"{len(found)} labels: {_listed(found)}",
            expected="one label beside 0, or a choice",
            do="name the label that is meant after the path, as MASK#label=N",
        )
    if not labels:
        return mask.with_voxels((mask.voxels != 0).astype(np.float32))
    if not set(labels) & set(found):
        raise ScanError(
            f"{mask.source}: label",
            got=f"only {_listed(found)}",
            expected=" or ".join(map(str, labels)),
            do="correct the choice of label, as MASK#label=N",
        )
    inside = np.isin(mask.voxels, np.array(labels, dtype=np.float64))
    return mask.with_voxels(inside.astype(np.float32)).noted(*_choice_notes(found, labels))


def _rounded(mask: Volume) -> Volume:
    """Undo what a scale factor did to whole numbers; anything else is left as it is."""
    pieces = (mask.voxels.reshape(-1)[n : n + PIECE] for n in range(0, mask.voxels.size, PIECE))
    with np.errstate(invalid="ignore"):
        worst = max(float(np.abs(piece - np.rint(piece)).max()) for piece in pieces)
    if not 0 < worst <= WHOLE:
        return mask
    return mask.with_voxels(np.rint(mask.voxels)).noted(
        f"The mask's values were rounded to whole numbers, by up to {worst:.1g}."
    )


def _labels(mask: Volume) -> list[int]:
    """The labels beside 0, ascending."""
    found: set[int] = set()
    for piece in _set_voxels(mask.voxels):
        _check_labels(piece, mask)
        one = piece.min() == piece.max()  # most pieces of most masks: nothing to sort
        found.update(int(label) for label in (piece[:1] if one else np.unique(piece)))
        if len(found) > MOST_LABELS:
            raise ScanError(
                mask.source,
                got=f"more than {MOST_LABELS} different values",
                expected="a mask of 0 and labels",
                do="give the mask, not a scan",
            )
    return sorted(found)


def _set_voxels(voxels: Array) -> Iterator[NDArray[np.float32]]:
    """All values but 0, in pieces."""
    flat = voxels.reshape(-1)  # no copy: canonical voxels lie in one block
    for first in range(0, flat.size, PIECE):
        piece = flat[first : first + PIECE]
        if piece.any():
            yield piece[piece != 0]


def _check_labels(values: NDArray[np.float32], mask: Volume) -> None:
    if not np.isfinite(values).all():
        got, do = "NaN or infinite voxels", "write the mask again as integers"
    elif (values != np.rint(values)).any() and values.min() > 0 and values.max() <= 1:
        got = "values between 0 and 1, as of a map of probabilities"
        do = "choose a threshold, and write 0 and 1 as integers"
    elif (values != np.rint(values)).any():
        example = values[values != np.rint(values)][0]
        got, do = f"values that are not whole, such as {example:g}", "give a mask of integers"
    elif values.min() < 0:
        got, do = f"negative values, such as {values.min():g}", "give labels from 1 upwards"
    else:
        return
    raise ScanError(mask.source, got=got, expected="a mask of 0 and whole labels", do=do)


def _choice_notes(found: list[int], labels: tuple[int, ...]) -> list[str]:
    """What was left out of the mask, and what of the choice is not in it."""
    notes = []
    if set(found) - set(labels):
        taken = " and ".join(str(label) for label in sorted(set(labels) & set(found)))
        notes.append(f"Of the mask's {len(found)} labels ({_listed(found)}), {taken} was taken.")
    missing = " and ".join(str(label) for label in sorted(set(labels) - set(found)))
    return [*notes, f"No voxel has the label {missing}."] if missing else notes


def _listed(labels: list[int]) -> str:
    shown = ", ".join(str(label) for label in labels[:LABELS_SHOWN])
    more = len(labels) - LABELS_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
