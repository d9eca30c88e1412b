"""What must not be done, done on purpose: a test that cannot tell it from the right way is none."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from cohorts_in_memory import unsynced
from cystgrid.preparation.store import Store, write_index, write_patient


def window_splits(
    prepared: Path, folder: Path, *, windows: int = 3, slices: int = 3, honest: bool = False
) -> Path:
    """Make pseudo-patients ``p#0``, ``p#1``, ... of each patient's windows, as a store.

    As the field's slice-level splits do, folds then divide windows, and windows of one patient lie
    on both sides: the control, which must look too good. With ``honest``, a patient's windows keep
    its group, so that folds divide patients: the same data, which must not.

    Args:
        prepared: PREPARED, with crops of at least ``slices`` slices, and of as many as give
            ``windows`` different windows.
        folder: of the new store.
        windows: of each patient, at equal distances.
        slices: consecutive ones, in each window.
        honest: whether a patient's windows are kept together.
    """
    store = Store.open(prepared)
    cards = {}
    with unsynced():
        for name in store.patients:
            whole = store.load(name)
            last = whole.crop.shape[1] - slices
            if last + 1 < windows:
                raise ValueError(f"{name}: {windows} windows of {slices} slices do not fit")
            for number, start in enumerate(np.linspace(0, last, windows).round().astype(int)):
                cut = slice(start, start + slices)
                affine = whole.affine.copy()
                affine[:3, 3] += start * affine[:3, 2]
                pseudo = replace(
                    whole,
                    patient=f"{name}#{number}",
                    group=whole.group if honest else f"{name}#{number}",
                    crop=whole.crop[:, cut],
                    affine=affine,
                    lesion=None if whole.lesion is None else whole.lesion[cut],
                    fingerprints={},  # who splits slices does not look for copies
                )
                cards[pseudo.patient] = write_patient(folder, pseudo, key="k")
        write_index(folder, store.settings, cards)
    return folder
