"""The starts that come with the package: made by ``cystgrid pretrain`` of random scenes alone.

Each is a folder as that command writes it, ``starts/<architecture>/``: float16 weights, a card with
their sha256 and the exact study that made them.
"""

from __future__ import annotations

import json
from pathlib import Path

from cystgrid.errors import WeightsError
from cystgrid.models.entries import VIT
from cystgrid.provenance import sha256_file

WEIGHTS, CARD = "start.safetensors", "start.json"
"""Names in a start's folder; ``outputs/start.py`` writes them."""

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
            do="install cystgrid again",
        )
    return path


def shipped_sha256(architecture: str) -> str:
    """The sha256 on a shipped start's card.

    Raises:
        WeightsError: the card cannot be read.
    """
    path = STARTS / architecture / CARD
    try:
        return str(json.loads(path.read_text("utf-8"))["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            path,
            got=f"{type(error).__name__} on reading",
            expected="a start's card",
            do="install cystgrid again",
        ) from error


def _instead(architecture: str) -> str:
    """What else a study can say."""
    others = 'or set weights = "hub", "none" or a path'
    if architecture.startswith(f"{VIT}_"):
        return f"make one: cystgrid pretrain -o start --study FILE with its vit, {others}"
    return others.removeprefix("or ")
