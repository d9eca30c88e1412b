"""A deployable model: model.json, the members' weights, the page; and one that is being trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cystgrid.sealing import read_sealed
from cystgrid.training.job import STATE
from cystgrid.training.state_file import read_told
from cystgrid.verifying.findings import State
from cystgrid.verifying.looking import Look

CARD, README = "model.json", "README.md"
TRAIN_AGAIN = "the model must be trained again: cystgrid train, into another folder"
WEIGHTS = "the members are trained again: cystgrid train, with the same study, into this folder"
PAGE = "it is words alone; the model predicts without it"
MEMBER = "this member is trained again: cystgrid train"
BEGINS_AGAIN = "this member's training begins again: cystgrid train"


def look_at_model(look: Look) -> None:
    """Check everything in MODEL."""
    for path in sorted(look.folder.glob(".*.json")):  # members of a training under way
        _member(look, path.name)
    for path in sorted(look.folder.glob(f".*.{STATE}")):
        artefact = f"member {path.name.removeprefix('.').removesuffix(f'.{STATE}')}, under way"
        look.checked(path.name, read_told, artefact, BEGINS_AGAIN)
    if not look.there(CARD):
        _no_card(look)
        return
    card = look.checked(CARD, _card, "model", TRAIN_AGAIN)
    if card is None:
        return
    for record in card["members"]:
        look.file(record["weights"], record["sha256"], "weights", WEIGHTS)
    for name, sha256 in card["files"].items():
        look.file(name, sha256, "model card", PAGE)


def _no_card(look: Look) -> None:
    """Note a card that is lost or not written yet: the members' records give way to it alone."""
    records = [*look.folder.glob(".*.json"), *look.folder.glob(f".*.{STATE}")]
    if look.there(README) and not records and not look.locked:
        look.absent(CARD, State.MISSING, "model", TRAIN_AGAIN)
    else:
        look.absent(CARD, State.UNFINISHED, "model", "cystgrid train goes on where it was")


def _card(path: Path) -> dict[str, Any]:
    return read_sealed(path, expected="a model.json as it was written", do=TRAIN_AGAIN)


def _member(look: Look, name: str) -> None:
    artefact = f"member {name.removeprefix('.').removesuffix('.json')}"
    record = look.checked(name, _record, artefact, MEMBER)
    if record is not None:
        member = record["member"]
        look.file(member["weights"], member["sha256"], artefact, MEMBER)


def _record(path: Path) -> dict[str, Any]:
    return read_sealed(path, expected="a member's record as it was written", do=MEMBER)
