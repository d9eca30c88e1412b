"""``splits.json``: the folds as they are kept, and the proof that nobody is on two sides."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cystgrid.cohort.splits.folds import InnerFold, OuterFold, Splits
from cystgrid.errors import StoreError
from cystgrid.provenance import digest, json_text, write_text


def write_splits(splits: Splits, path: Path) -> None:
    """Write ``splits.json``, the same bytes for the same splits."""
    write_text(path, splits_text(splits))


def splits_text(splits: Splits) -> str:
    """``splits.json`` as it is written."""
    return json_text(asdict(splits))


def splits_digest(splits: Splits) -> str:
    """Digest of who is on which side, in which order; ``run.json`` keeps it."""
    return digest(asdict(splits))


def read_splits(path: Path) -> Splits:
    """Read ``splits.json`` and check that no patient is on both sides of any split.

    Raises:
        StoreError: the file is not of this form, or leaks.
    """
    try:
        raw = json.loads(path.read_bytes())
    except OSError as error:
        raise _no_splits(path, f"no readable file ({error.strerror})") from error
    except ValueError as error:
        raise _no_splits(path, "no JSON") from error
    splits = _parsed(raw, path)
    check_disjoint(splits, path)
    return splits


def _parsed(raw: Any, path: Path) -> Splits:
    """Splits of parsed JSON, held to their form."""
    outer = raw.get("outer") if isinstance(raw, dict) else None
    if not isinstance(outer, list) or not outer:
        raise _no_splits(path, 'no list of folds under "outer"')
    folds = []
    for number, fold in enumerate(outer):
        inner = fold.get("inner") if isinstance(fold, dict) else None
        if not isinstance(inner, list) or not inner:
            raise _no_splits(path, f'outer fold {number} without a list under "inner"')
        turns = tuple(
            InnerFold(_side(turn, "train", path, number), _side(turn, "validation", path, number))
            for turn in inner
        )
        repeat = fold.get("repeat", 0)  # splits written before there were repeats have none
        if not isinstance(repeat, int) or isinstance(repeat, bool) or repeat < 0:
            raise _no_splits(path, f'outer fold {number} whose "repeat" is no number from 0')
        folds.append(OuterFold(_side(fold, "test", path, number), turns, repeat))
    return Splits(tuple(folds))


def _side(holder: Any, name: str, path: Path, number: int) -> tuple[str, ...]:
    side = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(side, list) or not side or not all(isinstance(each, str) for each in side):
        raise _no_splits(path, f'outer fold {number} without a list of ids under "{name}"')
    return tuple(side)


def _no_splits(path: Path, got: str) -> StoreError:
    return StoreError(
        path,
        got=got,
        expected='{"outer": [{"test": [ids], "inner": [{"train": [ids], "validation": [ids]}]}]}',
        do="give the splits.json of an import or of a run",
    )


def check_disjoint(splits: Splits, where: object) -> None:
    """Refuse splits in which a patient is tested twice in a repeat, or meets its own training.

    Raises:
        StoreError: naming the fold and the patient.
    """
    tested = Counter((fold.repeat, patient) for fold in splits.outer for patient in fold.test)
    for number, fold in enumerate(splits.outer):
        again = [patient for patient in fold.test if tested[fold.repeat, patient] > 1]
        for inner in fold.inner:
            sides = Counter([*fold.test, *inner.train, *inner.validation])
            leaks = [patient for patient, times in sides.items() if times > 1] + again
            if leaks:
                raise StoreError(
                    f"{where}: outer fold {number}",
                    got=f"{leaks[0]!r} on two sides",
                    expected="every patient on one side",
                    do="make the splits again",
                )
