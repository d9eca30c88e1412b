"""The starts that come with the package: made by ``cystgrid pretrain`` of random scenes alone.

Each is a folder as that command writes it, ``starts/<architecture>/``: float16 weights, a card with
their sha256 and the exact study that made them.
"""

from __future__ import annotations

from pathlib import Path

from cystgrid.errors import StoreError, WeightsError
from cystgrid.models.entries import VIT
from cystgrid.provenance import sha256_file
from cystgrid.sealing import read_sealed

WEIGHTS, CARD = "start.safetensors", "start.json"
"""Names in a start's folder; ``outputs/start.py`` writes them."""

INSTALL = "install cystgrid again"
STARTS = Path(__file__).with_name("starts")


def shipped_architectures() -> tuple[str, ...]:
    """Registered names of the networks for which the package has a start."""
    return tuple(sorted(path.parent.name for path in STARTS.glob(f"*/{CARD}")))


def shipped_start(architecture: str) -> Path:
    """The weights of the start that comes with the package, after a look at every byte of them.

    Args:
        architecture: a registered name, ``vit_tiny``.

    Raises:
        WeightsError: there is none for this network, or it is damaged.
    """
    known = shipped_architectures()
    if architecture not in known:
        raise WeightsError(
            f"weights of {architecture}",
            got='"phantom"',
            expected=f"a network with a start in the package: {', '.join(known)}",
            do=_instead(architecture),
        )
    path = STARTS / architecture / WEIGHTS
    if not path.is_file() or sha256_file(path) != shipped_sha256(architecture):
        raise WeightsError(
            path,
            got="damaged" if path.exists() else "no such file",
            expected="the file of the sha256 on its card",
            do=INSTALL,
        )
    return path


def shipped_sha256(architecture: str) -> str:
    """The sha256 on a shipped start's card.

    Raises:
        WeightsError: the card cannot be read.
    """
    path = STARTS / architecture / CARD
    try:
        return str(read_sealed(path, expected="a start's card", do=INSTALL)["sha256"])
    except StoreError as error:
        raise WeightsError(path, got=error.got, expected=error.expected, do=error.do) from error


def check_beside_card(path: Path) -> None:
    """Check weights that lie in a start's folder by the card beside them.

    Raises:
        WeightsError: the card or the weights are damaged.
    """
    card = path.with_name(CARD)
    if path.name != WEIGHTS or not card.is_file():
        return
    do = "restore the folder, or make the start again"
    try:
        stated = str(read_sealed(card, expected="a start's card", do=do)["sha256"])
    except StoreError as error:
        raise WeightsError(card, got=error.got, expected=error.expected, do=do) from error
    if sha256_file(path) != stated:
        raise WeightsError(
            path, got="damaged", expected="the file of the sha256 on the card beside it", do=do
        )


def _instead(architecture: str) -> str:
    """What else a study can say."""
    others = 'or set weights = "hub", "none" or a path'
    if architecture.startswith(f"{VIT}_"):
        return f"make one: cystgrid pretrain -o start --study FILE with its vit, {others}"
    return others.removeprefix("or ")
