"""A pretrained start: its card, weights and curve; and the state of one under way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cystgrid.outputs.start import CARD, WEIGHTS
from cystgrid.sealing import read_sealed
from cystgrid.starts import STATE
from cystgrid.training.state_file import read_told
from cystgrid.verifying.findings import State
from cystgrid.verifying.looking import Look

AGAIN = (
    "the start must be made again: cystgrid pretrain with its pretrain.toml, into another folder"
)
STATE_COST = "the pretraining begins anew: remove it, and run cystgrid pretrain"
TOLD = "it tells how the start was made; the weights serve without it"


def look_at_start(look: Look) -> None:
    """Check everything in a start's folder."""
    if look.there(STATE):
        look.checked(STATE, read_told, "pretraining under way", STATE_COST)
    if not look.there(CARD):
        _no_card(look)
        return
    card = look.checked(CARD, _card, "start", AGAIN)
    if card is None:
        return
    look.file(card["weights"], card["sha256"], "weights", AGAIN)
    for name, sha256 in card["files"].items():
        look.file(name, sha256, "the start's story", TOLD)


def _no_card(look: Look) -> None:
    """Note a card that is lost or not written yet: the state gives way to it alone."""
    if look.there(WEIGHTS) and not look.there(STATE) and not look.locked:
        look.absent(CARD, State.MISSING, "start", AGAIN)
    else:
        look.absent(CARD, State.UNFINISHED, "start", "cystgrid pretrain goes on where it was")


def _card(path: Path) -> dict[str, Any]:
    return read_sealed(path, expected="a start's card as it was written", do=AGAIN)
