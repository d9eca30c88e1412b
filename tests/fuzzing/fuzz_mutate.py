"""From a seed and a random generator to a mutant: one kind of damage, or several on each other."""

from __future__ import annotations

import numpy as np
from dicom_walk import MalformedError, walk
from fuzz_bytes import Damage
from fuzz_dicom import choose, damage_dicom, new_value, replace_value
from fuzz_nifti import damage_gzip, damage_nifti
from fuzz_seeds import CANARY, Files, Mutant, Seed

BY_FAMILY: dict[str, Damage] = {
    "nii": damage_nifti,
    "gz": damage_gzip,
    "dicom": damage_dicom,
}
STACKED = {1: 0.7, 2: 0.18, 3: 0.08, 5: 0.04}
"""How many kinds of damage one mutant gets, and how often."""

SUFFIXES = (".nii", ".nii.gz", ".NII.GZ", ".dcm", ".gz", ".txt", "", ".img", ".ima")


def mutate(seed: Seed, numbers: tuple[int, int], left_out: frozenset[int] = frozenset()) -> Mutant:
    """Damage the seed, step by step; the same numbers give the same bytes.

    Args:
        seed: what is damaged.
        numbers: of the run and of the case.
        left_out: steps that are not done; each step has random numbers of its own.
    """
    rng = np.random.default_rng(numbers)
    mutant = Mutant(dict(seed.files), seed.target, ())
    for step in range(rng.choice(list(STACKED), p=list(STACKED.values()))):
        if step not in left_out:
            mutant = _damage(mutant, seed, np.random.default_rng((*numbers, step)))
    if seed.wrap is not None:
        packed = {name: seed.wrap(data) for name, data in mutant.files.items()}
        mutant = Mutant(packed, mutant.target, mutant.story)
    return mutant


def _damage(mutant: Mutant, seed: Seed, rng: np.random.Generator) -> Mutant:
    draw = rng.random()
    files, target = dict(mutant.files), mutant.target
    if len(seed.files) > 1 and draw < 0.3:
        story = _series(files, rng)
    elif seed.family == "dicom" and draw < 0.45:
        story = _everywhere(files, rng)
    elif draw > 0.97:
        target, story = _rename(files, target, rng)
    else:
        name = _pick(files, rng)
        files[name], story = BY_FAMILY[seed.family](rng, files[name])
        story = f"{_number(files, name)}: {story}"
    return Mutant(files, target, (*mutant.story, story))


def _pick(files: Files, rng: np.random.Generator) -> str:
    return sorted(files)[rng.integers(len(files))]


def _number(files: Files, name: str) -> str:
    return f"file {sorted(files).index(name) + 1} of {len(files)}"


def _series(files: Files, rng: np.random.Generator) -> str:
    """Files of a folder taken away, doubled, exchanged, emptied, or joined by strange ones."""
    one, other = _pick(files, rng), _pick(files, rng)
    content, which = files[one], _number(files, one)
    kind = int(rng.choice(8, p=(0.25, 0.15, 0.1, 0.1, 0.15, 0.05, 0.1, 0.1)))
    if kind == 0 and len(files) > 1:
        del files[one]
        return f"{which} removed"
    if kind == 1:
        files[f"copy-of-{one}"] = content
        return f"{which} twice"
    if kind == 2:
        files[f"moved-{one}"] = files.pop(one)
        return f"{which} renamed"
    if kind == 3:
        files[one], files[other] = files[other], content
        return f"{which} and {_number(files, other)} exchanged"
    if kind == 4:
        files[one] = files[other]
        return f"{which} is a copy of {_number(files, other)}"
    if kind == 5:
        files[one] = b""
        return f"{which} empty"
    if kind == 6:
        files[f"{CANARY}-README"] = rng.bytes(200)
        return "a file of noise beside"
    files[f"changed-{one}"] = damage_dicom(rng, content)[0]
    return f"a damaged copy of {which} beside"


def _everywhere(files: Files, rng: np.random.Generator) -> str:
    """One element gets one new value in all files that have it: consistent, and wrong."""
    try:
        first = choose(rng, walk(files[min(files)]))
    except MalformedError:
        name = _pick(files, rng)
        files[name], story = damage_dicom(rng, files[name])
        return story
    value, what = new_value(rng, first)
    if first.tag == 0x7FE00010:
        return _same_cut(files, len(value))
    for name, data in files.items():
        try:
            found = [element for element in walk(data) if element.path == first.path]
        except MalformedError:
            continue
        if found:
            files[name] = replace_value(data, found[0], value)
    return f"{first.tag:08x} everywhere: {what}"


def _same_cut(files: Files, length: int) -> str:
    for name, data in files.items():
        files[name] = data[: max(0, len(data) - length)]
    return f"{length} bytes cut from the end of every file"


def _rename(files: Files, target: str | None, rng: np.random.Generator) -> tuple[str | None, str]:
    """Another suffix for the file, or for one of the folder's."""
    old = target if target is not None else _pick(files, rng)
    suffix = str(rng.choice(SUFFIXES))
    new = f"renamed-{CANARY}{suffix}"
    if old in files:
        files[new] = files.pop(old)
    return (new if target is not None else None), f"renamed to {suffix or 'no suffix'}"
