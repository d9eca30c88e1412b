"""A cross-validation: what it is, every training, and all that was made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cystgrid.checksums import SUMS
from cystgrid.cohort.splits import InnerFold, Splits, read_splits, splits_digest
from cystgrid.cohort.splits.file import splits_text
from cystgrid.errors import StoreError
from cystgrid.training.job import PEER, STATE, job_key, read_record
from cystgrid.training.run_card import CARD, SPLITS, read_run_card
from cystgrid.training.state_file import read_told
from cystgrid.verifying.findings import State
from cystgrid.verifying.looking import Look

CARD_COST = "no training: remove it, and cystgrid crossval with the same study writes it again"
SPLITS_COST = "no training: cystgrid crossval writes the folds again"
MADE_AGAIN = "no training: cystgrid crossval makes it again"
TABLES = "no training: cystgrid crossval, or cystgrid tables, makes it again"
RECORD = "job.json"
GOES_ON = "cystgrid crossval goes on with it: {}"
BEGINS_AGAIN = "this training begins again: cystgrid crossval"


@dataclass(frozen=True)
class _Place:
    """Where a training lies: model and inputs, number of the outer fold, of the inner or `peer`."""

    pair: str
    outer: int
    inner: int | str

    @property
    def folder(self) -> str:
        name = self.inner if self.inner == PEER else f"inner-{self.inner}"
        return f"jobs/{self.pair}/outer-{self.outer}/{name}"

    @property
    def artefact(self) -> str:
        return f"training {self.pair}, outer {self.outer}, inner {self.inner}"


def look_at_run(look: Look) -> None:
    """Check everything in RUN."""
    card = look.checked(CARD, lambda path: read_run_card(path.parent), "the run's card", CARD_COST)
    finished = look.there(SUMS)
    splits = None
    if finished or look.there(SPLITS):
        splits = look.checked(SPLITS, lambda path: _folds(path, card), "folds", SPLITS_COST)
    else:
        look.absent(SPLITS, State.UNFINISHED, "folds", SPLITS_COST)
    for place in _places(look.folder, card, splits):
        _training(look, place, card, finished=finished)
    if not finished:
        look.absent(SUMS, State.UNFINISHED, "answers, tables and figures", MADE_AGAIN)
    look.recorded(_made)


def _folds(path: Path, card: dict[str, Any] | None) -> Splits:
    """The folds, if they are those that the run began with, to the byte."""
    splits = read_splits(path)
    own = card is None or splits_digest(splits) == card["splits"]
    if not own or splits_text(splits).encode() != path.read_bytes():
        raise StoreError(
            path, got="altered content", expected="the run's own folds", do=SPLITS_COST
        )
    return splits


def _places(folder: Path, card: dict[str, Any] | None, splits: Splits | None) -> Iterator[_Place]:
    """Where a training ought to lie; where one lies, if that is not known."""
    there = sorted((folder / "jobs").glob("*/outer-*/*"))
    if card is None or splits is None:
        yield from (place for path in there if (place := _place_of(path)))
        return
    with_peers = {path.parents[1].name for path in there if path.name == PEER}
    for pair in card["models"]:
        for outer, fold in enumerate(splits.outer):
            for inner in range(len(fold.inner)):
                yield _Place(pair, outer, inner)
            if pair in with_peers:
                yield _Place(pair, outer, PEER)


def _place_of(path: Path) -> _Place | None:
    """The place whose folder this is; None of any other folder."""
    outer = path.parent.name.removeprefix("outer-")
    inner = path.name.removeprefix("inner-")
    if not outer.isdecimal() or not (inner.isdecimal() or inner == PEER):
        return None
    return _Place(path.parents[1].name, int(outer), inner if inner == PEER else int(inner))


def _training(look: Look, place: _Place, card: dict[str, Any] | None, *, finished: bool) -> None:
    """Check one training by its record, and the record by the run's card."""
    name = f"{place.folder}/{RECORD}"
    cost = _cost(place.pair, card)
    if not look.there(name) and not finished:
        _unfinished(look, place)
        return
    if look.there(f"{place.folder}/{STATE}"):
        look.left_over(f"{place.folder}/{STATE}")
    record = look.checked(name, lambda path: _record(path, place, card), place.artefact, cost)
    if record is None:
        look.pass_over(place.folder, place.artefact)
        return
    files = {**record["files"], record["weights"]: record["sha256"]}
    for each, sha256 in files.items():
        look.file(f"{place.folder}/{each}", sha256, place.artefact, cost)


def _unfinished(look: Look, place: _Place) -> None:
    """Note a training that does not count yet, and check its state if it is under way."""
    state, todo = f"{place.folder}/{STATE}", "cystgrid crossval trains it"
    if look.there(state):
        told = look.checked(state, read_told, f"{place.artefact}, under way", BEGINS_AGAIN)
        if told is not None:
            todo = GOES_ON.format(progress_of(told))
    look.absent(f"{place.folder}/{RECORD}", State.UNFINISHED, place.artefact, todo)
    look.pass_over(place.folder, place.artefact)


def progress_of(told: dict[str, Any]) -> str:
    """How far the last candidate of a training has come that was put away, in words."""
    begun = [each for each in told["courses"] if each is not None]
    epochs = sum(each["trained"] for each in begun)
    return f"after {epochs} whole epoch{'' if epochs == 1 else 's'}"


def _record(path: Path, place: _Place, card: dict[str, Any] | None) -> dict[str, Any]:
    """A training's record, if it is this run's and of just this place."""
    record = read_record(path)
    said = (f"{record['model']}-{record['inputs']}", record["outer"], record["inner"])
    genuine = said == (place.pair, place.outer, place.inner)
    if genuine and card is not None:
        identity = {"prepared": card["prepared"], **card["models"][place.pair]}
        fold = InnerFold(tuple(record["train"]), tuple(record["validation"]))
        genuine = record["key"] == job_key(identity, fold, record["test"])
    if not genuine:
        raise StoreError(
            path, got="another training", expected="that of this run and fold", do="train it again"
        )
    return record


def _cost(pair: str, card: dict[str, Any] | None) -> str:
    """What the loss of a training costs."""
    identity = {} if card is None else card["models"].get(pair, {})
    epochs = (identity.get("training") or {}).get("epochs")
    length = f" of {epochs} epochs" if epochs else ""
    return f"this training{length} is repeated: cystgrid crossval"


def _made(name: str) -> tuple[str, str]:
    """What a file on record is, and what its loss costs."""
    part = name.partition("/")[0]
    if part in ("tables", "figures"):
        return part, TABLES
    return ("checksums" if name == SUMS else "answers" if name.endswith(".csv") else "settings"), (
        MADE_AGAIN
    )
